"""The table of contents of an EPUB: which section begins in which file, at which place."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from selectolax.lexbor import LexborNode

from infini_cli.documents.blocks import MAX_TITLE_CHARACTERS, Block, one_line
from infini_cli.documents.decoding import decode_markup
from infini_cli.documents.epub_package import Package
from infini_cli.documents.folding import fold_letters
from infini_cli.documents.html_tree import parse_xhtml
from infini_cli.documents.xml_parts import attribute, descendants, local_name, parse_xml, resolve, text_of
from infini_cli.documents.zip_archive import MemberError, ZipArchive

_LIMIT_BYTES = 64 << 20
_SAME_HEADING_REACH = 2  # blocks after the place a title points to in which its heading stands


@dataclass(frozen=True, slots=True)
class Entry:
    """One title in the table of contents.

    Attributes:
        member: the file in which its section begins.
        anchor: the place in it, "" for the file's beginning.
        title: one line.
        level: 1 is the outermost.
    """

    member: str
    anchor: str
    title: str
    level: int


def read_contents(archive: ZipArchive, package: Package) -> list[Entry]:
    """The table of contents, of EPUB 3 or else of EPUB 2; empty when there is none that can be read."""
    for member, read in ((package.nav, _nav_entries), (package.ncx, _ncx_entries)):
        found = archive.find(member) if member is not None else None
        if found is None:
            continue
        try:
            entries = list(read(found, archive.read(found, _LIMIT_BYTES)))
        except (MemberError, ValueError):
            continue
        resolved = [replace(entry, member=archive.find(entry.member) or entry.member) for entry in entries]
        if resolved:
            return resolved
    return []


def with_sections(blocks: Sequence[Block], entries: Iterable[Entry], outer_level: int) -> list[Block]:
    """The blocks of one file with the sections that begin there.

    The table of contents decides; headings of the text that are not in it become sections below those that
    are.

    Args:
        blocks: all of the file's text.
        entries: that point into the file, in order.
        outer_level: of the section that was open before the file; 0 for none.
    """
    places: dict[str, int] = {}
    for index, block in enumerate(blocks):
        for anchor in block.anchors:
            places.setdefault(anchor, index)
    starting: dict[int, list[Entry]] = {}
    for entry in entries:
        starting.setdefault(places.get(entry.anchor, 0), []).append(entry)
    result = []
    level = outer_level
    for index, block in enumerate(blocks):
        sections = [(entry.title, entry.level) for entry in starting.get(index, ())]
        if sections:
            level = sections[-1][1]
        title = one_line(block.text) if block.level is not None else ""
        if block.level is not None and len(title) <= MAX_TITLE_CHARACTERS:
            nearby = range(max(0, index - _SAME_HEADING_REACH), index + 1)
            listed = [entry.title for near in nearby for entry in starting.get(near, ())]
            if not any(_is_same(title, other) for other in listed):
                sections.append((title, level + block.level))
        result.append(replace(block, sections=tuple(sections)))
    return result


def _is_same(heading: str, title: str) -> bool:
    """Whether a heading of the text is, or is a part of, a title in the table of contents, or the other way."""
    one, other = fold_letters(heading), fold_letters(title)
    return one in other or other in one


def _nav_entries(member: str, content: bytes) -> Iterator[Entry]:
    tree = parse_xhtml(decode_markup(content))
    navs = tree.css("nav")
    listed = [nav for nav in navs if "toc" in (nav.attributes.get("epub:type") or "").split()]
    for nav in (listed or navs)[:1]:
        for node in nav.css("li > a, li > span"):
            link = node if node.tag == "a" else node.parent.css_first("a[href]") if node.parent else None
            reference = link.attributes.get("href") if link is not None else None
            title = one_line(node.text(deep=True))
            if reference and title:
                yield _entry(member, reference, title, _depth(node, nav))


def _depth(node: LexborNode, nav: LexborNode) -> int:
    """How many lists a title is inside of."""
    depth = 0
    parent = node.parent
    while parent is not None and parent.mem_id != nav.mem_id:
        depth += parent.tag == "ol"
        parent = parent.parent
    return max(1, depth)


def _ncx_entries(member: str, content: bytes) -> Iterator[Entry]:
    root = parse_xml(content)
    for point in descendants(root, "navPoint"):
        label = _child(point, "navLabel")
        target = _child(point, "content")
        title = text_of(label) if label is not None else ""
        reference = attribute(target, "src") if target is not None else None
        if reference and title:
            depth = 1 + sum(local_name(parent) == "navPoint" for parent in point.iterancestors())
            yield _entry(member, reference, title, depth)


def _child(element: Any, name: str) -> Any:
    return next((child for child in element if local_name(child) == name), None)


def _entry(base: str, reference: str, title: str, level: int) -> Entry:
    member, anchor = resolve(base, reference)
    return Entry(member, anchor, title[:MAX_TITLE_CHARACTERS], level)
