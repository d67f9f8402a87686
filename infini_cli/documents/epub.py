"""EPUB 2 and 3 as a stream of pages: the files of the reading order, cut into stretches."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser

from infini_cli.documents.blocks import Stretch, number_pages, stretches
from infini_cli.documents.decoding import decode_markup
from infini_cli.documents.epub_contents import Entry, read_contents, with_sections
from infini_cli.documents.epub_package import Chapter, read_package
from infini_cli.documents.epub_protection import refuse_protected
from infini_cli.documents.html_blocks import HtmlText
from infini_cli.documents.html_tree import body_of, parse_xhtml
from infini_cli.documents.model import BLANK, COVER, IMAGE_ONLY, NAVIGATION_ONLY, Page
from infini_cli.documents.zip_archive import MemberError, ZipArchive

_CHAPTER_LIMIT_BYTES = 32 << 20
_PICTURES = "img, image, object"


class EpubDocument:
    """A book; one chapter at a time is in memory, and one that cannot be read is skipped with the reason."""

    format = "epub"

    def __init__(self, file: Path, name: str) -> None:
        """Read the package and the table of contents, and count the pages.

        Raises:
            DocumentError: protected by DRM, damaged beyond reading, or without chapters.
        """
        self.path = name
        self._archive = ZipArchive(file, name)
        try:
            refuse_protected(self._archive, name)
            package = read_package(self._archive, name)
            self._chapters = package.chapters
            self._entries: dict[str, list[Entry]] = {}
            for entry in read_contents(self._archive, package):
                self._entries.setdefault(entry.member, []).append(entry)
            self._outer_levels = self._levels_before()
            self._counts = [sum(1 for _ in self._read(place, 1)) for place in range(len(self._chapters))]
        except BaseException:
            self.close()
            raise
        self.pages_total: int | None = sum(self._counts)

    def pages(self, start: int = 1) -> Iterator[Page]:
        """The pages from index `start` on; chapters that end before it are not touched."""
        first = 1
        for place, count in enumerate(self._counts):
            if first + count > start:
                yield from (page for page in self._read(place, first) if page.index >= start)
            first += count

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def _levels_before(self) -> list[int]:
        """For each chapter, the level of the section of the table of contents that is open where it begins."""
        levels, level = [], 0
        for chapter in self._chapters:
            levels.append(level)
            if entries := self._entries.get(chapter.member):
                level = entries[-1].level
        return levels

    def _read(self, place: int, first: int) -> Iterator[Page]:
        """The pages of a chapter, of which there is at least one."""
        chapter = self._chapters[place]
        if not chapter.is_text:
            yield Page(first, None, "", skipped=COVER if chapter.is_cover else IMAGE_ONLY)
            return
        try:
            tree = parse_xhtml(decode_markup(self._archive.read(chapter.member, _CHAPTER_LIMIT_BYTES)))
        except MemberError as error:
            yield Page(first, None, "", skipped=f"could not be read: {error}")
            return
        except ValueError as error:
            yield Page(first, None, "", skipped=f"could not be read: {chapter.member}: {error}")
            return
        dropped: Counter[str] = Counter()
        pages = 0
        for page in number_pages(self._stretches(place, tree, dropped), dropped, first):
            pages += 1
            yield page
        if not pages:
            reason = _reason_without_text(tree, chapter, dropped)
            yield Page(first, None, "", skipped=reason, dropped=tuple(dropped.items()))

    def _stretches(self, place: int, tree: LexborHTMLParser, dropped: Counter[str]) -> Iterator[Stretch]:
        body = body_of(tree)
        if body is None:
            return
        text = HtmlText(body, dropped=dropped)
        entries = self._entries.get(self._chapters[place].member, ())
        yield from stretches(with_sections(list(text.blocks()), entries, self._outer_levels[place]))


def _reason_without_text(tree: LexborHTMLParser, chapter: Chapter, dropped: Counter[str]) -> str:
    if dropped:
        return NAVIGATION_ONLY
    if tree.css_first(_PICTURES) is None:
        return BLANK
    return COVER if chapter.is_cover else IMAGE_ONLY
