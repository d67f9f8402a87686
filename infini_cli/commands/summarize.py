"""`infini summarize`: everything a memory or documents hold, in order and in short."""

from contextlib import ExitStack
from dataclasses import asdict
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infini_cli.commands.options import (
    ANSWER,
    Debug,
    Device,
    Dtype,
    Json,
    Memory,
    Model,
    NoColor,
    Offline,
    PasswordFile,
    Pdf,
    Quiet,
    SegmentLength,
    Session,
    Window,
    start,
)
from infini_cli.commands.places import stretch
from infini_cli.commands.writing_options import Output, RepetitionPenalty, Seed, Stream, Temperature, TopP

if TYPE_CHECKING:
    from infini_cli.answering.summary import Summary, SummaryPart
    from infini_cli.commands.opening import Opened

LONGEST_TOKENS = 512  # of anything the model writes at once; each sentence has a limit of its own


class Length(str, Enum):
    """How much a summary says."""

    short = "short"
    medium = "medium"
    long = "long"


def summarize(
    ctx: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="Documents to read first, for this summary only; - is standard input.",
            show_default=False,
        ),
    ] = None,
    memory: Memory = None,
    length: Annotated[
        Length, typer.Option("--length", "-l", help="How much to say.", rich_help_panel=ANSWER)
    ] = Length.medium,
    focus: Annotated[
        str | None,
        typer.Option("--focus", metavar="TEXT", help="Tell only of this.", rich_help_panel=ANSWER),
    ] = None,
    temperature: Temperature = 0.0,
    top_p: TopP = 1.0,
    repetition_penalty: RepetitionPenalty = 1.0,
    seed: Seed = 0,
    stream: Stream = None,
    output: Output = None,
    password_file: PasswordFile = None,
    pdf: Pdf = None,
    model: Model = None,
    device: Device = None,
    dtype: Dtype = None,
    segment_length: SegmentLength = None,
    window: Window = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Summarize all of the memory read last, part after part from beginning to end, then the whole.

    With files, or text from a pipe, these are read first and forgotten afterwards.
    """
    session = start(ctx)
    from infini_cli.commands.opening import open_for_questions, raise_for_unread
    from infini_cli.commands.results import results_to

    streams = not session.reporter.json if stream is None else stream
    with results_to(output), open_for_questions(session, files or []) as opened:
        from infini_cli.answering.summary import summarize as tell
        from infini_cli.answering.writing import ModelWriter
        from infini_cli.nn.generate import Sampling

        sampling = Sampling(LONGEST_TOKENS, temperature, top_p, repetition_penalty, seed)
        writer = ModelWriter(opened.engine, opened.memory.state, sampling, session.settings.window)
        with ShowSummary(session, opened, streams) as show:
            summary = tell(
                opened.memory,
                writer,
                length=length.value,
                focus=focus,
                on_progress=show.begin,
                on_part=show.part,
            )
        show.whole(summary, length.value, focus)
    raise_for_unread(opened)


class ShowSummary:
    """Prints a summary, as it grows or at its end; a context manager while it grows."""

    def __init__(self, session: Session, opened: "Opened", stream: bool) -> None:
        self._reporter = session.reporter
        self._opened = opened
        self._stream = stream
        self._several = len(opened.memory.record.documents) > 1
        self._progress = ExitStack()

    def __enter__(self) -> "ShowSummary":
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.close()

    def begin(self, number: int, total: int) -> None:
        """Say which part is being written; nothing is printed while progress is shown."""
        self._progress.close()
        what = f"part {number} of {total}" if number <= total else "the whole"
        self._progress.enter_context(self._reporter.progress(f"Summarizing {what}"))

    def part(self, part: "SummaryPart") -> None:
        """Print a part that is done, unless all is to be printed at the end."""
        self._progress.close()
        if not self._stream:
            return
        if self._reporter.json:
            self._reporter.emit_json_line({"section": self._describe_part(part)})
        else:
            self._reporter.emit_markdown(self._in_words(part))

    def whole(self, summary: "Summary", length: str, focus: str | None) -> None:
        """Print what remains to be printed."""
        reporter = self._reporter
        if reporter.json:
            emit = reporter.emit_json_line if self._stream else reporter.emit_json
            emit(self.describe(summary, length))
            return
        if not summary.parts:
            reporter.emit(_nothing_told(focus))
            return
        if not self._stream:
            for part in summary.parts:
                reporter.emit_markdown(self._in_words(part))
        if len(summary.parts) > 1:
            reporter.emit_markdown(f"## In short\n\n{summary.text}")

    def _in_words(self, part: "SummaryPart") -> str:
        """A part as Markdown."""
        where = self._where(part)
        title = f"{part.title} ({where})" if part.title else where[0].upper() + where[1:]
        document = f"{part.document}: " if self._several else ""
        return f"## {document}{title}\n\n{part.text}\n"

    def _where(self, part: "SummaryPart") -> str:
        return stretch(part.first, part.last, paged=self._opened.memory.has_pages(part.first.document_id))

    def describe(self, summary: "Summary", length: str) -> dict[str, Any]:
        """The result for `--json`."""
        opened = self._opened
        return {
            "summary": summary.text,
            "length": length,
            "sections": [self._describe_part(part) for part in summary.parts],
            "citations": [asdict(citation) for part in summary.parts for citation in part.citations],
            "coverage": [document.coverage() for document in opened.memory.record.documents],
            "memory": opened.name,
            "model": opened.engine.model_name,
            "usage": asdict(summary.usage),
            "seconds": opened.seconds(summary.first_token_s, summary.total_s),
        }

    def _describe_part(self, part: "SummaryPart") -> dict[str, Any]:
        title = part.title or self._where(part)
        return {
            "title": f"{part.document}: {title}" if self._several else title,
            "pages": [part.first.page, part.last.page],
            "text": part.text,
        }


def _nothing_told(focus: str | None) -> str:
    if focus is None:
        return "The document holds no sentences to summarize."
    return f"The document does not seem to speak of {focus!r}."
