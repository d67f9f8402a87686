"""PDFium as a parser of PDF text: the one of Chromium, many times faster than pypdf; an extra."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import pypdfium2
from pypdfium2 import raw

from infini_cli.documents.model import BLANK, DRAWING_ONLY, IMAGE_ONLY
from infini_cli.documents.pdf_parsing import WrongPasswordError, passwords_to_try
from infini_cli.documents.pdf_text import clean_text

# PDFium keeps what it has parsed until the file is closed, the data of scans too.
_MAX_CACHED_BYTES = 64_000_000
_MAX_PAGES_AT_ONCE = 256
# Left, bottom, right and top: a line that runs over the edge of the paper is text too.
_EVERYWHERE = (-1e6, -1e6, 1e6, 1e6)
_OUTLINE_DEPTH = 100
_FORM_DEPTH = 3
# What PDFium puts for a hyphen at the end of a line, which it joins with the next.
_LINE_END_HYPHENS = ("\x02", "\ufffe")
_DRAWINGS = frozenset({raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_SHADING})


class PdfiumParser:
    """A PDF opened by PDFium; see `PdfParser`."""

    name = "pdfium"
    pages_lost = 0

    def __init__(self, file: Path, password: str | None) -> None:
        """Open the file.

        Raises:
            WrongPasswordError: encrypted, and this is not the password.
            pypdfium2.PdfiumError: damaged.
        """
        # It logs an outline that leads in circles.
        logging.getLogger("pypdfium2").setLevel(logging.CRITICAL + 1)
        # Given a path, it would follow links, and miss a file that is open but has no name any more.
        self._stream: BinaryIO = file.open("rb")
        try:
            self._password, self._pdf = _open(self._stream, password)
        except BaseException:
            self._stream.close()
            raise
        self.pages_found = len(self._pdf)
        page_bytes = max(1, file.stat().st_size // self.pages_found)
        self._pages_at_once = max(1, min(_MAX_PAGES_AT_ONCE, _MAX_CACHED_BYTES // page_bytes))
        self._pages_since_open = 0

    @cached_property
    def labels(self) -> Sequence[str | None] | None:
        """The printed page numbers of all pages, or None when the file does not tell any."""
        labels = [_label(self._pdf, index) for index in range(self.pages_found)]
        return labels if any(label is not None for label in labels) else None

    @cached_property
    def titles(self) -> Mapping[int, Sequence[tuple[str, int]]]:
        """The outline's titles and their levels, by page; of a damaged one what could be made of it."""
        titles: dict[int, list[tuple[str, int]]] = defaultdict(list)
        with suppress(Exception):
            for entry in self._pdf.get_toc(max_depth=_OUTLINE_DEPTH):
                target = entry.get_dest()
                page = target.get_index() if target is not None else None
                title = " ".join(clean_text(entry.get_title()).split())
                if page is not None and page < self.pages_found and title:
                    titles[page].append((title, entry.level + 1))
        return titles

    def extract(self, index: int) -> tuple[str, str | None]:
        """The text of a page, and the reason when there is none.

        Raises:
            pypdfium2.PdfiumError: the page cannot be parsed.
            ValueError: it has text, but no character of it is known.
        """
        if self._pages_since_open >= self._pages_at_once:
            self.forget()
        self._pages_since_open += 1
        page = self._pdf[index]
        try:
            if page.get_rotation():
                # The lines of a page that is turned by its rotation alone would come in reverse order.
                page.set_rotation(0)
            text_page = page.get_textpage()
            try:
                text, characters = text_page.get_text_bounded(*_EVERYWHERE), text_page.count_chars()
            finally:
                text_page.close()
            for hyphen in _LINE_END_HYPHENS:
                text = text.replace(hyphen, "-\n")
            text = clean_text(text)
            return text, None if text.strip() else _reason_without_text(page, characters)
        finally:
            page.close()

    def forget(self) -> None:
        """Open the file anew, which takes a millisecond or two."""
        self._pdf.close()
        _, self._pdf = _open(self._stream, self._password)
        self._pages_since_open = 0

    def close(self) -> None:
        """Close the file."""
        self._pdf.close()
        self._stream.close()


def _open(stream: BinaryIO, password: str | None) -> tuple[str, "pypdfium2.PdfDocument"]:
    """The file, with the password that opens it."""
    for tried in passwords_to_try(password):
        try:
            return tried, pypdfium2.PdfDocument(stream, password=tried or None)
        except pypdfium2.PdfiumError as error:
            if error.err_code != raw.FPDF_ERR_PASSWORD:
                raise
    raise WrongPasswordError


def _label(pdf: "pypdfium2.PdfDocument", index: int) -> str | None:
    try:
        return clean_text(pdf.get_page_label(index)).strip() or None
    except Exception:
        return None


def _reason_without_text(page: "pypdfium2.PdfPage", characters: int) -> str:
    """Why a page without text has none: images, drawings, or nothing at all on it.

    Raises:
        ValueError: there is text on it after all.
    """
    kinds = {item.type for item in page.get_objects(max_depth=_FORM_DEPTH)}
    if raw.FPDF_PAGEOBJ_TEXT in kinds and not characters:
        raise ValueError("text without known characters")
    if raw.FPDF_PAGEOBJ_IMAGE in kinds:
        return IMAGE_ONLY
    return DRAWING_ONLY if kinds & _DRAWINGS else BLANK
