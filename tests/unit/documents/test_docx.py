"""DOCX: structure, lists, notes and tables; what is deleted or hidden; damage; memory that stays flat."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from infini_cli.documents import Page, open_document
from infini_cli.documents.docx import COMMENTS, PAGE_FURNITURE
from infini_cli.documents.docx_blocks import CONTENTS, DELETED, HIDDEN
from infini_cli.documents.docx_parts import read_numbering
from infini_cli.errors import DocumentError
from tests.unit.documents.peaks import read_in_process

PROSE = "The heath was dark, and the carriage came late. Nobody in the house had lit a candle. "
W = nsdecls("w")
MORE = (
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    ' xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
)


def pages_of(path: Path) -> list[Page]:
    document = open_document(path)
    pages = list(document.pages())
    assert document.format == "docx"
    assert document.pages_total == len(pages)
    for start in (2, len(pages)):
        assert list(document.pages(start)) == pages[start - 1 :]
    document.close()
    return pages


def text_of(tmp_path: Path, build: Callable[[docx.document.Document], None]) -> str:
    document = docx.Document()
    build(document)
    document.save(str(tmp_path / "a.docx"))
    return "\n\n".join(page.text for page in pages_of(tmp_path / "a.docx"))


def with_xml(tmp_path: Path, body: str, **parts: str) -> Path:
    """A document of a body in WordprocessingML, and other parts by their kind."""
    path = tmp_path / "a.docx"
    document = docx.Document()
    element = document.element.body
    for child in parse_xml(f"<w:body {W} {MORE}>{body}</w:body>"):
        element.insert(len(element) - 1, child)
    document.save(str(path))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name).decode("latin-1") for name in archive.namelist()}
    relations = "".join(
        f'<Relationship Id="x{kind}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}"'
        f' Target="{kind}.xml"/>'
        for kind in parts
    )
    rels = "word/_rels/document.xml.rels"
    members[rels] = members[rels].replace("</Relationships>", f"{relations}</Relationships>")
    members.update({f"word/{kind}.xml": content for kind, content in parts.items()})
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content.encode("latin-1"))
    return path


def test_headings_are_sections_with_their_text(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("The Treatise", 0)
    for number in range(4):
        document.add_heading(f"Part {number}", 1)
        document.add_heading("Details", 2)
        for _ in range(5):
            document.add_paragraph(PROSE * 4)
    custom = document.styles.add_style("My Heading", WD_STYLE_TYPE.PARAGRAPH)
    custom.base_style = document.styles["Heading 3"]
    document.add_paragraph("Below", style=custom)
    document.add_paragraph("End.")
    document.save(str(tmp_path / "a.docx"))
    pages = pages_of(tmp_path / "a.docx")
    assert len(pages) > 2
    found = [(heading.title, heading.level) for page in pages for heading in page.headings]
    parts = [pair for n in range(4) for pair in ((f"Part {n}", 1), ("Details", 2))]
    assert found == [("The Treatise", 1), *parts, ("Below", 3)]
    for page in pages:
        for heading in page.headings:
            assert page.text.startswith(heading.title, heading.offset)
    texts = [paragraph.text.strip() for paragraph in docx.Document(str(tmp_path / "a.docx")).paragraphs]
    assert "\n\n".join(page.text for page in pages) == "\n\n".join(texts)


def test_lists_keep_their_marks(tmp_path: Path) -> None:
    def build(document: docx.document.Document) -> None:
        document.add_paragraph("Before:")
        for text, style in [("a", "List Bullet"), ("b", "List Bullet"), ("c", "List Bullet 2")]:
            document.add_paragraph(text, style=style)
        document.add_paragraph("Between.")
        document.add_paragraph("one", style="List Number")
        document.add_paragraph("two", style="List Number")

    assert text_of(tmp_path, build) == "Before:\n\n- a\n- b\n- c\n\nBetween.\n\n1. one\n2. two"


def test_numbers_of_nested_lists_and_headings_are_written_out(tmp_path: Path) -> None:
    levels = "".join(
        f'<w:lvl w:ilvl="{n}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/></w:lvl>'
        for n, (form, text) in enumerate([("decimal", "%1."), ("decimal", "%1.%2"), ("lowerRoman", "(%3)")])
    )
    numbering = (
        f'<w:numbering {W}><w:abstractNum w:abstractNumId="0">{levels}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>'
    )

    def item(text: str, level: int, style: str = "") -> str:
        place = f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="1"/></w:numPr>'
        return f"<w:p><w:pPr>{style}{place}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"

    heading = '<w:pStyle w:val="Heading1"/>'
    body = (
        item("First", 0, heading)
        + item("x", 1)
        + item("y", 2)
        + item("z", 2)
        + item("Second", 0, heading)
        + item("u", 1)
    )
    path = with_xml(tmp_path, body)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["word/numbering.xml"] = numbering.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    (page,) = pages_of(path)
    assert page.text == "1. First\n\n  1.1 x\n    (i) y\n    (ii) z\n\n2. Second\n\n  2.1 u"
    assert [heading.title for heading in page.headings] == ["1. First", "2. Second"]


def test_tables_are_read_row_by_row(tmp_path: Path) -> None:
    def build(document: docx.document.Document) -> None:
        table = document.add_table(rows=2, cols=2)
        for number, cell in enumerate(cell for row in table.rows for cell in row.cells):
            cell.text = f"cell\n{number}"
        inner = table.rows[1].cells[1].add_table(1, 2)
        inner.rows[0].cells[0].text, inner.rows[0].cells[1].text = "in", "side"
        document.add_paragraph("Between.")
        frame = document.add_table(rows=1, cols=1).rows[0].cells[0]
        frame.text = "A framed paragraph."
        frame.add_paragraph("Another.")

    assert text_of(tmp_path, build) == (
        "| cell 0 | cell 1 |\n| cell 2 | cell 3 in side |\n\nBetween.\n\nA framed paragraph.\n\nAnother."
    )


def test_notes_follow_the_paragraph_that_mentions_them(tmp_path: Path) -> None:
    def notes(kind: str) -> str:
        separator = f'<w:{kind} w:id="-1" w:type="separator"><w:p><w:r><w:separator/></w:r></w:p></w:{kind}>'
        note = f'<w:{kind} w:id="2"><w:p><w:r><w:t>See the {kind}.</w:t></w:r></w:p></w:{kind}>'
        return f"<w:{kind}s {W}>{separator}{note}</w:{kind}s>"

    body = (
        '<w:p><w:r><w:t>Word</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r><w:r><w:t xml:space="preserve"> and'
        ' other</w:t></w:r><w:r><w:endnoteReference w:id="2"/></w:r></w:p><w:p><w:r><w:t>Next.</w:t></w:r></w:p>'
    )
    path = with_xml(tmp_path, body, footnotes=notes("footnote"), endnotes=notes("endnote"))
    (page,) = pages_of(path)
    assert page.text == "Word[1] and other[n1]\n[1] See the footnote.\n[n1] See the endnote.\n\nNext."


def test_deleted_hidden_and_listed_text_is_left_out_and_counted(tmp_path: Path) -> None:
    styles = "<w:pPr><w:pStyle w:val='TOC1'/></w:pPr>"
    body = (
        f"<w:p>{styles}<w:r><w:t>Contents 1</w:t></w:r></w:p>"
        "<w:p><w:r><w:t>Kept </w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r>"
        '<w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t> shown</w:t></w:r></w:p>'
    )
    comments = f"<w:comments {W}><w:comment><w:p><w:r><w:t>Why?</w:t></w:r></w:p></w:comment></w:comments>"
    path = with_xml(
        tmp_path, body, comments=comments, header=f"<w:hdr {W}><w:p><w:r><w:t>Draft</w:t></w:r></w:p></w:hdr>"
    )
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    toc = b'<w:style w:type="paragraph" w:styleId="TOC1"><w:name w:val="toc 1"/></w:style></w:styles>'
    members["word/styles.xml"] = members["word/styles.xml"].replace(b"</w:styles>", toc)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    (page,) = pages_of(path)
    assert page.text == "Kept new shown"
    assert dict(page.dropped) == {CONTENTS: 10, DELETED: 4, HIDDEN: 6, PAGE_FURNITURE: 5, COMMENTS: 4}


def test_text_boxes_links_and_signs(tmp_path: Path) -> None:
    box = "<w:txbxContent><w:p><w:r><w:t>Boxed.</w:t></w:r></w:p></w:txbxContent>"
    body = (
        "<w:p><w:hyperlink><w:r><w:t>A link</w:t></w:r></w:hyperlink><w:r><w:tab/><w:t>co</w:t><w:noBreakHyphen/>"
        "<w:t>op</w:t><w:br/><w:t>line</w:t></w:r><w:r><mc:AlternateContent><mc:Choice Requires='wps'><wps:txbx>"
        f"{box}</wps:txbx></mc:Choice><mc:Fallback><w:pict>{box}</w:pict></mc:Fallback></mc:AlternateContent></w:r>"
        "<w:sdt><w:sdtContent><w:r><w:t> field</w:t></w:r></w:sdtContent></w:sdt></w:p>"
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>Controlled.</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    )
    (page,) = pages_of(with_xml(tmp_path, body))
    assert page.text == "A link co-op\nline field\n\nBoxed.\n\nControlled."


def replace_body(path: Path, change: Callable[[bytes], bytes]) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["word/document.xml"] = change(members["word/document.xml"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_what_comes_before_damage_is_read_and_the_rest_named(tmp_path: Path) -> None:
    path = with_xml(tmp_path, "".join(f"<w:p><w:r><w:t>{n} {PROSE * 8}</w:t></w:r></w:p>" for n in range(20)))
    replace_body(path, lambda body: body[: len(body) // 2])
    pages = pages_of(path)
    assert len(pages) > 2
    assert pages[0].text.startswith("0 The heath")
    assert [page.skipped is None for page in pages] == [True] * (len(pages) - 1) + [False]
    assert (pages[-1].skipped or "").startswith(
        "the rest could not be read: word/document.xml is not sound XML"
    )


def test_entities_that_multiply_are_harmless(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(12))
    path = with_xml(tmp_path, "<w:p><w:r><w:t>Before ENTITY after.</w:t></w:r></w:p>")
    bomb = f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]>'.encode()
    declaration = b"standalone='yes'?>\n"

    def plant(body: bytes) -> bytes:
        head, mark, rest = body.partition(declaration)
        assert mark
        return head + mark + bomb + rest.replace(b"ENTITY", b"&e12;")

    replace_body(path, plant)
    text = "".join(page.text for page in pages_of(path))
    assert len(text) < 100


def test_a_document_without_its_body_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        archive.writestr("word/styles.xml", "<x/>")
    with pytest.raises(DocumentError, match="its text is missing"):
        open_document(tmp_path / "a.docx")


def test_an_empty_document_is_blank(tmp_path: Path) -> None:
    docx.Document().save(str(tmp_path / "a.docx"))
    assert [page.skipped for page in pages_of(tmp_path / "a.docx")] == ["blank"]


def test_memory_does_not_grow_with_the_document(tmp_path: Path) -> None:
    paragraph = f"<w:p><w:r><w:t>{PROSE * 6}</w:t></w:r></w:p>"
    row = "<w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr>"
    measured = []
    for size in (200, 6_000):
        path = with_xml(tmp_path, "<w:p/>")
        body = (paragraph * size + f"<w:tbl>{row * size}</w:tbl>").encode()
        replace_body(path, lambda whole, body=body: whole.replace(b"<w:p/>", body))
        measured.append(read_in_process(path))
    (few, small), (many, large) = measured
    assert many > 20 * few > 2_000_000
    assert large < small + 3_000


def test_a_list_level_that_is_no_number_is_the_outermost() -> None:
    level = '<w:lvl w:ilvl="0idref"><w:numFmt w:val="upperRoman"/></w:lvl>'
    root = parse_xml(f'<w:numbering {nsdecls("w")}><w:num w:numId="1">{level}</w:num></w:numbering>')
    assert read_numbering(root).levels["1"][0].form == "upperRoman"
