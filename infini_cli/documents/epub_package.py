"""The package of an EPUB: its chapters in reading order, and where its table of contents is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infini_cli.documents.xml_parts import attribute, descendants, parse_xml, resolve
from infini_cli.documents.zip_archive import MemberError, ZipArchive
from infini_cli.errors import DocumentError

_CONTAINER = "META-INF/container.xml"
_LIMIT_BYTES = 64 << 20
_TEXT_TYPES = ("application/xhtml+xml", "text/html", "text/x-oeb1-document", "application/x-dtbook+xml")
_NCX_TYPE = "application/x-dtbncx+xml"
_MAX_FALLBACKS = 10


@dataclass(frozen=True, slots=True)
class Chapter:
    """One file of the reading order.

    Attributes:
        member: its name in the archive; as the package gives it when the archive has none such.
        is_text: False for a picture that is a page of its own.
        is_cover: the package says so.
    """

    member: str
    is_text: bool
    is_cover: bool


@dataclass(frozen=True, slots=True)
class Package:
    """What the package file says.

    Attributes:
        chapters: in reading order.
        nav: the member that holds the table of contents of EPUB 3, or None.
        ncx: that of EPUB 2, or None.
    """

    chapters: tuple[Chapter, ...]
    nav: str | None
    ncx: str | None


@dataclass(frozen=True, slots=True)
class _Item:
    member: str
    media_type: str
    properties: frozenset[str]
    fallback: str | None


def read_package(archive: ZipArchive, name: str) -> Package:
    """The package of the book in an archive.

    Raises:
        DocumentError: there is none, it is damaged, or it names no chapters.
    """
    member = _package_member(archive)
    if member is None:
        raise DocumentError(
            f"{name} is a damaged EPUB: it has no package file", hint="copy or download it again"
        )
    try:
        root = parse_xml(archive.read(member, _LIMIT_BYTES))
    except (MemberError, ValueError) as error:
        raise DocumentError(f"{name} is a damaged EPUB: {error}", hint="copy or download it again") from error
    items = dict(_items(archive, member, root))
    chapters = tuple(_chapters(root, items, _cover_members(archive, member, root)))
    if not chapters:
        raise DocumentError(f"{name} is an EPUB without chapters")
    spine = next(descendants(root, "spine"), None)
    toc = items.get(spine.get("toc") or "") if spine is not None else None
    nav = next((item.member for item in items.values() if "nav" in item.properties), None)
    ncx = toc or next((item for item in items.values() if item.media_type == _NCX_TYPE), None)
    return Package(chapters, nav, ncx.member if ncx is not None else None)


def _package_member(archive: ZipArchive) -> str | None:
    """The package file that the container names, or without one the first that looks like it."""
    container = archive.find(_CONTAINER)
    if container is not None:
        try:
            root = parse_xml(archive.read(container, _LIMIT_BYTES))
        except (MemberError, ValueError):
            root = None
        for rootfile in descendants(root, "rootfile") if root is not None else ():
            path, _ = resolve("", attribute(rootfile, "full-path") or "")
            if (found := archive.find(path)) is not None:
                return found
    return next((member for member in archive.names if member.lower().endswith(".opf")), None)


def _items(archive: ZipArchive, package: str, root: Any) -> Iterator[tuple[str, _Item]]:
    for manifest in descendants(root, "manifest"):
        for item in descendants(manifest, "item"):
            path, _ = resolve(package, item.get("href") or "")
            properties = frozenset((item.get("properties") or "").split())
            media_type = (item.get("media-type") or "").strip().lower()
            member = archive.find(path) or path
            yield item.get("id") or "", _Item(member, media_type, properties, item.get("fallback"))


def _cover_members(archive: ZipArchive, package: str, root: Any) -> set[str]:
    """The members that the guide calls covers or title pages."""
    covers = set()
    for reference in descendants(root, "reference"):
        if "cover" in (kind := (reference.get("type") or "").lower()) or kind == "title-page":
            path, _ = resolve(package, reference.get("href") or "")
            covers.add(archive.find(path) or path)
    return covers


def _chapters(root: Any, items: dict[str, _Item], covers: set[str]) -> Iterator[Chapter]:
    """The reading order; a file that stands in it twice is read once."""
    seen: set[str] = set()
    references = [ref for spine in descendants(root, "spine") for ref in descendants(spine, "itemref")]
    for reference in references:
        idref = reference.get("idref") or ""
        item = _readable(idref, items)
        member = item.member if item is not None else idref
        if member in seen:
            continue
        is_text = item is None or item.media_type in _TEXT_TYPES or not item.media_type.startswith("image/")
        yield Chapter(member, is_text, not seen or member in covers)
        seen.add(member)


def _readable(idref: str, items: dict[str, _Item]) -> _Item | None:
    """The item of the manifest, or the text that it names as a substitute for itself."""
    first = item = items.get(idref)
    for _ in range(_MAX_FALLBACKS):
        if item is None or item.media_type in _TEXT_TYPES:
            break
        item = items.get(item.fallback or "")
    return item or first
