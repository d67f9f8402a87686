"""DOCX as a stream of pages: its paragraphs, lists, tables and notes, with its headings as sections."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from infini_cli.documents.blocks import Block, number_pages, stretches, with_own_headings
from infini_cli.documents.docx_blocks import DocxText, Notes, character_count, note_texts
from infini_cli.documents.docx_parts import (
    MAIN_LIMIT_BYTES,
    PART_LIMIT_BYTES,
    find_parts,
    read_numbering,
    read_part,
    read_styles,
)
from infini_cli.documents.model import BLANK, Page
from infini_cli.documents.xml_parts import parse_xml
from infini_cli.documents.zip_archive import MemberError, ZipArchive

PAGE_FURNITURE = "headers and footers"
COMMENTS = "comments"
_NOTES = (("footnotes", "footnote"), ("endnotes", "endnote"))
_NOT_READ = (("header", PAGE_FURNITURE), ("footer", PAGE_FURNITURE), ("comments", COMMENTS))


class DocxDocument:
    """A Word document; where its pages end is known only to Word, so that they are stretches of its text.

    It is read as a stream, for which there is no library: python-docx holds the whole document in memory,
    with its pictures, and does not give footnotes.
    """

    format = "docx"

    def __init__(self, file: Path, name: str) -> None:
        """Read styles, lists and notes, and count the pages.

        Raises:
            DocumentError: damaged beyond reading.
        """
        self.path = name
        self._archive = ZipArchive(file, name)
        try:
            self._parts = find_parts(self._archive, name)
            self._styles = read_styles(read_part(self._archive, self._parts, "styles"))
            self._notes = {
                key: text
                for part, kind in _NOTES
                for key, text in note_texts(read_part(self._archive, self._parts, part), kind)
            }
            self._not_read = self._count_not_read()
            self.pages_total: int | None = sum(1 for _ in self.pages())
        except BaseException:
            self.close()
            raise

    def pages(self, start: int = 1) -> Iterator[Page]:
        """The pages from index `start` on; the text before them is run through without being kept."""
        return (page for page in self._pages() if page.index >= start)

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def _pages(self) -> Iterator[Page]:
        numbering = read_numbering(read_part(self._archive, self._parts, "numbering"))
        text = DocxText(self._styles, numbering, Notes(self._notes), Counter(self._not_read))
        damage: list[str] = []
        index = 0
        found = stretches(with_own_headings(self._blocks(text, damage)))
        for page in number_pages(found, text.dropped):
            index = page.index
            yield page
        if damage:
            yield Page(index + 1, None, "", skipped=f"the rest could not be read: {damage[0]}")
        elif not index:
            yield Page(1, None, "", skipped=BLANK, dropped=tuple(text.dropped.items()))

    def _blocks(self, text: DocxText, damage: list[str]) -> Iterator[Block]:
        """The blocks up to where the document is damaged, and what is wrong there."""
        try:
            with self._archive.stream(self._parts.main, MAIN_LIMIT_BYTES) as stream:
                yield from text.blocks(stream)
        except MemberError as error:
            damage.append(str(error))
        except etree.XMLSyntaxError as error:
            damage.append(f"{self._parts.main} is not sound XML: {error}")

    def _count_not_read(self) -> Counter[str]:
        """The characters of the parts that are beside the text."""
        counts: Counter[str] = Counter()
        for kind, rule in _NOT_READ:
            for member in self._parts.related.get(kind, ()):
                try:
                    counts[rule] += character_count(parse_xml(self._archive.read(member, PART_LIMIT_BYTES)))
                except (MemberError, ValueError):
                    continue
        return +counts
