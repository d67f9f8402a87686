"""Plain text as a stream of pages."""

from collections.abc import Iterator
from pathlib import Path

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


def make_text_page(index: int, text: str, first_line: int, headings: tuple[Heading, ...] = ()) -> Page:
    """A page of a text format, skipped when there is nothing but white space on it."""
    if not text.strip():
        left_out = ((WHITE_SPACE, len(text)),)
        return Page(index, None, "", first_line=first_line, skipped=BLANK, dropped=left_out)
    return Page(index, None, text, headings, first_line)
