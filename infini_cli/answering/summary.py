"""A summary of everything a memory holds: part after part in document order, then a short whole made from the parts."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from infini_cli.answering.citations import Citation, make_citation, weigh_answer
from infini_cli.answering.evidence import find_evidence
from infini_cli.answering.excerpts import without_heading
from infini_cli.answering.held import held_sentences
from infini_cli.answering.parts import Part, cut_into_parts
from infini_cli.answering.prompts import is_refusal, summary_messages
from infini_cli.answering.prose import is_sentence, one_line
from infini_cli.answering.salience import Topic, alike, count_passages, most_central
from infini_cli.answering.support import Witness
from infini_cli.answering.writing import Usage, Writer
from infini_cli.reading.memory import OpenMemory
from infini_cli.reading.passages import Passage

LengthName = Literal["short", "medium", "long"]


@dataclass(frozen=True, slots=True)
class Length:
    """How long a summary is: at most so many parts, sentences of each, and sentences of the whole."""

    parts: int
    sentences: int
    whole: int


LENGTHS: dict[LengthName, Length] = {
    "short": Length(parts=6, sentences=1, whole=2),
    "medium": Length(parts=12, sentences=2, whole=3),
    "long": Length(parts=24, sentences=3, whole=4),
}
_SPARE = 3  # sentences of the parts that the whole is made from, beyond those it may have
_TOGETHER = 0.7  # of a sentence of the model, what one sentence of the text must say
_SENTENCE_TOKENS = 90  # after which a sentence is given up


@dataclass(frozen=True, slots=True)
class SummaryPart:
    """What a stretch of a document says.

    Attributes:
        title: of its sections; its pages where there is no outline.
        document: as the user gave it.
        first_page, last_page: places in the file, from 1.
        first_label, last_label: the printed page numbers, or None.
        sentences: the summary.
        citations: one for each sentence.
    """

    title: str
    document: str
    first_page: int
    last_page: int
    first_label: str | None
    last_label: str | None
    sentences: tuple[str, ...]
    citations: tuple[Citation, ...]

    @property
    def text(self) -> str:
        """The summary of this part."""
        return " ".join(self.sentences)


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole in a few sentences, and its parts in order."""

    text: str
    parts: tuple[SummaryPart, ...]
    usage: Usage
    total_s: float
    first_token_s: float | None


OnPart = Callable[[SummaryPart], None]
OnProgress = Callable[[int, int], None]  # number of the part begun, from 1, and how many there are


def summarize(
    memory: OpenMemory,
    writer: Writer,
    *,
    length: LengthName = "medium",
    focus: str | None = None,
    on_progress: OnProgress = lambda number, total: None,
    on_part: OnPart = lambda part: None,
) -> Summary:
    """Summarize all documents of a memory, with the memory behind the model's window.

    Each part is told from its own most telling passages, taken from all along it. A sentence of the model that its
    passage does not bear out is replaced by the passage's own most telling sentence.

    Args:
        memory: what was read.
        writer: the model, with the state of `memory` behind its window.
        length: how much to say.
        focus: what to tell of; parts that do not speak of it are left out.
        on_progress: called when a part is begun.
        on_part: gets each part when it is done.
    """
    started = time.monotonic()
    limits = LENGTHS[length]
    teller = _Teller(memory, writer, limits, focus)
    parts = cut_into_parts(memory.passages, limits.parts)
    told: list[SummaryPart] = []
    first_token: float | None = None
    for number, part in enumerate(parts, start=1):
        on_progress(number, len(parts))
        done = teller.tell(part)
        if first_token is None and writer.first_token_at is not None:
            first_token = writer.first_token_at - started
        if done is not None:
            told.append(done)
            on_part(done)
    return Summary(
        text=teller.whole(told),
        parts=tuple(told),
        usage=writer.usage,
        total_s=time.monotonic() - started,
        first_token_s=first_token,
    )


class _Teller:
    """Tells parts of a memory in a few sentences."""

    def __init__(self, memory: OpenMemory, writer: Writer, limits: Length, focus: str | None) -> None:
        self._memory = memory
        self._writer = writer
        self._limits = limits
        self._focus = focus
        self._total = memory.passages.count()
        self._counts = count_passages(memory.passages)

    def tell(self, part: Part) -> SummaryPart | None:
        """The summary of one part, or None when it says nothing, or nothing of what was asked for."""
        store = self._memory.passages
        passages = list(store.passages_between(part.first, part.last))
        topic = Topic(passages, self._counts, self._total, begins_section=bool(part.titles))
        chosen = topic.best_passages(self._limits.sentences) if self._focus is None else self._on_focus(part)
        sentences: list[str] = []
        citations: list[Citation] = []
        for passage in chosen:
            sentence = self._sentence(passage, topic)
            if sentence not in sentences:
                sentences.append(sentence)
                weights = weigh_answer(self._memory, sentence, {})
                citations.append(make_citation(self._memory, passage, None, {}, weights))
        if not sentences:
            return None
        first, last = passages[0], passages[-1]
        return SummaryPart(
            title=part.title or _stretch(first, last),
            document=self._memory.document_path(part.document_id),
            first_page=first.page,
            last_page=last.page,
            first_label=first.page_label,
            last_label=last.page_label,
            sentences=tuple(sentences),
            citations=tuple(citations),
        )

    def whole(self, parts: Sequence[SummaryPart]) -> str:
        """A few sentences on everything, from what the parts say."""
        if len(parts) < 2:
            return parts[0].text if parts else ""
        said = [sentence for part in parts for sentence in part.sentences]
        central = most_central(said, self._limits.whole + _SPARE)
        written = self._in_one_sentence(" ".join(central), said)
        if written is None:
            return " ".join(most_central(said, self._limits.whole))
        others = [sentence for sentence in central if not alike(sentence, written)]
        return " ".join([written, *most_central(others, self._limits.whole - 1)])

    def _on_focus(self, part: Part) -> list[Passage]:
        """The passages of a part that speak of what was asked for, in order."""
        assert self._focus is not None
        evidence = find_evidence(
            self._memory.passages, self._focus, limit=self._limits.sentences, first=part.first, last=part.last
        )
        bearing = [finding.passage for finding in evidence.findings] if evidence.bears else []
        return sorted(bearing, key=lambda passage: passage.id)

    def _sentence(self, passage: Passage, topic: Topic) -> str:
        """One sentence on a passage: the model's where the passage bears it out, else the passage's own."""
        text = without_heading(passage)
        written = self._in_one_sentence(text, [text])
        return written if written is not None else one_line(topic.best_sentence(passage))

    def _in_one_sentence(self, text: str, evidence: Sequence[str]) -> str | None:
        """What the model makes of a text, or None when the evidence does not bear it out."""
        written = held_sentences(
            self._writer,
            summary_messages(text),
            Witness(evidence),
            limit=1,
            max_tokens=_SENTENCE_TOKENS,
            together=_TOGETHER,
        )
        with closing(written):
            sentence = next(written, "")
        return sentence if is_sentence(sentence) and not is_refusal(sentence) else None


def _stretch(first: Passage, last: Passage) -> str:
    """What a part without a title is called."""
    if first.line is not None:
        return f"Lines {first.line}–{last.line}"
    begin, end = first.page_label or str(first.page), last.page_label or str(last.page)
    return f"Page {begin}" if begin == end else f"Pages {begin}–{end}"
