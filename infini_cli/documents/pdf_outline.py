"""The outline of a PDF as section headings, with the place of each title in its page's text."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pypdf import PdfReader
from pypdf.generic import Destination, IndirectObject

from infini_cli.documents.folding import fold_letters
from infini_cli.documents.model import Heading
from infini_cli.documents.pdf_text import clean_text

# A title of a letter or two stands in any text; it counts only as a line of its own.
_SHORT_TITLE_CHARACTERS = 4
_LEADING_NUMBER = re.compile(r"^[\dIVXLC.)]+\s+")
_ALONE, _AT_LINE_START, _WITHIN_LINE, _WITHIN_WORD = range(4)


def outline_titles(reader: PdfReader) -> Mapping[int, Sequence[tuple[str, int]]]:
    """The titles and levels of the outline entries that point to each page, by page index from 0.

    A damaged outline gives what could be made of it, possibly nothing: sections are a help, not the text.
    """
    titles: dict[int, list[tuple[str, int]]] = defaultdict(list)
    try:
        places = {
            page.indirect_reference.idnum: index
            for index, page in enumerate(reader.pages)
            if page.indirect_reference is not None
        }
        for entry, level in _flatten(reader.outline, 1):
            place = _page_of(entry, places)
            title = " ".join(clean_text(str(entry.title or "")).split())
            if place is not None and title:
                titles[place].append((title, level))
    except Exception:
        return titles
    return titles


def locate_titles(text: str, titles: Sequence[tuple[str, int]]) -> tuple[Heading, ...]:
    """Headings for the titles of one page, in the outline's order.

    Titles are compared by their letters and digits alone, so that line breaks, hyphens, ligatures, case and
    punctuation do not matter. One that is not found starts where the one before it does, or at 0.
    """
    if not titles:
        return ()
    page = _Letters(text)
    headings: list[Heading] = []
    reached = 0
    for title, level in titles:
        found = page.find(title, reached)
        if found is None:
            found = page.find(_LEADING_NUMBER.sub("", title), reached)
        reached = found if found is not None else reached
        headings.append(Heading(reached, title, level))
    return tuple(headings)


def _flatten(entries: Any, level: int) -> Iterator[tuple[Destination, int]]:
    """pypdf gives the children of an entry as a list after it."""
    for entry in entries:
        if isinstance(entry, list):
            yield from _flatten(entry, level + 1)
        else:
            yield entry, level


def _page_of(entry: Destination, places: Mapping[int, int]) -> int | None:
    page: object = entry.page
    if isinstance(page, IndirectObject):
        return places.get(page.idnum)
    return int(page) if isinstance(page, int) and 0 <= page < len(places) else None


class _Letters:
    """The letters and digits of a text, folded, each with its offset."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._offsets: list[int] = []
        letters: list[str] = []
        for offset, character in enumerate(text):
            for letter in fold_letters(character):
                letters.append(letter)
                self._offsets.append(offset)
        self._letters = "".join(letters)

    def find(self, title: str, start: int) -> int | None:
        """The offset of the most heading-like occurrence of a title from the offset `start` on."""
        target = fold_letters(title)
        if not target:
            return None
        worst = _ALONE if len(target) < _SHORT_TITLE_CHARACTERS else _WITHIN_LINE
        best: tuple[int, int] | None = None
        position = self._letters.find(target)
        while position >= 0:
            first, last = self._offsets[position], self._offsets[position + len(target) - 1]
            rank = self._rank(first, last + 1)
            if first >= start and rank <= worst and (best is None or rank < best[0]):
                best = (rank, first)
            position = self._letters.find(target, position + 1)
        return best[1] if best else None

    def _rank(self, start: int, end: int) -> int:
        """How much like a heading the text from `start` to `end` stands on the page."""
        before = self._text[self._text.rfind("\n", 0, start) + 1 : start]
        line_end = self._text.find("\n", end)
        after = self._text[end : line_end if line_end >= 0 else len(self._text)]
        if before[-1:].isalnum() or after[:1].isalnum():
            return _WITHIN_WORD
        if not any(map(str.isalnum, before)):
            return _AT_LINE_START if any(map(str.isalnum, after)) else _ALONE
        return _WITHIN_LINE
