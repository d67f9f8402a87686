"""EPUB: reading order, sections, damage, DRM, and bounds."""

import zipfile
from pathlib import Path

import pytest

from infini_cli.documents import Page, open_document
from infini_cli.documents.model import BLANK, COVER, IMAGE_ONLY, NAVIGATION_ONLY
from infini_cli.errors import DocumentError
from tests.unit.documents.epub_files import PROSE, chapter, write_epub
from tests.unit.documents.peaks import read_in_process


def pages_of(path: Path) -> list[Page]:
    document = open_document(path)
    pages = list(document.pages())
    assert document.format == "epub"
    assert document.pages_total == len(pages)
    document.close()
    return pages


def sections(pages: list[Page]) -> list[tuple[int, str, int]]:
    return [(page.index, heading.title, heading.level) for page in pages for heading in page.headings]


def refusal(path: Path) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        open_document(path)
    return caught.value


def test_chapters_come_in_the_order_of_the_spine(tmp_path: Path) -> None:
    files = {name: chapter(f"<p>This is {name}.</p>") for name in ("a.xhtml", "b.xhtml", "c%20d.xhtml")}
    spine = ["b.xhtml", "c%20d.xhtml", "a.xhtml", "b.xhtml"]
    path = write_epub(tmp_path / "a.epub", files, spine=spine)
    with zipfile.ZipFile(path, "a") as archive:  # references are written with escapes, names are not
        archive.writestr("OEBPS/c d.xhtml", files["c%20d.xhtml"])
    assert [page.text for page in pages_of(path)] == [
        "This is b.xhtml.",
        "This is c%20d.xhtml.",
        "This is a.xhtml.",
    ]


@pytest.mark.parametrize("version", [2, 3])
def test_titles_of_the_table_of_contents_are_the_sections(tmp_path: Path, version: int) -> None:
    files = {
        "one.xhtml": chapter(
            f"<h1>Chapter 1</h1><h2>The Heath</h2><p>{PROSE * 10}</p>"
            f'<section id="late"><h2>A Visitor</h2><p>{PROSE * 20}</p></section><h3>Aside</h3><p>{PROSE}</p>'
        ),
        "two.xhtml": chapter(f"<p>{PROSE}</p><h4>A detail</h4><p>{PROSE}</p>"),
        "three.xhtml": chapter(f"<p>{PROSE}</p>"),
    }
    contents = [
        ("one.xhtml", "Part I", 1),
        ("one.xhtml", "Chapter 1: The Heath", 2),
        ("one.xhtml#late", "1.1 A visitor", 3),
        ("three.xhtml#not-there", "Chapter 2", 2),
    ]
    pages = pages_of(write_epub(tmp_path / "a.epub", files, contents=contents, version=version))
    assert sections(pages) == [
        (1, "Part I", 1),
        (1, "Chapter 1: The Heath", 2),
        (1, "1.1 A visitor", 3),
        (2, "Aside", 6),
        (3, "A detail", 7),
        (4, "Chapter 2", 2),
    ]
    for page in pages:
        for heading in page.headings:
            if heading.title.startswith(("1.1", "A")):
                assert (
                    page.text[heading.offset :].lower().startswith(heading.title.lower().removeprefix("1.1 "))
                )


def test_without_a_table_of_contents_headings_are_the_sections(tmp_path: Path) -> None:
    files = {
        "a.xhtml": chapter("<h1>One <b>bold</b></h1><p>x</p><h2>Two</h2><p>y</p>"),
        "b.xhtml": chapter("<p>z</p>"),
    }
    pages = pages_of(write_epub(tmp_path / "a.epub", files))
    assert sections(pages) == [(1, "One bold", 1), (1, "Two", 2)]


def test_pages_are_the_same_whatever_the_start(tmp_path: Path) -> None:
    files = {f"{n}.xhtml": chapter(f"<h1>{n}</h1>" + f"<p>{n} {PROSE * 12}</p>" * (n + 1)) for n in range(8)}
    contents = [(f"{n}.xhtml", f"Chapter {n}", 1) for n in range(0, 8, 2)]
    document = open_document(write_epub(tmp_path / "a.epub", files, contents=contents))
    pages = list(document.pages())
    assert [page.index for page in pages] == list(range(1, len(pages) + 1))
    assert document.pages_total == len(pages) > 10
    for start in range(1, len(pages) + 2):
        assert list(document.pages(start)) == pages[start - 1 :]
    document.close()


def test_pages_without_text_say_what_they_are(tmp_path: Path) -> None:
    files = {
        "cover.xhtml": chapter('<div><svg><image href="cover.jpg"/></svg></div>'),
        "contents.xhtml": chapter('<nav epub:type="toc"><ol><li><a href="a.xhtml">A</a></li></ol></nav>'),
        "blank.xhtml": chapter("<div> </div>"),
        "a.xhtml": chapter("<p>Text.</p>"),
        "map.xhtml": chapter('<img src="map.jpg" alt="Map"/>'),
        "plate.jpg": b"\xff\xd8\xff",
    }
    pages = pages_of(write_epub(tmp_path / "a.epub", files))
    assert [page.skipped for page in pages] == [COVER, NAVIGATION_ONLY, BLANK, None, IMAGE_ONLY, IMAGE_ONLY]


def test_a_damaged_chapter_costs_itself_alone(tmp_path: Path) -> None:
    files = {name: chapter(f"<p>{name} {PROSE * 40}</p>") for name in ("a.xhtml", "b.xhtml", "c.xhtml")}
    files["d.xhtml"] = "\x01\x02\x03\x04" * 500
    path = write_epub(tmp_path / "a.epub", files, spine=["a.xhtml", "b.xhtml", "gone", "d.xhtml", "c.xhtml"])
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("OEBPS/b.xhtml")
    raw = bytearray(path.read_bytes())
    raw[info.header_offset + 60 : info.header_offset + 80] = bytes(20)
    path.write_bytes(raw)
    pages = pages_of(path)
    skipped = {page.index: page.skipped for page in pages if page.skipped}
    reasons = list(skipped.values())
    assert len(reasons) == 3
    assert reasons[0].startswith("could not be read: OEBPS/b.xhtml is damaged")
    assert reasons[1] == "could not be read: gone is missing from the archive"
    assert reasons[2] == "could not be read: OEBPS/d.xhtml: it is not text"
    assert pages[0].text.startswith("a.xhtml")
    assert pages[-1].text.startswith("c.xhtml") or "c.xhtml" in pages[-2].text


def encryption(algorithm: str, uri: str) -> str:
    return (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"'
        ' xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData>'
        f'<enc:EncryptionMethod Algorithm="{algorithm}"/><enc:CipherData>'
        f'<enc:CipherReference URI="{uri}"/></enc:CipherData></enc:EncryptedData></encryption>'
    )


@pytest.mark.parametrize(
    "extra",
    [
        {
            "META-INF/encryption.xml": encryption(
                "http://www.w3.org/2001/04/xmlenc#aes128-cbc", "OEBPS/a.xhtml"
            )
        },
        {"META-INF/rights.xml": "<rights/>"},
        {"META-INF/license.lcpl": "{}"},
    ],
    ids=["encryption", "rights", "LCP"],
)
def test_drm_is_refused(tmp_path: Path, extra: dict[str, str]) -> None:
    path = write_epub(tmp_path / "a.epub", {"a.xhtml": chapter("<p>Text.</p>")}, extra=extra)
    error = refusal(path)
    assert "is protected by DRM" in error.message
    assert error.hint is not None


@pytest.mark.parametrize(
    ("algorithm", "uri"),
    [
        ("http://www.idpf.org/2008/embedding", "OEBPS/font.otf"),
        ("http://ns.adobe.com/pdf/enc#RC", "OEBPS/font.otf"),
        ("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "OEBPS/film.mp4"),
    ],
)
def test_hidden_fonts_and_films_are_no_drm(tmp_path: Path, algorithm: str, uri: str) -> None:
    extra = {"META-INF/encryption.xml": encryption(algorithm, uri)}
    path = write_epub(tmp_path / "a.epub", {"a.xhtml": chapter("<p>Text.</p>")}, extra=extra)
    assert [page.text for page in pages_of(path)] == ["Text."]


def test_xhtml_is_not_misread_as_html(tmp_path: Path) -> None:
    body = '<p id="x"/><p>One <a id="p1"/>two <![CDATA[a < b & c]]> &nbsp;three.</p><textarea/><p>Four.</p>'
    pages = pages_of(write_epub(tmp_path / "a.epub", {"a.xhtml": chapter(body)}))
    assert [page.text for page in pages] == ["One two a < b & c \u00a0three.\n\nFour."]


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "shift_jis"])
def test_chapters_are_read_in_the_encoding_they_declare(tmp_path: Path, encoding: str) -> None:
    text = "名前はまだ無い。" if encoding != "iso-8859-1" else "Größe, à peine éteinte"
    source = chapter(f"<p>{text}</p>").replace('encoding="utf-8"', f'encoding="{encoding}"')
    pages = pages_of(write_epub(tmp_path / "a.epub", {"a.xhtml": source.encode(encoding)}))
    assert [page.text for page in pages] == [text]


def test_damaged_packages_are_explained(tmp_path: Path) -> None:
    path = write_epub(tmp_path / "a.epub", {"a.xhtml": chapter("<p>Text.</p>")})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "is a damaged ZIP archive" in refusal(path).message
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
    assert "has no package file" in refusal(path).message
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("book.opf", "<package/>")
    assert refusal(path).message.endswith("is an EPUB without chapters")


def test_entities_that_multiply_are_harmless(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(12))
    bomb = f'<!DOCTYPE ncx [<!ENTITY e0 "ha">{entities}]>'
    path = write_epub(
        tmp_path / "a.epub",
        {"a.xhtml": chapter("<p>Text.</p>")},
        contents=[("a.xhtml", "&e12;", 1)],
        version=2,
    )
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["OEBPS/toc.ncx"] = bomb.encode() + members["OEBPS/toc.ncx"]
    members["OEBPS/package.opf"] = bomb.replace("ncx [", "package [").encode() + members["OEBPS/package.opf"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert [page.text for page in pages_of(path)] == ["Text."]


def test_memory_holds_one_chapter_at_a_time(tmp_path: Path) -> None:
    measured = []
    for chapters in (5, 100):
        files = {f"{n}.xhtml": chapter(f"<p>{n} {PROSE * 20}</p>" * 20) for n in range(chapters)}
        measured.append(read_in_process(write_epub(tmp_path / f"{chapters}.epub", files)))
    (few, small), (many, large) = measured
    assert many > 15 * few > 2_000_000
    assert large < small + 3_000
