"""`infini ingest --dry-run`: what would be read, and how long that would take; nothing is written."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from infini_cli.commands.options import Session
from infini_cli.commands.skipped import describe_skipped, tell_skipped

if TYPE_CHECKING:
    from infini_cli.reading.forecast import CountTokens, Forecast
    from infini_cli.reading.pace import Pace
    from infini_cli.reading.plan import Plan, Source
    from infini_cli.reading.records import DocumentRecord, MemoryRecord
    from infini_cli.reading.sources import Found


def show_forecast(
    session: Session, name: str, found: "Found", plan: "Plan", record: "MemoryRecord | None"
) -> None:
    """Tell what a read would take in.

    Args:
        session: of the command.
        name: of the memory.
        found: what the names on the command line stand for.
        plan: what there is to read.
        record: of the memory that is there, or None.

    Raises:
        DocumentError: of no document could anything be read.
        PartialReadError: some documents or pages could not be read.
    """
    from infini_cli.reading.coverage import forecast_error

    counter = _token_counter(session)
    expected = _look(session, plan, record, counter)
    failures = (*found.failures, *expected.failures)
    if failures and not expected.documents and not plan.unchanged:
        raise failures[0].error
    pace = _pace(session) if expected.documents else None
    if session.reporter.json:
        session.reporter.emit_json(_describe(name, found, plan, expected, pace, counted=counter is not None))
    else:
        _tell(session, name, found, plan, expected, pace)
    if (partial := forecast_error(expected.documents, failures)) is not None:
        raise partial


def _token_counter(session: Session) -> "CountTokens | None":
    """How the model's tokenizer counts, where the model is on this machine."""
    from infini_cli.errors import ModelError
    from infini_cli.tokenizers import load_tokenizer
    from infini_cli.zoo import resolve

    with suppress(ModelError):
        return load_tokenizer(resolve(session.settings.model, offline=True).folder).count
    return None


def _look(
    session: Session, plan: "Plan", record: "MemoryRecord | None", counter: "CountTokens | None"
) -> "Forecast":
    from infini_cli.reading.forecast import forecast

    held = record.documents if record is not None and plan.goes_on else []
    starts = {document.content_hash: document.next_page for document in held if not document.complete}
    before: dict[str, int] = {}
    total = 0
    for source in plan.to_read:
        before[source.content_hash] = total
        total += source.size_bytes
    with session.reporter.progress("Looking", total=1.0) as progress:

        def show(source: "Source", page: int, pages: int | None) -> None:
            within = page / pages if pages else 0.0
            detail = f"{source.shown}, page {page:,}" + (f" of {pages:,}" if pages else "")
            share = (before[source.content_hash] + within * source.size_bytes) / max(total, 1)
            progress.update(share, detail=detail)

        return forecast(plan.to_read, counter, starts=starts, on_page=show)


def _pace(session: Session) -> "Pace | None":
    from infini_cli.reading.pace import remembered_pace, tried_pace

    remembered = remembered_pace(session.settings)
    if remembered is not None:
        return remembered
    with session.reporter.progress("Measuring the speed of reading"):
        return tried_pace(session.settings)


def _tell(
    session: Session, name: str, found: "Found", plan: "Plan", expected: "Forecast", pace: "Pace | None"
) -> None:
    from infini_cli.progress import format_seconds
    from infini_cli.reading.coverage import skipped_lines

    emit = session.reporter.emit
    for document in expected.documents:
        emit(_line(document))
        for line in skipped_lines(document):
            emit(line)
    for source in plan.unchanged:
        emit(f"{source.shown}: already read, unchanged")
    tell_skipped(session.reporter, found.skipped)
    if not expected.documents:
        emit(f"nothing to read into the memory {name!r}")
        return
    time = f"counted and timed only once the model is here: infini models pull {session.settings.model}"
    if pace is not None:
        basis = f"as {pace.memory!r} was read" if pace.memory is not None else "by a trial"
        seconds = format_seconds(expected.tokens / pace.tokens_per_second)
        time = f"about {seconds} at {pace.tokens_per_second:,.0f} tokens/s, {basis}"
    emit(f"into the memory {name!r}: about {expected.tokens:,} tokens, {time}")


def _line(document: "DocumentRecord") -> str:
    name = "standard input" if document.path == "-" else document.path
    pages = "1 page" if document.pages_read == 1 else f"{document.pages_read:,} pages"
    size = f"{document.characters:,} characters, about {document.tokens:,} tokens"
    return f"{name}: {document.format}, {pages} with text, {size}"


def _describe(
    name: str, found: "Found", plan: "Plan", expected: "Forecast", pace: "Pace | None", *, counted: bool
) -> dict[str, Any]:
    """The result for `--json`."""
    rate = pace.tokens_per_second if pace is not None else None
    keys = ("path", "format", "pages_total", "pages_read", "pages_skipped", "characters", "tokens")
    return {
        "dry_run": True,
        "memory": name,
        "documents": [{key: document.coverage()[key] for key in keys} for document in expected.documents],
        "unchanged": [source.shown for source in plan.unchanged],
        "failed": [
            {"path": failure.path, "message": failure.error.message, "hint": failure.error.hint}
            for failure in (*found.failures, *expected.failures)
        ],
        "skipped": describe_skipped(found.skipped),
        "tokens": expected.tokens,
        "tokens_counted": counted,
        "tokens_per_second": round(rate, 1) if rate is not None else None,
        "pace_of": pace.memory if pace is not None else None,
        "seconds": round(expected.tokens / rate, 1) if rate is not None else None,
    }
