"""Plain text as a stream of pages."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from infini_cli.documents.decoding import decode_file, detect_encoding
from infini_cli.documents.model import BLANK, WHITE_SPACE, Heading, Page
from infini_cli.documents.paging import split_pages


class TextDocument:
    """A text file of any size and encoding; it is never in memory as a whole."""

    format = "text"

    def __init__(self, file: Path, name: str) -> None:
        self.path = name
        self._file = file
        self._encoding = detect_encoding(file, name)
        self.pages_total: int | None = sum(1 for _ in self._texts())

    def pages(self, start: int = 1) -> Iterator[Page]:
        """The pages from index `start` on; what comes before is run through without being kept."""
        line = 1
        for index, text in enumerate(self._texts(), start=1):
            if index >= start:
                yield make_text_page(index, text, line)
            line += text.count("\n")

    def close(self) -> None:
        """Nothing stays open between pages."""

    def _texts(self) -> Iterator[str]:
        return split_pages(decode_file(self._file, self._encoding))


class HeadingScanner(Protocol):
    """Finds the headings of a text that comes page by page, in order and without gaps."""

    def scan(self, text: str, following: str) -> tuple[Heading, ...]:
        """The headings of the next page, given also the page after it."""


class SectionedText(TextDocument):
    """A text in a markup by which its headings are told.

    Attributes:
        scanner: makes what finds them.
    """

    scanner: Callable[[], HeadingScanner]

    def pages(self, start: int = 1) -> Iterator[Page]:
        """The pages from index `start` on; those before are only looked through for what bears on headings."""
        scanner = type(self).scanner()
        texts = self._texts()
        text = next(texts, None)
        index, line = 1, 1
        while text is not None:
            following = next(texts, None)
            headings = scanner.scan(text, following or "")
            if index >= start:
                yield make_text_page(index, text, line, headings)
            index, line = index + 1, line + text.count("\n")
            text = following


def make_text_page(index: int, text: str, first_line: int, headings: tuple[Heading, ...] = ()) -> Page:
    """A page of a text format, skipped when there is nothing but white space on it."""
    if not text.strip():
        left_out = ((WHITE_SPACE, len(text)),)
        return Page(index, None, "", first_line=first_line, skipped=BLANK, dropped=left_out)
    return Page(index, None, text, headings, first_line)
