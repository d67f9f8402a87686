"""`infini ingest`: documents read into a memory."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infini_cli.commands.options import (
    INPUT,
    MEMORY,
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
    start,
)
from infini_cli.commands.passwords import prepare
from infini_cli.commands.skipped import describe_skipped, tell_skipped
from infini_cli.errors import UsageError

if TYPE_CHECKING:
    from infini_cli.documents.shelves import Skipped
    from infini_cli.reading.options import Progress as ReadingProgress
    from infini_cli.reading.plan import Mode, Plan
    from infini_cli.reading.records import MemoryRecord
    from infini_cli.reading.report import ReadingReport
    from infini_cli.reading.sources import Found

FLAGS_FOR_THE_SAME_RESULT = ("model", "device", "dtype", "segment_length", "pdf")


def ingest(
    ctx: typer.Context,
    documents: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|FOLDER",
            help="Documents to read, in this order; a folder or pattern is all documents in it; - is standard input.",
        ),
    ],
    memory: Memory = None,
    append: Annotated[
        bool,
        typer.Option("--append", help="Add to a memory that holds other documents.", rich_help_panel=MEMORY),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Read anew, replacing the memory.", rich_help_panel=INPUT)
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Only tell what would be read and how long it would take.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    password_file: PasswordFile = None,
    pdf: Pdf = None,
    model: Model = None,
    device: Device = None,
    dtype: Dtype = None,
    segment_length: SegmentLength = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Read documents from beginning to end into a memory, which is then the one that is asked.

    The memory is named after the first document unless --memory says otherwise.

    A folder is read in natural order, with all folders in it; what is hidden or holds no text is named and skipped.

    Ctrl-C saves what was read, and the same command goes on. What was read already is not read again.
    """
    session = start(ctx)
    if append and force:
        raise UsageError("--append keeps what was read and --force replaces it; choose one")
    from infini_cli.reading import library
    from infini_cli.reading.sources import find_sources

    mode: Mode = "append" if append else "anew" if force else "same"
    with find_sources(documents) as found:
        name = _memory_name(session, documents, append)
        if dry_run:
            from infini_cli.commands.dry_run import show_forecast

            record = _record(name, force)
            show_forecast(session, name, found, _plan(session, name, record, found, mode), record)
            return
        with library.claim(name):
            record = _record(name, force)
            plan = _plan(session, name, record, found, mode)
            if plan.to_read:
                report = _read(session, name, plan, record, _command(session, documents, name, append))
            else:
                report = _unchanged(plan, record)
    library.set_current(name)
    _show(session, name, found.in_account(report), found.skipped)


def _record(name: str, force: bool) -> "MemoryRecord | None":
    """What is known of the memory that is there and is to be kept."""
    from infini_cli.reading import library

    return library.show(name).record if library.exists(name) and not force else None


def _plan(session: Session, name: str, record: "MemoryRecord | None", found: "Found", mode: "Mode") -> "Plan":
    """What there is to read, and what opens it."""
    from infini_cli.reading.plan import plan_reading

    plan = plan_reading(name, record, found.sources, mode)
    return replace(plan, to_read=tuple(prepare(session, plan.to_read)))


def _memory_name(session: Session, documents: Sequence[str], append: bool) -> str:
    """The memory asked for; when adding, the one read last; else one named after the first document."""
    from infini_cli.reading import library
    from infini_cli.reading.naming import check_name, name_for

    if session.settings.memory is not None:
        return check_name(session.settings.memory)
    last = library.current() if append else None
    return last if last is not None else name_for(documents[0])


def _read(
    session: Session, name: str, plan: "Plan", record: "MemoryRecord | None", command: str
) -> "ReadingReport":
    """Load the model and read, with progress on standard error."""
    reporter, settings = session.reporter, session.settings
    with reporter.progress("Loading the model"):
        from infini_cli.progress import format_bytes
        from infini_cli.reading.engine import load_engine
        from infini_cli.reading.library import directory_of
        from infini_cli.reading.options import ReadingOptions
        from infini_cli.reading.reader import read_documents

        length = settings.segment_length
        if record is not None and plan.goes_on:
            # a memory goes on with the model and in the segments it was begun with
            settings = settings.for_memory_of(record.model)
            if settings.origins["segment_length"] != "command line":
                length = record.segment_length
        engine = load_engine(settings, segment_length=length)
    if record is not None and plan.resumed and (record.device, record.dtype) != (engine.device, engine.dtype):
        reporter.warn(
            f"this read was begun on {record.device} in {record.dtype} and goes on with {engine.device} in"
            f" {engine.dtype}; the memory will differ a little from an unbroken one"
        )
    with reporter.progress(_label(plan), total=1.0) as progress:

        def show(state: "ReadingProgress") -> None:
            pages = f"page {state.page:,}" + (f" of {state.pages_total:,}" if state.pages_total else "")
            speed = f"{state.tokens:,} tokens, {state.tokens_per_second:,.0f} tokens/s"
            which = f"{state.document}, " if len(plan.to_read) > 1 else ""
            size = format_bytes(state.memory_bytes)
            progress.update(state.share, detail=f"{which}{pages}, {speed}, memory {size}")

        options = ReadingOptions(
            on_progress=show,
            on_stop_request=lambda: reporter.note("stopping after this part; Ctrl-C again stops at once"),
            go_on_hint=f"to go on: {command}",
        )
        return read_documents(plan, directory_of(name), engine, options)


def _label(plan: "Plan") -> str:
    """What is being read, in a few words."""
    first = "standard input" if plan.to_read[0].shown == "-" else plan.to_read[0].shown
    others = f" and {len(plan.to_read) - 1} more" if len(plan.to_read) > 1 else ""
    return f"{'Going on with' if plan.resumed else 'Reading'} {first}{others}"


def _command(session: Session, documents: Sequence[str], name: str, append: bool) -> str:
    """The command that goes on with this read; never --force, which would begin anew."""
    origins = session.settings.origins
    flags = [
        (f"--{flag.replace('_', '-')}", str(getattr(session.settings, flag)))
        for flag in FLAGS_FOR_THE_SAME_RESULT
        if origins[flag] == "command line"
    ]
    words = ["infini", "ingest", *documents, "--memory", name, *(["--append"] if append else [])]
    if session.password_file is not None:
        words += ["--password-file", session.password_file]
    return shlex.join([*words, *(word for flag in flags for word in flag)])


def _unchanged(plan: "Plan", record: "MemoryRecord | None") -> "ReadingReport":
    """The report of a command that found everything already read."""
    from infini_cli.reading.report import ReadingReport

    assert record is not None, "only what a memory holds can be unchanged"
    held = {document.content_hash: document for document in record.documents}
    return ReadingReport(
        record=record,
        read=(),
        unchanged=tuple(held[source.content_hash] for source in plan.unchanged),
        failures=(),
        seconds=0.0,
        tokens_read=0,
        resumed=False,
    )


def _show(session: Session, name: str, report: "ReadingReport", skipped: "Sequence[Skipped]") -> None:
    """The result on standard output, the account on standard error, and an error for what was not read."""
    from infini_cli.progress import format_bytes, format_seconds
    from infini_cli.reading.coverage import coverage_lines, partial_error

    reporter, record = session.reporter, report.record
    if reporter.json:
        reporter.emit_json(_describe(name, report, skipped))
    else:
        for document in report.read:
            for line in coverage_lines(document):
                reporter.note(line)
        for document in report.unchanged:
            reporter.note(f"{document.path}: already read, unchanged")
        tell_skipped(reporter, skipped)
        speed = ""
        if report.tokens_read:
            speed = f", read in {format_seconds(report.seconds)} ({report.tokens_per_second:,.0f} tokens/s)"
        size = format_bytes(record.memory_bytes)
        reporter.note(f"memory {name!r}: {record.tokens:,} tokens in {size}{speed}")
        reporter.emit(name)
        reporter.note('ask it: infini ask "…", or: infini summarize')
    if (partial := partial_error(report)) is not None:
        raise partial


def _describe(name: str, report: "ReadingReport", skipped: "Sequence[Skipped]") -> dict[str, Any]:
    """The result for `--json`."""
    record = report.record
    asked_for = {document.content_hash for document in (*report.read, *report.unchanged)}
    return {
        "memory": name,
        "documents": [d.coverage() for d in record.documents if d.content_hash in asked_for],
        "unchanged": [document.path for document in report.unchanged],
        "failed": [
            {"path": failure.path, "message": failure.error.message, "hint": failure.error.hint}
            for failure in report.failures
        ],
        "skipped": describe_skipped(skipped),
        "segments": record.segments,
        "tokens": record.tokens,
        "memory_bytes": record.memory_bytes,
        "seconds": round(report.seconds, 3),
        "tokens_per_second": round(report.tokens_per_second, 1),
        "device": record.device,
        "dtype": record.dtype,
        "model": record.model,
        "resumed": report.resumed,
    }
