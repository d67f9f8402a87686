"""PDF as a stream of pages, read with pypdf."""

import itertools
import logging
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from pypdf import PasswordType, PdfReader, apply_configuration
from pypdf.errors import PyPdfError
from pypdf.generic import DictionaryObject, StreamObject

from infini_cli.documents.model import LOST, Heading, Page
from infini_cli.documents.pdf_fonts import correct_fonts
from infini_cli.documents.pdf_outline import locate_titles, outline_titles
from infini_cli.documents.pdf_text import clean_text, reason_without_text
from infini_cli.errors import DocumentError

_END_MARK = b"%%EOF"
_END_REACH_BYTES = 2048
# pypdf stops at 100,000 pages, to be safe from page trees made to waste time.
_MAX_PAGES = 2_000_000
_MAX_PAGE_ENTRIES = 20 * _MAX_PAGES
# pypdf keeps every object it has read. These bounds hold the fonts of a book, but not its pages.
_MAX_CACHED_BYTES = 64_000_000
_MAX_CACHED_OBJECTS = 50_000
_MAX_REASON_CHARACTERS = 200


class PdfDocument:
    """A PDF file; pages are read one by one, and a page that cannot be read is skipped with the reason."""

    format = "pdf"

    def __init__(self, file: Path, name: str) -> None:
        """Read the page tree, the labels and the outline.

        Raises:
            DocumentError: encrypted with a password, damaged beyond repair, or without pages.
        """
        # pypdf logs every irregularity that it works around.
        logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)
        correct_fonts()
        self.path = name
        self._cached_bytes = 0
        self._counted_objects = 0
        # Given a path, pypdf would read the whole file into memory.
        self._stream: BinaryIO = file.open("rb")
        try:
            self._reader = _open_reader(self._stream, name)
            self._pages_found = len(self._reader.pages)
            self.pages_total: int | None = self._pages_found + _count_lost_pages(self._reader)
            if not self._pages_found:
                raise DocumentError(f"{name} is a PDF without pages")
            self._labels = _page_labels(self._reader)
            self._titles = outline_titles(self._reader)
        except DocumentError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise _damaged(file, name, error) from error
        self._forget_objects()

    def pages(self, start: int = 1) -> Iterator[Page]:
        """The pages from index `start` on; the ones before it are not touched."""
        for index in range(max(start, 1), (self.pages_total or 0) + 1):
            yield self._read_page(index)
            self._bound_cache()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _read_page(self, index: int) -> Page:
        if index > self._pages_found:
            return Page(index, None, "", skipped=LOST)
        label = self._labels[index - 1] if self._labels else None
        titles = self._titles.get(index - 1, ())
        try:
            page = self._reader.pages[index - 1]
            text = clean_text(page.extract_text())
            if text.strip():
                return Page(index, label, text, locate_titles(text, titles))
            reason = reason_without_text(page)
        # Whatever is wrong with one page must not cost the others, and pypdf raises all kinds of errors.
        except Exception as error:
            self._forget_objects()
            reason = f"could not be read: {_summary(error)}"
        return Page(index, label, "", _headings_without_text(titles), skipped=reason)

    def _bound_cache(self) -> None:
        """Forget the objects of the pages read so far once they take much room."""
        objects = self._reader.resolved_objects
        added = itertools.islice(reversed(objects.values()), len(objects) - self._counted_objects)
        self._cached_bytes += sum(_size_bytes(item) for item in added if isinstance(item, StreamObject))
        self._counted_objects = len(objects)
        if self._cached_bytes > _MAX_CACHED_BYTES or len(objects) > _MAX_CACHED_OBJECTS:
            self._forget_objects()

    def _forget_objects(self) -> None:
        """Empty pypdf's store of parsed objects; it reads again what it needs."""
        self._reader.resolved_objects.clear()
        self._cached_bytes = 0
        self._counted_objects = 0


def _open_reader(stream: BinaryIO, name: str) -> PdfReader:
    """A reader whose page tree has been walked, with the empty password tried if there is one."""
    reader = PdfReader(stream)
    if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
        command = f"qpdf --decrypt --password=PASSWORD {shlex.quote(name)} decrypted.pdf"
        raise DocumentError(f"{name} is encrypted with a password", hint=f"make a copy without it: {command}")
    with apply_configuration(
        page_tree_maximum_entries=_MAX_PAGES, page_tree_maximum_page_entries=_MAX_PAGE_ENTRIES
    ):
        reader.get_num_pages()
    return reader


def _count_lost_pages(reader: PdfReader) -> int:
    """How many pages the file announces that are not there, when a part of its page tree is damaged.

    Where in the file they were cannot be told. Without damage the announced number is not trusted, for it is
    wrong in sound files too.
    """
    root = reader.root_object["/Pages"].get_object()
    assert isinstance(root, DictionaryObject)
    is_damaged = False
    nodes = [root]
    while nodes:
        kids = nodes.pop().get("/Kids")
        for kid in kids.get_object() if kids is not None else ():
            node = kid.get_object()
            if not isinstance(node, DictionaryObject) or not node:
                is_damaged = True
            elif "/Kids" in node:
                nodes.append(node)
    announced, objects = root.get("/Count"), reader.trailer.get("/Size")
    if not (is_damaged and isinstance(announced, int) and isinstance(objects, int)):
        return 0
    return max(0, min(announced, objects) - len(reader.pages))


def _page_labels(reader: PdfReader) -> Sequence[str | None] | None:
    """The printed page numbers of all pages, or None when the file does not tell any."""
    try:
        if "/PageLabels" not in reader.root_object:
            return None
        return [clean_text(label).strip() or None for label in reader.page_labels]
    except Exception:
        return None


def _headings_without_text(titles: Sequence[tuple[str, int]]) -> tuple[Heading, ...]:
    """The sections that start on a page without text: those of the pages after it."""
    return tuple(Heading(0, title, level) for title, level in titles)


def _size_bytes(stream: StreamObject) -> int:
    """What a stream takes in memory, as stored and, if it was decoded, decoded."""
    # pypdf drops /Length when it parses a stream and has no other public way to the bytes as stored.
    decoded = stream.decoded_self
    return len(stream._data) + (len(decoded._data) if decoded is not None else 0)


def _damaged(file: Path, name: str, error: Exception) -> DocumentError:
    if isinstance(error, MemoryError):
        return DocumentError(f"{name} takes more memory to open than a document may")
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - _END_REACH_BYTES))
        is_complete = _END_MARK in stream.read()
    if not is_complete:
        return DocumentError(f"{name} is cut off: the PDF's end is missing", hint="copy or download it again")
    return DocumentError(
        f"{name} is a damaged PDF: {_summary(error)}",
        hint=f"try to repair it: qpdf {shlex.quote(name)} repaired.pdf",
    )


def _summary(error: Exception) -> str:
    """An error in one line of bounded length."""
    # pypdf's own errors are sentences; of the others, the message alone can be as little as a missing key.
    described = str(error) if isinstance(error, PyPdfError) else f"{type(error).__name__}: {error}"
    text = " ".join(described.split()).removesuffix(":") or type(error).__name__
    return text if len(text) <= _MAX_REASON_CHARACTERS else f"{text[:_MAX_REASON_CHARACTERS]}…"
