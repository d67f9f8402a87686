"""What every document looks like to the rest of the program: a stream of pages with their places."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

BLANK = "blank"
IMAGE_ONLY = "no text layer (image only)"
LOST = "missing from the damaged file"
DRAWING_ONLY = "no text layer (drawings only)"
COVER = "a picture, the cover"
NAVIGATION_ONLY = "navigation only"
# Reasons to skip a page that has nothing to read; any other is a fault.
NOTHING_TO_READ = frozenset({BLANK, COVER, NAVIGATION_ONLY})

# of whose text only stretches of about a page can be counted
FORMATS_WITHOUT_PAGES = frozenset({"epub", "docx", "html"})

# rules by which characters of a document are left out of what the model reads
WHITE_SPACE = "white space"
RUNNING_LINES = "running headers and page numbers"


@dataclass(frozen=True, slots=True)
class Heading:
    """The start of a section.

    Attributes:
        offset: characters into the page's text.
        title: one line of plain text.
        level: 1 is the outermost.
    """

    offset: int
    title: str
    level: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page, or one stretch of a document that has no pages.

    Attributes:
        index: the place in the file, from 1.
        label: the printed page number ("iv", "A-3"), or None where there is none.
        text: as extracted; empty when the page was skipped.
        headings: the sections that start on the page, in order of their offset.
        first_line: the number, from 1, of the line of the file on which the page starts; None for a PDF.
        skipped: why the page has no text, or None.
        running: start and end, in characters of the text, of running headers, footers and page numbers.
        dropped: for each rule by which characters were left out of `text`, its name and their number.
    """

    index: int
    label: str | None
    text: str
    headings: tuple[Heading, ...] = ()
    first_line: int | None = None
    skipped: str | None = None
    running: tuple[tuple[int, int], ...] = ()
    dropped: tuple[tuple[str, int], ...] = ()


class Document(Protocol):
    """A document opened for reading, page by page.

    Attributes:
        path: as the user gave it, "-" for standard input.
        format: as named by `detect.detect_format`.
        pages_total: the number of pages, or None when only reading to the end would tell.
    """

    path: str
    format: str
    pages_total: int | None

    def pages(self, start: int = 1) -> Iterator[Page]:
        """The pages from index `start` on; a page has the same index whatever the start."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...
