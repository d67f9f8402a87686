"""pypdf as a parser of PDF text: thorough, in pure Python, always there."""

import itertools
import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from pypdf import PasswordType, PdfReader, apply_configuration
from pypdf.generic import DictionaryObject, StreamObject

from infini_cli.documents.pdf_fonts import correct_fonts
from infini_cli.documents.pdf_outline import outline_titles
from infini_cli.documents.pdf_parsing import WrongPasswordError, passwords_to_try
from infini_cli.documents.pdf_text import clean_text, reason_without_text

# pypdf stops at 100,000 pages, to be safe from page trees made to waste time.
_MAX_PAGES = 2_000_000
_MAX_PAGE_ENTRIES = 20 * _MAX_PAGES
# pypdf keeps every object it has read. These bounds hold the fonts of a book, but not its pages.
_MAX_CACHED_BYTES = 64_000_000
_MAX_CACHED_OBJECTS = 50_000


class PypdfParser:
    """A PDF opened by pypdf; see `PdfParser`."""

    name = "pypdf"

    def __init__(self, file: Path, password: str | None) -> None:
        """Read the page tree.

        Raises:
            WrongPasswordError: encrypted, and this is not the password.
            Exception: whatever pypdf raises for a damaged file.
        """
        # pypdf logs every irregularity that it works around.
        logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)
        correct_fonts()
        self._cached_bytes = 0
        self._counted_objects = 0
        # Given a path, pypdf would read the whole file into memory.
        self._stream: BinaryIO = file.open("rb")
        try:
            self._reader = _open_reader(self._stream, password)
            self.pages_found = len(self._reader.pages)
            self.pages_lost = _count_lost_pages(self._reader)
        except BaseException:
            self.close()
            raise
        self.forget()

    @cached_property
    def labels(self) -> Sequence[str | None] | None:
        """The printed page numbers of all pages, or None when the file does not tell any."""
        try:
            if "/PageLabels" not in self._reader.root_object:
                return None
            return [clean_text(label).strip() or None for label in self._reader.page_labels]
        except Exception:
            return None

    @cached_property
    def titles(self) -> Mapping[int, Sequence[tuple[str, int]]]:
        """The outline's titles and their levels, by page."""
        return outline_titles(self._reader)

    def extract(self, index: int) -> tuple[str, str | None]:
        """The text of a page, and the reason when there is none."""
        page = self._reader.pages[index]
        text = clean_text(page.extract_text())
        reason = None if text.strip() else reason_without_text(page)
        self._bound_cache()
        return text, reason

    def forget(self) -> None:
        """Empty pypdf's store of parsed objects; it reads again what it needs."""
        self._reader.resolved_objects.clear()
        self._cached_bytes = 0
        self._counted_objects = 0

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _bound_cache(self) -> None:
        """Forget the objects of the pages read so far once they take much room."""
        objects = self._reader.resolved_objects
        added = itertools.islice(reversed(objects.values()), len(objects) - self._counted_objects)
        self._cached_bytes += sum(_size_bytes(item) for item in added if isinstance(item, StreamObject))
        self._counted_objects = len(objects)
        if self._cached_bytes > _MAX_CACHED_BYTES or len(objects) > _MAX_CACHED_OBJECTS:
            self.forget()


def _open_reader(stream: BinaryIO, password: str | None) -> PdfReader:
    """A reader whose page tree has been walked; an encrypted file is often to be had without a password."""
    reader = PdfReader(stream)
    if reader.is_encrypted and not any(
        reader.decrypt(tried) != PasswordType.NOT_DECRYPTED for tried in passwords_to_try(password)
    ):
        raise WrongPasswordError
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


def _size_bytes(stream: StreamObject) -> int:
    """What a stream takes in memory, as stored and, if it was decoded, decoded."""
    # pypdf drops /Length when it parses a stream and has no other public way to the bytes as stored.
    decoded = stream.decoded_self
    return len(stream._data) + (len(decoded._data) if decoded is not None else 0)
