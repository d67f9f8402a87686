"""PDF as a stream of pages, read by whichever parsers are installed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from infini_cli.documents.model import BLANK, DRAWING_ONLY, IMAGE_ONLY, LOST, Heading, Page
from infini_cli.documents.pdf_options import PdfOptions, installed_parsers
from infini_cli.documents.pdf_outline import locate_titles
from infini_cli.documents.pdf_parsing import open_parsers, summary
from infini_cli.errors import DocumentError


class PdfDocument:
    """A PDF file; pages are read one by one, and a page that no parser can read is skipped with the reason.

    Attributes:
        parsers: the names of those that opened the file. All is read by the first; the others try the pages on
            which it fails.
    """

    format = "pdf"

    def __init__(self, file: Path, name: str, options: PdfOptions | None = None) -> None:
        """Read the page tree, the labels and the outline.

        Raises:
            LockedError: encrypted, and the password is missing or wrong.
            DocumentError: damaged beyond repair, or without pages.
        """
        options = options if options is not None else PdfOptions()
        self.path = name
        self._failed = options.failed
        self._parsers = open_parsers(file, name, options.parsers or installed_parsers(), options.password)
        self.parsers = tuple(parser.name for parser in self._parsers)
        first = self._parsers[0]
        if not first.pages_found:
            self.close()
            raise DocumentError(f"{name} is a PDF without pages")
        self._pages_found = first.pages_found
        self.pages_total: int | None = first.pages_found + first.pages_lost
        self._labels = first.labels
        self._titles = first.titles
        first.forget()

    def pages(self, start: int = 1) -> Iterator[Page]:
        """The pages from index `start` on; the ones before it are not touched."""
        for index in range(max(start, 1), (self.pages_total or 0) + 1):
            yield self._read_page(index, self._failed if index == start else 0)

    def close(self) -> None:
        """Close the file."""
        for parser in self._parsers:
            parser.close()

    def _read_page(self, index: int, failed: int) -> Page:
        if index > self._pages_found:
            return Page(index, None, "", skipped=LOST)
        label = self._labels[index - 1] if self._labels else None
        titles = self._titles.get(index - 1, ())
        reasons: list[str] = []
        for parser in self._parsers[failed:]:
            try:
                text, reason = parser.extract(index - 1)
            # Whatever is wrong with one page must not cost the others, and parsers raise all kinds of errors.
            except Exception as error:
                parser.forget()
                text, reason = "", f"could not be read: {summary(error)}"
            if reason is None:
                return Page(index, label, text, locate_titles(text, titles))
            reasons.append(reason)
            # A page without anything on it is not to be believed of one parser: PDFium passes over damage.
            if reason == IMAGE_ONLY:
                break
        return Page(index, label, "", _headings_without_text(titles), skipped=min(reasons, key=_doubt))


def _doubt(reason: str) -> int:
    """How little there is to be said for a reason that one parser gives when others give another."""
    least = (IMAGE_ONLY, "", DRAWING_ONLY, BLANK)
    return least.index(reason if reason in least else "")


def _headings_without_text(titles: Sequence[tuple[str, int]]) -> tuple[Heading, ...]:
    """The sections that start on a page without text: those of the pages after it."""
    return tuple(Heading(0, title, level) for title, level in titles)
