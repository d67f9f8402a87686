"""The account of what was read, in words for people."""

from collections.abc import Iterable, Sequence

from infini_cli.documents.model import DRAWING_ONLY, IMAGE_ONLY, RUNNING_LINES, WHITE_SPACE
from infini_cli.errors import PartialReadError
from infini_cli.reading.records import DocumentRecord, SkippedPage
from infini_cli.reading.report import Failure, ReadingReport

_STDIN = "-"
_WITHOUT_TEXT_LAYER = (IMAGE_ONLY, DRAWING_ONLY)


def coverage_lines(document: DocumentRecord) -> list[str]:
    """How much of a document was read, and which pages were not, by reason."""
    total = document.pages_total
    pages = (
        f"{document.pages_read:,} of {total:,} pages"
        if total is not None
        else f"{document.pages_read:,} pages"
    )
    name = "standard input" if document.path == _STDIN else document.path
    lines = [f"{name}: read {pages}, {document.characters:,} characters, {document.tokens:,} tokens"]
    if document.lines_dropped:
        counted = "1 line" if document.lines_dropped == 1 else f"{document.lines_dropped:,} lines"
        lines.append(f"  {RUNNING_LINES} left out: {counted}")
    lines += [
        f"  left out, {rule}: {count:,} characters"
        for rule, count in document.dropped.items()
        if rule not in (WHITE_SPACE, RUNNING_LINES)
    ]
    return lines + skipped_lines(document)


def skipped_lines(document: DocumentRecord) -> list[str]:
    """The pages of a document that are not read, by reason."""
    by_reason: dict[str, list[int]] = {}
    for page in document.pages_skipped:
        by_reason.setdefault(page.reason, []).append(page.page)
    return [f"  not read, {reason}: {page_ranges(pages)}" for reason, pages in by_reason.items()]


def page_ranges(pages: Sequence[int]) -> str:
    """Page numbers in ascending order as people write them: "page 3", "pages 3, 5-9"."""
    ranges: list[tuple[int, int]] = []
    for page in pages:
        if ranges and page == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], page)
        else:
            ranges.append((page, page))
    written = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
    return f"page {written}" if len(pages) == 1 else f"pages {written}"


def partial_error(report: ReadingReport) -> PartialReadError | None:
    """The error for what should have been read but was not, or None when there is nothing of the kind."""
    documents = (*report.read, *report.unchanged)
    unaccounted = [
        f"{document.path}: {document.unaccounted:,} characters are unaccounted for"
        for document in documents
        if document.unaccounted
    ]
    return _error("was", documents, report.failures, unaccounted)


def forecast_error(
    documents: Sequence[DocumentRecord], failures: Sequence[Failure]
) -> PartialReadError | None:
    """The error for what a read could not take in, or None when there is nothing of the kind."""
    return _error("can be", documents, failures, [])


def _error(
    verb: str, documents: Sequence[DocumentRecord], failures: Sequence[Failure], others: Sequence[str]
) -> PartialReadError | None:
    parts = [_described(failure) for failure in failures]
    hints = [failure.error.hint for failure in failures if failure.error.hint]
    for document in documents:
        if faults := document.faults:
            parts.append(
                f"{document.path}: {page_ranges([fault.page for fault in faults])} of {_total(document)}"
            )
            hints += _hints(document, faults)
    parts += others
    if not parts:
        return None
    return PartialReadError(
        f"not everything {verb} read; {'; '.join(parts)}", hint="; ".join(dict.fromkeys(hints)) or None
    )


def _described(failure: Failure) -> str:
    message = failure.error.message
    return message if message.startswith(failure.path) else f"{failure.path}: {message}"


def _total(document: DocumentRecord) -> str:
    return "its pages" if document.pages_total is None else f"{document.pages_total:,}"


def _hints(document: DocumentRecord, faults: Iterable[SkippedPage]) -> list[str]:
    if document.format == "pdf" and any(fault.reason in _WITHOUT_TEXT_LAYER for fault in faults):
        return [f"give scanned pages a text layer: ocrmypdf --skip-text {document.path} with-text.pdf"]
    return []
