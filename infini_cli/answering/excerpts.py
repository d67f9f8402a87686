"""What of the evidence is put before the model: the best passage whole, single sentences of the next ones."""

from infini_cli.answering.evidence import Evidence, Finding
from infini_cli.answering.prompts import evidence_messages
from infini_cli.answering.quotes import best_quote, score_sentences
from infini_cli.answering.writing import Writer
from infini_cli.reading.mending import mend_lines

_PASSAGES = 3  # a small model reads few passages better than many


def excerpts(evidence: Evidence, writer: Writer) -> list[str]:
    """Texts for the prompt, the one that bears on the question most last; as many as fit into the window."""
    best, *others = evidence.findings[:_PASSAGES]
    texts = [mend_lines(_best_sentence(evidence, finding)[0]) for finding in reversed(others)]
    texts.append(mend_lines(best.passage.text))
    while texts and writer.room(evidence_messages(evidence.question.text, texts)) < 0:
        texts.pop(0)
    return texts or [mend_lines(most_telling(evidence))]


def most_telling(evidence: Evidence) -> str:
    """The sentence of all the evidence that bears on the question most, verbatim."""
    told = [_best_sentence(evidence, finding) for finding in evidence.findings[:_PASSAGES]]
    return max(told, key=lambda each: each[1])[0]


def _best_sentence(evidence: Evidence, finding: Finding) -> tuple[str, float]:
    """The sentence of one passage that bears on the question most, and its score."""
    text = finding.passage.text
    sentences = score_sentences(text, evidence.question, evidence.weights)
    start, end = best_quote(text, sentences)
    return text[start:end], max((sentence.score for sentence in sentences), default=0.0)
