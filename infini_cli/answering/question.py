"""A question taken apart: the words that say where its answer stands, and what kind of answer it wants."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from infini_cli.answering import words

_ASKING_WEIGHT = 0.25
_EARLIER_WEIGHT = 0.35  # of a word that only what was said before has
_MOST_WORDS = 100  # of a question that are searched for; a page pasted in as a question has more
_QUOTED = re.compile(r"\"([^\"]{2,})\"|“([^”]{2,})”|«([^»]{2,})»|`([^`]{2,})`")
_NUMBER_ASKED = re.compile(
    r"\b(how (many|much|long|old|far|often|big|large|fast|high)|what (number|size|percentage))\b", re.I
)
_TIME_ASKED = re.compile(r"\b(when|(what|which) (year|date|day|time|century))\b", re.I)
_DEFINITION_ASKED = re.compile(
    r"^\W*(?:what|who)(?:'s| is| are| was| were)\b|^\W*what does .{1,60} (?:mean|stand for)\b|^\W*define\b",
    re.I,
)
_PERSON_ASKED = re.compile(r"\b(who|whom|whose)\b", re.I)


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the question: as written, its stem, and how much it tells where the answer stands."""

    text: str
    stem: str
    weight: float
    names: bool
    earlier: bool = False  # not of the question itself, but of what was said before it


@dataclass(frozen=True, slots=True)
class Question:
    """What a question asks for, in the words of the index; `earlier` is what was said before that it leans on."""

    text: str
    terms: tuple[Term, ...]
    # Pairs of term numbers that stand side by side in the question, and how firmly: 1 neighbours,
    # 2 parts of one word ("dpkg-reconfigure"), 3 inside quotation marks.
    links: tuple[tuple[int, int, float], ...]
    general: bool  # asks what the whole document is about
    wants_number: bool
    wants_time: bool
    wants_person: bool
    wants_definition: bool  # asks what or who something is
    earlier: str = ""

    @property
    def subject(self) -> str:
        """The stem of what a question for a definition asks about: its last own word, if it has one."""
        own = [term.stem for term in self.terms if not term.earlier]
        return (own or [term.stem for term in self.terms] or [""])[-1]


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start: int
    end: int
    quotation: int  # number of the quotation it stands in, 0 for none

    @property
    def asks(self) -> bool:
        """Whether it says little about where the answer stands."""
        return not self.quotation and self.text.lower() in words.ASKING_WORDS | words.DOCUMENT_WORDS

    @property
    def names(self) -> bool:
        """Whether it is a name or a number; the first word of a question has a capital anyway."""
        letters = self.text if self.start else self.text[1:]
        return bool(self.quotation) or any(letter.isupper() or letter.isdigit() for letter in letters)


def parse_question(text: str, earlier: str = "") -> Question:
    """Find the distinct content words of a question, in order, and which of them belong together.

    Args:
        text: the question, as the user wrote it.
        earlier: what was said before and the question leans on; its words are looked for too, and count for less.
    """
    found = _words(text)
    kept = [word for word in found if word.quotation or words.is_content(word.text) or _is_sign(text, word)]
    kept = kept[:_MOST_WORDS]
    about = [word for word in kept if not word.asks]
    stems = words.stem(" ".join(word.text for word in kept))
    if len(stems) != len(kept):  # a script that the stemmer cuts differently: each word stands for itself
        stems = [word.text.lower() for word in kept]

    before = parse_question(earlier).terms if earlier else ()
    number_of: dict[str, int] = {}
    terms: list[Term] = []
    for word, stem in zip(kept, stems, strict=True):
        if stem not in number_of:
            number_of[stem] = len(terms)
            # "What does it mean?" has nothing but asking words: then they are all there is to look for.
            weight = _ASKING_WEIGHT if word.asks and (about or before) else 1.0
            terms.append(Term(word.text, stem, weight, word.names))
    carried = [term for term in before if term.stem not in number_of]
    terms += [
        replace(term, weight=_EARLIER_WEIGHT * term.weight, earlier=True)
        for term in carried[: _MOST_WORDS - len(terms)]
    ]
    return Question(
        text=text,
        terms=tuple(terms),
        links=_links(text, kept, [number_of[stem] for stem in stems]),
        general=bool(found)
        and not about
        and not carried
        and (not kept or any(word.text.lower() in words.DOCUMENT_WORDS for word in kept)),
        wants_number=bool(_NUMBER_ASKED.search(text)),
        wants_time=bool(_TIME_ASKED.search(text)),
        wants_person=bool(_PERSON_ASKED.search(text)),
        wants_definition=bool(_DEFINITION_ASKED.search(text)),
        earlier=earlier,
    )


def _words(text: str) -> list[_Word]:
    quotations = [match.span() for match in _QUOTED.finditer(text)]
    return [
        _Word(
            text[start:end],
            start,
            end,
            sum(n for n, (a, b) in enumerate(quotations, start=1) if a <= start < b),
        )
        for start, end in words.token_spans(text)
    ]


def _links(text: str, kept: Sequence[_Word], numbers: Sequence[int]) -> tuple[tuple[int, int, float], ...]:
    links: dict[tuple[int, int], float] = {}
    for place in range(len(kept) - 1):
        word, after = kept[place], kept[place + 1]
        between = text[word.end : after.start]
        if word.quotation and word.quotation == after.quotation:
            strength = 3.0
        elif not re.search(r"[\s,;()]", between):
            strength = 2.0
        elif len(words.tokens(between)) <= 2:
            strength = 1.0
        else:
            continue
        pair = (numbers[place], numbers[place + 1])
        if pair[0] != pair[1]:
            links[pair] = max(strength, links.get(pair, 0.0))
    return tuple((a, b, strength) for (a, b), strength in links.items())


def _is_sign(text: str, word: _Word) -> bool:
    # "-L", "C++": a single letter, but no article, no "I", and not the end of an apostrophe
    if len(word.text) != 1 or not word.text.isupper() or word.text in "AI":
        return False
    return word.start == 0 or text[word.start - 1] not in "'’"
