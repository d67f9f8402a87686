"""An answer to a question: from passages of the document with their pages and quotes, or from the memory alone."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from infini_cli.answering.citations import Citation, Cited, make_citation, weigh_answer
from infini_cli.answering.evidence import Evidence, find_evidence
from infini_cli.answering.excerpts import excerpts, most_telling
from infini_cli.answering.held import held_sentences
from infini_cli.answering.prompts import Exchange, evidence_messages, is_refusal, memory_messages
from infini_cli.answering.prose import one_line
from infini_cli.answering.support import Witness
from infini_cli.answering.writing import Usage, Writer
from infini_cli.reading.memory import OpenMemory
from infini_cli.reading.passages import Passage

NOT_FOUND = "The document does not seem to say."
NOT_HELD = "The memory does not seem to say."  # of the memory alone
# The probability that the likeliest first token must have for anything to be said from the memory alone. Of 45 right
# answers to training questions 2 had less; of 77 to questions about another document 55.
SURE_FROM = 0.75
QUOTING = "The document says: "  # before its own sentence, given where the model's was not borne out
CITATIONS = 3
# Share of the question that a sentence must speak of to be quoted as its answer. With the limit for evidence this
# quotes for 17% of the questions about articles that are not in the document, and loses 4% of the right quotes.
QUOTED_FROM = 0.4
_MAX_SENTENCES = 2
_HEARD = 6  # passages that the model's sentences are held against

OnText = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Context:
    """What was said before a question.

    Attributes:
        exchanges: what the model is shown of it.
        searched: words of it that are looked for beside the question's own; empty for a question that stands alone.
    """

    exchanges: tuple[Exchange, ...] = ()
    searched: str = ""


NOTHING_BEFORE = Context()


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
    question: str,
    memory: OpenMemory,
    writer: Writer,
    *,
    citations: int = CITATIONS,
    on_text: OnText = lambda text: None,
    context: Context = NOTHING_BEFORE,
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
        context: what was said before, in a conversation.
    """
    started = time.monotonic()
    evidence = find_evidence(
        memory.passages, question, limit=max(4 * citations, _HEARD), earlier=context.searched
    )
    sentences: list[str] = []
    quoted: Passage | None = None
    if evidence.bears:
        sentences = _write(question, evidence, writer, on_text, context.exchanges)
        telling = most_telling(evidence)
        if not sentences and telling.coverage >= QUOTED_FROM:
            quoted = telling.passage
            sentences = [f"{QUOTING}“{one_line(telling.text)}”"]
            on_text(sentences[0])
    if not sentences:
        sentences = [NOT_FOUND]
        on_text(NOT_FOUND)
    found = sentences != [NOT_FOUND]
    said = sentences[0] if found and quoted is None else ""
    return Answer(
        question=question,
        text="".join(sentences),
        found=found,
        source="evidence",
        citations=_cite(memory, evidence, said, quoted, citations) if evidence.bears else (),
        quoted=quoted is not None,
        usage=writer.usage,
        first_token_s=_since(started, writer.first_token_at),
        total_s=time.monotonic() - started,
    )


def answer_from_memory(question: str, writer: Writer, *, on_text: OnText = lambda text: None) -> Answer:
    """Answer from the memory alone; nothing of it can be checked or cited.

    What a memory finds it says loudly. Where it finds nothing, the model makes something up, and is not sure of it.
    """
    started = time.monotonic()
    pieces: list[str] = []
    with closing(writer.write(memory_messages(question))) as written:
        for piece in written:
            if writer.sureness < SURE_FROM:
                break
            shown = piece if pieces else piece.lstrip()
            if shown:
                pieces.append(shown)
                on_text(shown)
    text = "".join(pieces).strip()
    if not text:
        text = NOT_HELD
        on_text(text)
    return Answer(
        question=question,
        text=text,
        found=text != NOT_HELD and not is_refusal(text),
        source="memory",
        citations=(),
        quoted=False,
        usage=writer.usage,
        first_token_s=_since(started, writer.first_token_at),
        total_s=time.monotonic() - started,
    )


def _write(
    question: str, evidence: Evidence, writer: Writer, on_text: OnText, exchanges: Sequence[Exchange]
) -> list[str]:
    """The sentences of the model that the evidence bears out, up to the first that it does not."""
    heard = [finding.passage.text for finding in evidence.findings[:_HEARD]]
    witness = Witness(heard, evidence.question, evidence.weights)
    messages = evidence_messages(question, excerpts(evidence, writer, exchanges), exchanges)
    written: list[str] = []
    for sentence in held_sentences(writer, messages, witness, limit=_MAX_SENTENCES):
        written.append(NOT_FOUND if not written and is_refusal(sentence) else sentence)
        on_text(written[-1])
    return written


def _cite(
    memory: OpenMemory, evidence: Evidence, said: str, quoted: Passage | None, limit: int
) -> tuple[Citation, ...]:
    """The best passages, no page twice: first the one that is quoted, or that says most of question and answer."""
    weights = weigh_answer(memory, said, evidence.weights)
    pages: dict[tuple[int, int], Cited] = {}
    # the quoted one has its place, however few there are
    for finding in sorted(evidence.findings, key=lambda each: quoted is None or each.passage.id != quoted.id):
        cited = make_citation(memory, finding.passage, evidence.question, evidence.weights, weights)
        if quoted is not None and finding.passage.id == quoted.id:
            cited = Cited(cited.citation, math.inf)
        place = (finding.passage.document_id, finding.passage.page)
        if place not in pages and len(pages) == limit:
            continue
        if place not in pages or cited.strength > pages[place].strength:
            pages[place] = cited
    return tuple(cited.citation for cited in sorted(pages.values(), key=lambda cited: -cited.strength))


def _since(started: float, moment: float | None) -> float | None:
    return None if moment is None else moment - started
