"""How well passages bear on a question: rarity of the words they share, whether these stand together, and where."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from infini_cli.answering import words
from infini_cli.answering.listings import listing_share
from infini_cli.answering.question import Question

# BM25 (Robertson and Zaragoza 2009) over the candidates, with the document frequencies of the whole index.
_K1 = 1.2
_B = 0.6
_LINK_WEIGHT = 0.5  # two words of the question found side by side
_TITLE_WEIGHT = 0.6  # a word of the question in the section's title
_ABSENT_NAME = 1.5  # a name that the document does not know says most about whether it can answer
_UNSEEN = 50  # passages of other documents, none of which holds a word of this one
_NEAR = 6  # words apart at which two linked words still count as together, ever less
_LISTING_PENALTY = 0.8


@dataclass(frozen=True, slots=True)
class Scored:
    """What was found of a question in one passage."""

    score: float
    coverage: float  # idf-weighted share of the question's words in the passage and its section title, 0 to 1


def inverse_frequencies(question: Question, frequencies: Sequence[int], passages: int) -> list[float]:
    """The weight of each term: the rarer in the document the heavier, and heaviest when the document lacks it.

    Args:
        question: its terms are weighed, in order.
        frequencies: in how many passages each term stands.
        passages: passages in the index.
    """
    return [
        term.weight * rarity(frequency, passages) * (_ABSENT_NAME if term.names and not frequency else 1.0)
        for term, frequency in zip(question.terms, frequencies, strict=True)
    ]


def rarity(frequency: int, passages: int) -> float:
    """The weight of a word that stands in `frequency` of so many passages: the inverse document frequency of BM25.

    Passages that are not there are added, or each word of a document of one page would be as common as can be.
    """
    return math.log(1 + (passages + _UNSEEN - frequency + 0.5) / (frequency + 0.5))


def score_passages(
    question: Question, weights: Sequence[float], texts: Sequence[str], sections: Sequence[str | None]
) -> list[Scored]:
    """Score passages against a question.

    Args:
        question: what is asked.
        weights: of its terms, from `inverse_frequencies`.
        texts: the passages.
        sections: the section title of each, or None.
    """
    mended = [words.mend(text) for text in texts]
    stems = words.stem_all([*mended, *(section or "" for section in sections)])
    bodies, titles = stems[: len(texts)], stems[len(texts) :]
    average_length = sum(map(len, bodies)) / max(1, len(bodies))
    return [
        _score(question, weights, body, title, average_length, listing_share(text, section))
        for body, title, text, section in zip(bodies, titles, texts, sections, strict=True)
    ]


def _score(
    question: Question,
    weights: Sequence[float],
    body: Sequence[str],
    title: Sequence[str],
    average_length: float,
    listing: float,
) -> Scored:
    counts, in_title = Counter(body), set(title)
    places: dict[str, list[int]] = {}
    for place, stem in enumerate(body):
        places.setdefault(stem, []).append(place)
    norm = _K1 * (1 - _B + _B * len(body) / max(1.0, average_length))

    total = sum(weights) or 1.0
    points = covered = 0.0
    for term, weight in zip(question.terms, weights, strict=True):
        count = counts[term.stem]
        points += weight * count * (_K1 + 1) / (count + norm)
        if term.stem in in_title:
            points += _TITLE_WEIGHT * weight
        if count or term.stem in in_title:
            covered += weight
    for a, b, strength in question.links:
        closeness = _closeness(places.get(question.terms[a].stem, []), places.get(question.terms[b].stem, []))
        points += _LINK_WEIGHT * strength * closeness * (weights[a] + weights[b]) / 2
    coverage = covered / total
    # A passage that holds all of the question beats one that holds a part of it often.
    points *= 0.5 + 0.5 * coverage
    return Scored(points * (1 - _LISTING_PENALTY * listing), coverage * (1 - listing))


def _closeness(firsts: Sequence[int], seconds: Sequence[int]) -> float:
    """1 for two words side by side in order, falling to 0 at `_NEAR` words apart; the other order counts half."""
    best = 0.0
    for first in firsts:
        for second in seconds:
            gap = abs(second - first) - 1
            if gap < _NEAR:
                best = max(best, (1 - gap / _NEAR) * (1.0 if second > first else 0.5))
    return best
