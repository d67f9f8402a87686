"""What `ask` and `summarize` begin with: the model, and a memory that is there or read for the occasion."""

import io
import os
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from infini_cli.commands.options import Session
from infini_cli.commands.passwords import prepare
from infini_cli.commands.skipped import tell_skipped
from infini_cli.errors import UsageError
from infini_cli.settings import Settings

if TYPE_CHECKING:
    from infini_cli.reading.engine import ModelEngine
    from infini_cli.reading.memory import OpenMemory
    from infini_cli.reading.options import Progress as ReadingProgress
    from infini_cli.reading.report import ReadingReport

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Opened:
    """A memory ready to be asked.

    Attributes:
        engine: the model.
        memory: what was read.
        name: of the memory; None when it was read for the occasion.
        report: of that reading, or None.
        load_s: seconds for loading the model and the memory.
        read_s: seconds for reading documents.
    """

    engine: "ModelEngine"
    memory: "OpenMemory"
    name: str | None
    report: "ReadingReport | None"
    load_s: float
    read_s: float

    def seconds(self, first_token_s: float | None, total_s: float) -> dict[str, float | None]:
        """How long everything took, for `--json`; the two are counted from when the model was asked."""
        return {
            "load": round(self.load_s, 3),
            "read": round(self.read_s, 3),
            "first_token": None if first_token_s is None else round(first_token_s, 3),
            "total": round(self.load_s + self.read_s + total_s, 3),
        }


@contextmanager
def open_for_questions(session: Session, files: Sequence[str], *, from_pipe: bool = True) -> Iterator[Opened]:
    """The documents named or piped in, read for the occasion; without any, the memory kept.

    Args:
        session: of the command.
        files: the documents named.
        from_pipe: what is piped in is a document.

    Raises:
        InfiniError: as the reading of documents, or the opening of a memory.
    """
    named = session.settings.origins["memory"] == "command line"
    if files and named:
        raise UsageError(
            "either documents or --memory, not both",
            hint="to read them into a memory that is kept: infini ingest FILE --memory NAME",
        )
    given = list(files) or ([STDIN] if from_pipe and not named and _is_piped_in(session) else [])
    with _read(session, given) if given else _kept(session) as opened:
        yield opened


@contextmanager
def _read(session: Session, files: Sequence[str]) -> Iterator[Opened]:
    from infini_cli.reading.sources import find_sources

    with ExitStack() as stack:
        found = stack.enter_context(find_sources(files))
        sources = prepare(session, found.sources)
        engine, load_s = _load(session, session.settings, None)
        from infini_cli.reading.memory import read_into_temporary
        from infini_cli.reading.options import ReadingOptions

        started = time.monotonic()
        others = f" and {len(files) - 1} more" if len(files) > 1 else ""
        label = f"Reading {'standard input' if files[0] == STDIN else files[0]}{others}"
        with session.reporter.progress(label, total=1.0) as progress:

            def show(state: "ReadingProgress") -> None:
                pages = f"page {state.page:,}" + (f" of {state.pages_total:,}" if state.pages_total else "")
                speed = f"{state.tokens:,} tokens, {state.tokens_per_second:,.0f} tokens/s"
                progress.update(state.share, detail=f"{pages}, {speed}")

            reading = read_into_temporary(sources, engine, ReadingOptions(on_progress=show))
            memory, report = stack.enter_context(reading)
        report = found.in_account(report)
        tell_skipped(session.reporter, found.skipped)
        read_s = time.monotonic() - started
        _tell_coverage(session, report)
        yield Opened(engine, memory, None, report, load_s, read_s)


@contextmanager
def _kept(session: Session) -> Iterator[Opened]:
    """The memory that the settings name, or the one read last.

    Raises:
        UsageError: there is none.
        SnapshotError: it is damaged, or of another model.
    """
    from infini_cli.reading import library

    name = library.resolve(session.settings.memory)
    record = library.show(name).record
    if not record.complete:
        session.reporter.warn(
            f"the memory {name!r} is not whole: reading was interrupted; the same `infini ingest` command goes on"
        )
    engine, load_s = _load(session, session.settings.for_memory_of(record.model), record.segment_length)
    from infini_cli.reading.memory import open_memory

    started = time.monotonic()
    with open_memory(library.directory_of(name), engine) as memory:
        if memory.passages.is_temporary and memory.record.complete:
            session.reporter.warn(
                f"the file of passages of {name!r} is not as it was when its read ended: another command is adding"
                " to it, or it is damaged; the passages themselves were verified, and their index was made anew"
            )
        yield Opened(engine, memory, name, None, load_s + time.monotonic() - started, 0.0)


def _load(session: Session, settings: Settings, segment_length: int | None) -> tuple["ModelEngine", float]:
    started = time.monotonic()
    with session.reporter.progress("Loading the model"):
        from infini_cli.reading.engine import load_engine

        engine = load_engine(settings, segment_length=segment_length)
    return engine, time.monotonic() - started


def raise_for_unread(opened: Opened) -> None:
    """Raise PartialReadError when a document read for the occasion was read only in part."""
    from infini_cli.reading.coverage import partial_error

    if opened.report is not None and (partial := partial_error(opened.report)) is not None:
        raise partial


def _tell_coverage(session: Session, report: "ReadingReport") -> None:
    from infini_cli.reading.coverage import coverage_lines

    for document in report.read:
        for line in coverage_lines(document):
            session.reporter.note(line)


def _is_piped_in(session: Session) -> bool:
    """Whether a document comes through a pipe or a file at standard input; waits until that is known."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):
        return False
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        session.reporter.note("reading standard input; to ask a memory instead, name it with --memory")
    elif not stat.S_ISREG(mode):
        return False
    # waits for the first byte, or for the end
    return bool(cast(io.BufferedReader, sys.stdin.buffer).peek(1))
