"""The passages and sentences that tell most of what a stretch of text is about."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from infini_cli.answering import words
from infini_cli.answering.listings import listing_share
from infini_cli.answering.prose import is_sentence, pieces_of
from infini_cli.answering.quotes import Sentence, score_sentences
from infini_cli.reading.passages import Passage, PassageStore

_FIRST_BONUS = 1.3  # for the passage with which a section begins
_OPENING_BONUS = 2.5  # for the first prose of a chapter, which often says what is to come
_DAMPING = 0.5  # exponent of the length: between the most words (0) and the densest (1)
_LEAST_TOKENS = 30  # of a passage worth telling
_LONG = 220  # characters of a sentence that is tiring to read
_FORMULA = 0.3  # worth of a sentence that stands in several passages
_ALIKE = 0.5  # share of common words from which two sentences say the same
_MOSTLY = 0.6  # share of whole sentences from which a passage is prose
# words by which a sentence leans on the one before it
_LEANS = re.compile(
    r"(?:It|They|He|She|We|I|You|This|These|That|Those|Such|But|And|Or|So|However|Thus|Therefore|Here|Then|Also|Again"
    r"|Moreover|Note|Otherwise|In (?:other words|this|that|addition)|For (?:example|instance|this)|To do (?:this|so)"
    r"|As (?:mentioned|described|explained|noted|we)|If (?:it|they|this|so|not)|Since this|After this"
    r"|The (?:former|latter|above|following|same|other|answer))\b"
)


def count_passages(store: PassageStore) -> Counter[str]:
    """In how many passages of a memory each stem stands."""
    counts: Counter[str] = Counter()
    batch: list[str] = []
    for passage in store.passages_between(1, store.count()):
        batch.append(words.mend(passage.text))
        if len(batch) == 200:
            counts.update(stem for stems in words.content_stems(batch) for stem in stems)
            batch = []
    counts.update(stem for stems in words.content_stems(batch) for stem in stems)
    return counts


class Topic:
    """What a stretch of text is about: its words, by how many of its passages hold them and how few of the others do.

    Args:
        passages: of the stretch.
        counts: from `count_passages`, of the whole memory.
        total: passages in the memory.
        begins_section: whether the stretch begins where a section does.
    """

    def __init__(
        self, passages: Sequence[Passage], counts: Mapping[str, int], total: int, *, begins_section: bool
    ) -> None:
        self.passages = passages
        self._stems = words.content_stems([passage.text for passage in passages])
        inside = Counter(stem for stems in self._stems for stem in stems)
        # a word that stands once belongs to its passage, not to the topic
        self.weights = {
            stem: count / len(passages) * math.log(1 + total / counts.get(stem, 1))
            for stem, count in inside.items()
            if count > 1 or len(passages) == 1
        }
        self._prose = [_prose_share(passage) for passage in passages]
        likely = (number for number, share in enumerate(self._prose) if share > _MOSTLY)
        self._opening = next(likely, None) if begins_section else None

    def best_passages(self, count: int) -> list[Passage]:
        """The most telling passage of each of `count` equal stretches, in order; fewer when there are not so many."""
        size = len(self.passages) / max(1, min(count, len(self.passages)))
        chosen = []
        place = 0.0
        while round(place) < len(self.passages):
            numbers = range(round(place), min(len(self.passages), round(place + size)))
            best = max(numbers, key=self._score)
            chosen.append(self.passages[best])
            place += size
        return chosen

    def best_sentences(self, passage: Passage) -> list[str]:
        """The sentences of a passage, the most telling one first, verbatim."""
        scored = score_sentences(passage.text, None, self.weights, section=passage.section)
        told = [(self._telling(passage.text, each), passage.text[each.start : each.end]) for each in scored]
        return [sentence for _, sentence in sorted(told, key=lambda each: -each[0])]

    def _telling(self, text: str, sentence: Sentence) -> float:
        """How much a sentence tells for its length; what stands in several passages is a formula and tells little."""
        written = text[sentence.start : sentence.end]
        repeated = sum(written in passage.text for passage in self.passages) > 1
        density = sentence.score / max(1, len(written)) ** _DAMPING
        return density * _standing(written) * (_FORMULA if repeated else 1.0)

    def _score(self, number: int) -> float:
        passage, stems = self.passages[number], self._stems[number]
        if not stems or passage.tokens < _LEAST_TOKENS:
            return 0.0
        told = sum(self.weights.get(stem, 0.0) for stem in stems) / len(stems) ** _DAMPING
        if number == 0 or self.passages[number - 1].section_id != passage.section_id:
            told *= _FIRST_BONUS
        if number == self._opening:
            told *= _OPENING_BONUS
        return told * self._prose[number]


def most_central(sentences: Sequence[str], count: int) -> list[str]:
    """The sentences, in order, that share most with the others and little with each other."""
    stems = words.content_stems(sentences)
    shared = Counter(stem for own in stems for stem in own)
    weight = {stem: math.log(1 + number) for stem, number in shared.items()}
    scores = [
        sum(weight[stem] for stem in own) / max(1, len(own)) ** _DAMPING * _standing(sentence)
        for own, sentence in zip(stems, sentences, strict=True)
    ]
    for number, own in enumerate(stems):
        scores[number] /= sum(_overlap(own, other) for other in stems) or 1
    chosen: list[int] = []
    for number in sorted(range(len(sentences)), key=lambda i: -scores[i]):
        if not any(_overlap(stems[number], stems[i]) for i in chosen):
            chosen.append(number)
    return [sentences[number] for number in sorted(chosen[:count])]


def alike(sentence: str, other: str) -> bool:
    """Whether two sentences say much the same."""
    return _overlap(*words.content_stems([sentence, other]))


def _overlap(stems: set[str], other: set[str]) -> bool:
    return len(stems & other) > _ALIKE * max(1, min(len(stems), len(other)))


def _prose_share(passage: Passage) -> float:
    """How much of a passage is whole sentences, rather than headings, listings and code."""
    if listing_share(passage.text, passage.section) > 0:
        return 0.0
    pieces = pieces_of(passage.text, passage.section)
    whole = sum(end - start for start, end in pieces if is_sentence(passage.text[start:end]))
    return whole / max(1, len(passage.text))


def leans(sentence: str) -> bool:
    """Whether a sentence begins with words that lean on one before it."""
    return bool(_LEANS.match(sentence))


def _standing(sentence: str) -> float:
    """How well a sentence can stand alone and be read at once."""
    whole = 1.0 if is_sentence(sentence) else 0.2
    return whole * (0.6 if leans(sentence) else 1.0) * (0.7 if len(sentence) > _LONG else 1.0)
