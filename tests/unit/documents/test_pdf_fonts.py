"""Fonts: words stay apart, and a font is parsed once for its document."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pypdf.generic._font as pypdf_font
import pytest
from pypdf import PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject

from infini_cli.documents import PdfOptions, open_document
from tests.unit.documents.pdf_files import name, stream, write


def write_with_font(path: Path, contents: Sequence[bytes], differences: Sequence[str] = ()) -> Path:
    """Pages that share one font as TeX embeds it: the glyph with the code of the space is a wide one."""
    writer = PdfWriter()
    encoding = DictionaryObject(
        {
            name("Type"): name("Encoding"),
            name("Differences"): ArrayObject([NumberObject(65), *map(NameObject, differences)]),
        }
    )
    font = DictionaryObject(
        {
            name("Type"): name("Font"),
            name("Subtype"): name("Type1"),
            name("BaseFont"): name("ABCDEF+TeX"),
            name("FirstChar"): NumberObject(32),
            name("LastChar"): NumberObject(126),
            name("Widths"): ArrayObject([NumberObject(600)] + [NumberObject(500)] * 94),
            name("Encoding"): encoding,
        }
    )
    fonts = DictionaryObject({name("F1"): writer._add_object(font)})
    for content in contents:
        page = writer.add_blank_page(width=420, height=595)
        page[name("Resources")] = DictionaryObject({name("Font"): fonts})
        page[name("Contents")] = writer._add_object(stream(content))
    return write(writer, path)


def texts(path: Path) -> list[str]:
    with closing(open_document(path, pdf=PdfOptions(("pypdf",)))) as document:
        return [page.text.strip() for page in document.pages()]


@pytest.mark.parametrize(
    ("gaps", "text"),
    [
        (b"[(two)-333(words)]", "two words"),
        (b"[(set)-222(tightly)]", "set tightly"),
        (b"[(k)28(er)-28(ned)-80(,)]", "kerned,"),
    ],
)
def test_words_are_told_apart_by_their_gaps(tmp_path: Path, gaps: bytes, text: str) -> None:
    path = write_with_font(tmp_path / "a.pdf", [b"BT /F1 10 Tf 40 540 Td " + gaps + b" TJ ET"])
    assert texts(path) == [text]


def test_a_font_is_parsed_once_for_all_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_with_font(tmp_path / "a.pdf", [b"BT /F1 10 Tf 40 540 Td (words) Tj ET"] * 5)
    parsed = []
    get_encoding = pypdf_font.get_encoding
    monkeypatch.setattr(
        pypdf_font, "get_encoding", lambda resource: parsed.append(resource) or get_encoding(resource)
    )
    assert texts(path) == ["words"] * 5
    assert len(parsed) == 1


def test_fonts_of_two_documents_are_not_mixed_up(tmp_path: Path) -> None:
    content = [b"BT /F1 10 Tf 40 540 Td (ABA) Tj ET"] * 2
    first = write_with_font(tmp_path / "a.pdf", content)
    second = write_with_font(tmp_path / "b.pdf", content, differences=["/x", "/y"])
    with closing(open_document(first)) as one, closing(open_document(second)) as two:
        pairs = zip(one.pages(), two.pages(), strict=True)
        assert [(a.text.strip(), b.text.strip()) for a, b in pairs] == [("ABA", "xyx")] * 2


def test_glyphs_without_characters_are_not_read_as_their_names(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    write_with_font(
        path, [b"BT /F1 10 Tf 40 540 Td (AB C) Tj ET"], differences=["/noteheads.s2", "/x", "/clefs.F"]
    )
    assert texts(path) == ["Ax C"]
