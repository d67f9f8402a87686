"""HTML as a stream of pages, with its headings as sections."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser

from infini_cli.documents.blocks import (
    MAX_TITLE_CHARACTERS,
    Block,
    number_pages,
    one_line,
    stretches,
    with_own_headings,
)
from infini_cli.documents.decoding import decode_file, detect_html_encoding
from infini_cli.documents.html_blocks import HtmlText
from infini_cli.documents.html_tree import body_of, parse_html, parse_xhtml
from infini_cli.documents.model import BLANK, Heading, Page
from infini_cli.errors import DocumentError

# The tree of a page takes about sixteen times the room of its source.
_MAX_BYTES = 64 << 20


class HtmlDocument:
    """One page of HTML, cut into stretches; a tree cannot be built in pieces, so it is bounded in size."""

    format = "html"

    def __init__(self, file: Path, name: str) -> None:
        """Parse the page.

        Raises:
            DocumentError: not text, too large, or nested without end.
        """
        self.path = name
        if file.stat().st_size > _MAX_BYTES:
            hint = "make a text of it first: lynx -dump -nolist FILE > page.txt"
            raise DocumentError(f"{name} is an HTML page of more than {_MAX_BYTES >> 20} MB", hint=hint)
        source = "".join(decode_file(file, detect_html_encoding(file, name)))
        try:
            tree = (
                parse_xhtml(source)
                if source.lstrip("\ufeff \t\n").startswith("<?xml")
                else parse_html(source)
            )
        except ValueError as error:
            raise DocumentError(f"{name} cannot be read as HTML: {error}") from error
        self._pages = list(_pages(tree))
        self.pages_total: int | None = len(self._pages)

    def pages(self, start: int = 1) -> Iterator[Page]:
        """The pages from index `start` on."""
        return iter(self._pages[max(start, 1) - 1 :])

    def close(self) -> None:
        """Nothing stays open."""


def _pages(tree: LexborHTMLParser) -> Iterator[Page]:
    body = body_of(tree)
    dropped: Counter[str] = Counter()
    blocks: Iterator[Block] = iter(())
    if body is not None:
        text = HtmlText(body)
        blocks, dropped = text.blocks(), text.dropped
        first = next(blocks, None)
        if first is None:
            # a page of links alone
            blocks, dropped = HtmlText(body, keep_all=True).blocks(), Counter()
        else:
            blocks = chain([first], blocks)
    found = list(stretches(with_own_headings(blocks)))
    if not found:
        yield Page(1, None, "", skipped=BLANK, dropped=tuple(dropped.items()))
        return
    title = _title(tree)
    is_titled = any(stretch.headings for stretch in found)
    for page in number_pages(found, dropped):
        if page.index == 1 and title and not is_titled:
            page = replace(page, headings=(Heading(0, title, 1),))
        yield page


def _title(tree: LexborHTMLParser) -> str:
    """What the page calls itself outside its text."""
    element = tree.css_first("head > title")
    title = one_line(element.text(deep=True)) if element is not None else ""
    return title if len(title) <= MAX_TITLE_CHARACTERS else ""
