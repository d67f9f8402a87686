"""A summary of everything a memory holds: part after part in document order, then a short whole made from the parts."""

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from infini_cli.answering import words
from infini_cli.answering.citations import Citation, make_citation, weigh_answer
from infini_cli.answering.evidence import find_evidence
from infini_cli.answering.excerpts import without_heading
from infini_cli.answering.held import held_sentences
from infini_cli.answering.parts import Part, cut_into_parts
from infini_cli.answering.prompts import is_refusal, summary_messages
from infini_cli.answering.prose import is_sentence, one_line
from infini_cli.answering.salience import Topic, alike, count_passages, leans, most_central
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
    "short": Length(parts=5, sentences=2, whole=2),
    "medium": Length(parts=12, sentences=2, whole=3),
    "long": Length(parts=24, sentences=3, whole=4),
}
_MOST_TOLD = 4  # sentences of the parts from which one of the whole is made
_TOGETHER = 0.7  # of a sentence of the model, what one sentence of the text must say
_WHOLE_TOGETHER = 0.9  # the same for the whole, whose sentences come from different places
_SENTENCE_TOKENS = 90  # after which a sentence is given up


@dataclass(frozen=True, slots=True)
class SummaryPart:
    """What a stretch of a document says.

    Attributes:
        title: of its sections, or None where there is no outline.
        document: as the user gave it.
        first, last: the passages in which it begins and ends, for its place.
        sentences: the summary.
        citations: one for each sentence.
    """

    title: str | None
    document: str
    first: Passage
    last: Passage
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
# number of the part begun, from 1, and how many there are; one more than there are is the whole
OnProgress = Callable[[int, int], None]


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
    if len(told) > 1:
        on_progress(len(parts) + 1, len(parts))
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
        told: list[tuple[str, Passage]] = []
        if self._focus is not None:
            told += [(self._on(self._focus, each, topic), each) for each in self._speaking_of_focus(part)]
        else:
            chosen = topic.best_passages(self._limits.sentences)
            told += [(self._sentence(passage, topic), passage) for passage in chosen]
            # a text of one or two passages has no others to tell from
            if len(chosen) < self._limits.sentences:
                told += [
                    (one_line(each), passage) for passage in chosen for each in topic.best_sentences(passage)
                ]
        told = [each for each in told if is_sentence(each[0])]
        distinct = _distinct(told)[: self._limits.sentences]
        if not distinct:
            return None
        return SummaryPart(
            title=part.title,
            document=self._memory.document_path(part.document_id),
            first=passages[0],
            last=passages[-1],
            sentences=tuple(sentence for sentence, _ in distinct),
            citations=tuple(self._cite(sentence, passage) for sentence, passage in distinct),
        )

    def whole(self, parts: Sequence[SummaryPart]) -> str:
        """A few sentences on everything, each from what a run of parts says, so that no stretch is left out."""
        if len(parts) < 2:
            return parts[0].text if parts else ""
        groups = min(self._limits.whole, len(parts))
        edges = [round(number * len(parts) / groups) for number in range(groups + 1)]
        told: list[str] = []
        for first, last in itertools.pairwise(edges):
            said = [sentence for part in parts[first:last] for sentence in part.sentences]
            central = most_central(said, _MOST_TOLD)
            written = self._in_one_sentence(" ".join(central), said, together=_WHOLE_TOGETHER)
            sentence = written or most_central(said, 1)[0]
            if not any(alike(sentence, other) for other in told):
                told.append(sentence)
        return " ".join(told)

    def _speaking_of_focus(self, part: Part) -> list[Passage]:
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
        return self._in_one_sentence(text, [text]) or one_line(topic.best_sentences(passage)[0])

    def _on(self, focus: str, passage: Passage, topic: Topic) -> str:
        """The same, with a sentence that speaks of the focus."""
        wanted = set(words.stem(focus))
        sentences = topic.best_sentences(passage)
        speaking = [each for each in sentences if wanted.intersection(words.stem(words.mend(each)))]
        text = without_heading(passage)
        written = self._in_one_sentence(text, [text])
        if written is not None and wanted.intersection(words.stem(written)):
            return written
        return one_line((speaking or sentences)[0])

    def _cite(self, sentence: str, passage: Passage) -> Citation:
        weights = weigh_answer(self._memory, sentence, {})
        return make_citation(self._memory, passage, None, {}, weights).citation

    def _in_one_sentence(
        self, text: str, evidence: Sequence[str], *, together: float = _TOGETHER
    ) -> str | None:
        """What the model makes of a text, or None when the evidence does not bear it out."""
        written = held_sentences(
            self._writer,
            summary_messages(text),
            Witness(evidence),
            limit=1,
            max_tokens=_SENTENCE_TOKENS,
            together=together,
        )
        with closing(written):
            sentence = next(written, "")
        usable = is_sentence(sentence) and not leans(sentence) and not is_refusal(sentence)
        return sentence if usable else None


def _distinct(told: Iterable[tuple[str, Passage]]) -> list[tuple[str, Passage]]:
    """What is left without sentences that say much the same as one before."""
    kept: list[tuple[str, Passage]] = []
    for sentence, passage in told:
        if not any(alike(sentence, other) for other, _ in kept):
            kept.append((sentence, passage))
    return kept
