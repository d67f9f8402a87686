"""The sentences of a passage that say best what was asked or answered, as verbatim slices of it."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infini_cli.answering import words
from infini_cli.answering.prose import MAX_CHARACTERS, code_share, pieces_of
from infini_cli.answering.question import Question

_CODE_IN_PROSE = 0.03  # share of such signs that ordinary sentences have
_CODE_PENALTY = 4.0
_LEAST_PROSE = 0.6  # code and listings may be just what was asked for
_FRAGMENT = 0.7  # worth of a heading or a part of a list, which says less than a sentence with the same words
_FRAGMENT_CHARACTERS = 120
_ENDS = re.compile(r"[.!?…。！？][\"'”’»)]*$")
_SHORT = 40  # characters; a sentence shorter than this is quoted with the one after it
_LINK_WEIGHT = 0.3
# share of the weight of a typical term that a number, date or name adds where one was asked for
_ASKED_KIND = 0.35
_DEFINED = 1.0  # the same for "X is …" where it was asked what X is
_DEFINING = frozenset("is ar wa were mean stand refer denot call contain consist defin".split())  # stems
_ARTICLES = frozenset({"a", "an", "the"})
_REACH = 3  # words after X

_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|sixty|hundred"
    r"|thousand|million)\b",
    re.I,
)
_DATE = re.compile(
    r"\b(?:1\d{3}|20\d{2}|January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|[Cc]entury|o'clock)\b"
)
_NAME = re.compile(r"(?<=[\w,;] )[A-Z][a-z]+")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a text: text[start:end], with its score."""

    start: int
    end: int
    score: float


def score_sentences(
    text: str,
    question: Question | None,
    weights: Mapping[str, float],
    answer: Mapping[str, float] | None = None,
    *,
    section: str | None = None,
) -> list[Sentence]:
    """The sentences of a passage in order, scored by the words they share with the question and the answer.

    Args:
        text: of the passage.
        question: what is asked, or None when nothing is.
        weights: of the question's stems, the rarer the heavier.
        answer: weights of the stems of the answer, without those of the question.
        section: the title of the passage's section, which is left out where it stands at the beginning.
    """
    spans = pieces_of(text, section)
    stems = words.stem_all([words.mend(text[start:end]) for start, end in spans])
    return [
        Sentence(start, end, _score(text[start:end], found, question, weights, answer or {}))
        for (start, end), found in zip(spans, stems, strict=True)
    ]


def _score(
    sentence: str,
    found: Sequence[str],
    question: Question | None,
    weights: Mapping[str, float],
    answer: Mapping[str, float],
) -> float:
    present = set(found)
    score = sum(weight for stem, weight in weights.items() if stem in present)
    score += sum(weight for stem, weight in answer.items() if stem in present)
    if question is not None:
        score += _together(found, question, weights) + _of_the_kind_asked(sentence, found, question, weights)
    # a question in the text repeats the words of the question and does not answer it
    asks = 0.5 if sentence.rstrip("\"'”’ )").endswith("?") else 1.0
    prose = min(1.0, max(_LEAST_PROSE, 1 - _CODE_PENALTY * (code_share(sentence) - _CODE_IN_PROSE)))
    return score * asks * prose * (_FRAGMENT if _is_fragment(sentence) else 1.0)


def _is_fragment(sentence: str) -> bool:
    return len(sentence) < _FRAGMENT_CHARACTERS and not _ENDS.search(sentence)


def _defines(found: Sequence[str], question: Question) -> float:
    """1 for a sentence that begins with what is asked about and goes on with "is", "means", …; less for the like."""
    asked = {term.stem for term in question.terms}
    best = 0.0
    for place, stem in enumerate(found):
        after = found[place + 1 : place + 1 + _REACH] if stem == question.subject else ()
        if _DEFINING.isdisjoint(after):
            continue
        begins = asked.union(_ARTICLES).issuperset(found[:place])
        best = max(best, (0.5 if begins else 0.25) + (0.5 if after[0] in _DEFINING else 0.0))
    return best


def _together(found: Sequence[str], question: Question, weights: Mapping[str, float]) -> float:
    side_by_side = set(itertools.pairwise(found))
    linked = [(question.terms[a].stem, question.terms[b].stem, strength) for a, b, strength in question.links]
    return sum(
        _LINK_WEIGHT * strength * (weights.get(first, 0.0) + weights.get(second, 0.0)) / 2
        for first, second, strength in linked
        if (first, second) in side_by_side
    )


def _of_the_kind_asked(
    sentence: str, found: Sequence[str], question: Question, weights: Mapping[str, float]
) -> float:
    typical = sum(weights.values()) / max(1, len(weights))
    defined = _DEFINED * typical * _defines(found, question) if question.wants_definition else 0.0
    kinds = ((question.wants_number, _NUMBER), (question.wants_time, _DATE), (question.wants_person, _NAME))
    return defined + sum(
        _ASKED_KIND * typical for wanted, pattern in kinds if wanted and pattern.search(sentence)
    )


def best_quote(sentences: Sequence[Sentence], *, limit: int = MAX_CHARACTERS) -> Sentence:
    """The slice of a text to quote: its best sentence, with the next one when it is short, at most `limit` long."""
    place = max(range(len(sentences)), key=lambda i: sentences[i].score)
    best = sentences[place]
    if best.end - best.start < _SHORT and place + 1 < len(sentences):
        end = sentences[place + 1].end
        if end - best.start <= limit:
            return Sentence(best.start, end, best.score)
    return best
