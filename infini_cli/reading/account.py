"""Where every character of a document went: into passages, or out by a rule that is named."""

from collections.abc import Iterator, Sequence

from infini_cli.documents import Page
from infini_cli.documents.model import RUNNING_LINES, WHITE_SPACE
from infini_cli.reading.records import DocumentRecord
from infini_cli.reading.splitter import Span


def count_page(document: DocumentRecord, page: Page, passages: Sequence[Span]) -> None:
    """Add a page's characters to the account of its document.

    Both sides are counted for themselves, so that a character lost on the way would show as unaccounted.

    Args:
        document: whose account grows.
        page: as extracted.
        passages: start and end of each of its passages, in order.
    """
    running = sum(end - start for start, end in page.running)
    blank = sum(sum(map(str.isspace, gap)) for gap in _gaps(page, passages))
    counts = [*page.dropped, (RUNNING_LINES, running), (WHITE_SPACE, blank)]
    document.characters += len(page.text) + sum(count for _, count in page.dropped)
    document.characters_in_passages += sum(end - start for start, end in passages)
    for rule, count in counts:
        if count:
            document.dropped[rule] = document.dropped.get(rule, 0) + count
    document.lines_dropped += len(page.running)


def _gaps(page: Page, passages: Sequence[Span]) -> Iterator[str]:
    """What stands between passages and running lines."""
    position = 0
    for start, end in sorted((*passages, *page.running)):
        yield page.text[position:start]
        position = end
    yield page.text[position:]
