"""What of the evidence is put before the model: the best passage whole, single sentences of the next ones."""

from collections.abc import Sequence
from dataclasses import dataclass

from infini_cli.answering import words
from infini_cli.answering.evidence import Evidence, Finding
from infini_cli.answering.prompts import Exchange, evidence_messages
from infini_cli.answering.prose import heading_end, one_line
from infini_cli.answering.quotes import best_quote, score_sentences
from infini_cli.answering.writing import Writer
from infini_cli.reading.mending import mend_lines
from infini_cli.reading.passages import Passage

_PASSAGES = 3  # a small model reads few passages better than many


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A sentence of a passage, with its score and the share of the question, by rarity, that it speaks of."""

    passage: Passage
    text: str
    score: float
    coverage: float


def excerpts(evidence: Evidence, writer: Writer, earlier: Sequence[Exchange] = ()) -> list[str]:
    """Texts for the prompt, the one that bears on the question most last; as many as fit into the window.

    Args:
        evidence: for the question.
        writer: the model.
        earlier: what stands in the window before them.
    """
    best, *others = evidence.findings[:_PASSAGES]
    texts = [one_line(_best_sentence(evidence, finding).text) for finding in reversed(others)]
    texts.append(without_heading(best.passage))
    while texts and writer.room(evidence_messages(evidence.question.text, texts, earlier)) < 0:
        texts.pop(0)
    return texts or [one_line(most_telling(evidence).text)]


def without_heading(passage: Passage) -> str:
    """The text of a passage as the model reads it, without the heading of its section at the beginning."""
    return mend_lines(passage.text[heading_end(passage.text, passage.section) :])


def most_telling(evidence: Evidence) -> Excerpt:
    """The sentence of all the evidence that bears on the question most."""
    told = [_best_sentence(evidence, finding) for finding in evidence.findings[:_PASSAGES]]
    return max(told, key=lambda excerpt: excerpt.score)


def _best_sentence(evidence: Evidence, finding: Finding) -> Excerpt:
    passage = finding.passage
    sentences = score_sentences(passage.text, evidence.question, evidence.weights, section=passage.section)
    quote = best_quote(sentences)
    text = passage.text[quote.start : quote.end]
    held = set(words.stem(words.mend(text)))
    spoken = sum(weight for stem, weight in evidence.weights.items() if stem in held)
    total = sum(evidence.weights.values())
    return Excerpt(passage, text, quote.score, spoken / total if total > 0 else 1.0)
