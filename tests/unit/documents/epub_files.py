"""EPUB files for tests, small enough to follow by hand."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="OEBPS/package.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>"""
XHTML = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops">
<head><title/><style>p {{ color: red }}</style><script src="x.js"/></head><body>{}</body></html>"""
PROSE = "The heath was dark, and the carriage came late. Nobody in the house had lit a candle. "


def chapter(body: str) -> str:
    """A file of the reading order."""
    return XHTML.format(body)


def nav(entries: Sequence[tuple[str, str, int]]) -> str:
    """A table of contents of EPUB 3 from (reference, title, level)."""
    parts: list[str] = []
    depth = 0
    for reference, title, level in entries:
        while depth < level:
            parts.append("<ol><li>")
            depth += 1
        while depth > level:
            parts.append("</li></ol>")
            depth -= 1
        parts.append(f'</li><li><a href="{reference}">{title}</a>')
    return chapter(f'<nav epub:type="toc"><h1>Contents</h1>{"".join(parts)}</nav>')


def ncx(entries: Sequence[tuple[str, str, int]]) -> str:
    """A table of contents of EPUB 2 from (reference, title, level)."""
    parts: list[str] = []
    depth = 0
    for reference, title, level in entries:
        while depth >= level:
            parts.append("</navPoint>")
            depth -= 1
        parts.append(f'<navPoint><navLabel><text>{title}</text></navLabel><content src="{reference}"/>')
        depth = level
    parts.append("</navPoint>" * depth)
    return f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{"".join(parts)}</navMap></ncx>'


def write_epub(
    path: Path,
    chapters: Mapping[str, str | bytes],
    *,
    contents: Sequence[tuple[str, str, int]] = (),
    version: int = 3,
    spine: Sequence[str] | None = None,
    extra: Mapping[str, str | bytes] | None = None,
) -> Path:
    """Write a book.

    Args:
        path: the file.
        chapters: by file name; in reading order.
        contents: (reference, title, level) of the table of contents; none by default.
        version: 3 writes it as a nav document, 2 as NCX.
        spine: the reading order where it is another than that of the chapters.
        extra: members of the archive by their whole name.
    """
    files = dict(chapters)
    manifest = [
        f'<item id="i{number}" href="{name}" media-type="{_media_type(name)}"/>'
        for number, name in enumerate(files)
    ]
    ids = {name: f"i{number}" for number, name in enumerate(files)}
    toc = ""
    if contents and version == 3:
        manifest.append(
            '<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
        )
        files["nav.xhtml"] = nav(contents)
    elif contents:
        manifest.append('<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>')
        files["toc.ncx"] = ncx(contents)
        toc = ' toc="ncx"'
    order = "".join(f'<itemref idref="{ids.get(name, name)}"/>' for name in spine or list(chapters))
    package = (
        f'<package xmlns="http://www.idpf.org/2007/opf" version="{version}.0"><metadata/>'
        f"<manifest>{''.join(manifest)}</manifest><spine{toc}>{order}</spine></package>"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("OEBPS/package.opf", package)
        for name, content in files.items():
            archive.writestr(f"OEBPS/{name}", content)
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
    return path


def _media_type(name: str) -> str:
    return "image/jpeg" if name.endswith(".jpg") else "application/xhtml+xml"
