"""An answer to a question: from passages of the document with their pages and quotes, or from the memory alone."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from infini_cli.answering import words
from infini_cli.answering.citations import Citation, make_citation, weigh_answer
from infini_cli.answering.evidence import Evidence, find_evidence
from infini_cli.answering.excerpts import excerpts, most_telling
from infini_cli.answering.prompts import evidence_messages, memory_messages
from infini_cli.answering.sentences import is_whole, sentences_of
from infini_cli.answering.support import Witness
from infini_cli.answering.writing import Usage, Writer
from infini_cli.reading.memory import OpenMemory
from infini_cli.reading.mending import mend_lines

NOT_FOUND = "The document does not seem to say."
CITATIONS = 3
_MAX_SENTENCES = 3
_REFUSES = ("does not say", "does not mention", "not mentioned in the", "is not stated", "no information")
_PROMPT_MARKS = ("Question:", "Text:")  # the model goes on asking itself

OnText = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What there is to say to a question.

    Attributes:
        question: as asked.
        text: the answer.
        found: whether the document, or the memory, had one.
        source: "evidence", or "memory" when no passage was looked at.
        citations: where the document says it; the one that bears the answer out most comes first.
        quoted: whether the answer is the document's own sentence, because the model's was not borne out.
        usage: tokens the model took in and wrote.
        first_token_s: seconds to the model's first token; None when it was not asked.
        total_s: seconds for all of it.
    """

    question: str
    text: str
    found: bool
    source: str
    citations: tuple[Citation, ...]
    quoted: bool
    usage: Usage
    first_token_s: float | None
    total_s: float


def answer(
    question: str, memory: OpenMemory, writer: Writer, *, citations: int = CITATIONS, on_text: OnText = lambda text: None
) -> Answer:
    """Answer from the passages that bear on a question, with the memory behind them.

    The model's sentences are passed on one by one, each after it was held against the evidence; the first that is not
    borne out ends the answer. If that is the very first, the document's own sentence is the answer.

    Args:
        question: as the user wrote it.
        memory: what was read.
        writer: the model, with the state of `memory` behind its window.
        citations: at most so many.
        on_text: gets the answer piece by piece.
    """
    started = time.monotonic()
    evidence = find_evidence(memory.passages, question, limit=max(2 * citations, 4))
    written, quoted = "", False
    if evidence.bears:
        written = _write(question, evidence, writer, on_text)
        if not written:
            written, quoted = f"The document says: “{mend_lines(most_telling(evidence))}”", True
            on_text(written)
    found = bool(written) and written != NOT_FOUND
    if not written:
        written = NOT_FOUND
        on_text(written)
    said = "" if quoted or not found else written
    return Answer(
        question=question,
        text=written,
        found=found,
        source="evidence",
        citations=_cite(memory, evidence, said, citations) if evidence.bears else (),
        quoted=quoted,
        usage=writer.usage,
        first_token_s=_since(started, writer.first_token_at),
        total_s=time.monotonic() - started,
    )


def answer_from_memory(question: str, writer: Writer, *, on_text: OnText = lambda text: None) -> Answer:
    """Answer from the memory alone; nothing of it can be checked or cited."""
    started = time.monotonic()
    pieces = []
    for piece in writer.write(memory_messages(question)):
        pieces.append(piece)
        on_text(piece)
    text = "".join(pieces).strip()
    return Answer(
        question=question,
        text=text,
        found=bool(text) and not _refuses(text),
        source="memory",
        citations=(),
        quoted=False,
        usage=writer.usage,
        first_token_s=_since(started, writer.first_token_at),
        total_s=time.monotonic() - started,
    )


def _write(question: str, evidence: Evidence, writer: Writer, on_text: OnText) -> str:
    """The sentences of the model that the evidence bears out, up to the first that it does not."""
    witness = Witness([f.passage.text for f in evidence.findings], evidence.question, evidence.weights)
    messages = evidence_messages(question, excerpts(evidence, writer))
    kept, blank = "", ""
    said: list[set[str]] = []
    with closing(sentences_of(writer.write(messages))) as sentences:
        for sentence in sentences:
            text = sentence.strip()
            if not text:
                continue
            if not kept and _refuses(text):
                on_text(NOT_FOUND)
                return NOT_FOUND
            stems = set(words.stem(text))
            unfinished = writer.cut and not is_whole(text)
            if unfinished or stems in said or text.startswith(_PROMPT_MARKS) or not witness.hear(text).holds:
                break
            on_text(blank + text)
            kept += blank + text
            blank = "\n" if "\n" in sentence else " "
            said.append(stems)
            if len(said) == _MAX_SENTENCES:
                break
    return kept


def _cite(memory: OpenMemory, evidence: Evidence, answer: str, limit: int) -> tuple[Citation, ...]:
    """The best passages, no page twice, the one that says most of question and answer first."""
    weights = weigh_answer(memory, answer, evidence.weights)
    pages: dict[tuple[str, int], Citation] = {}
    for finding in evidence.findings:
        cited = make_citation(memory, finding.passage, evidence.question, evidence.weights, weights)
        place = (cited.document, cited.page)
        if place not in pages and len(pages) == limit:
            continue
        if place not in pages or cited.score > pages[place].score:
            pages[place] = cited
    return tuple(sorted(pages.values(), key=lambda citation: -citation.score))


def _refuses(text: str) -> bool:
    return any(phrase in text.lower() for phrase in _REFUSES)


def _since(started: float, moment: float | None) -> float | None:
    return None if moment is None else moment - started
