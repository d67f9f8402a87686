"""PDF: pages, labels, outlines, and what is wrong with some of them."""

import logging
import sys
import time
from pathlib import Path
from typing import Literal

import pypdf
import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NumberObject

from infini_cli.documents import Heading, Page, PdfOptions, open_document
from infini_cli.documents.model import BLANK, DRAWING_ONLY, IMAGE_ONLY, LOST
from infini_cli.documents.pdf import PdfDocument
from infini_cli.documents.pdf_options import installed_parsers
from infini_cli.documents.pdf_pypdf import PypdfParser
from infini_cli.documents.pdf_text import clean_text
from infini_cli.errors import DocumentError, LockedError
from tests.unit.documents.pdf_files import (
    NOVEL,
    add_image_page,
    add_page,
    lose_page,
    name,
    stream,
    text_operators,
    write,
    write_pages,
)

EACH = pytest.mark.parametrize("parsers", [("pypdf",), ("pdfium",), ("pdfium", "pypdf")], ids="+".join)


def pages_of(
    path: Path, start: int = 1, parsers: tuple[str, ...] = (), password: str | None = None
) -> list[Page]:
    document = open_document(path, pdf=PdfOptions(parsers, password))
    try:
        return list(document.pages(start))
    finally:
        document.close()


def refusal(path: Path, options: PdfOptions | None = None) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        open_document(path, pdf=options)
    return caught.value


@EACH
def test_pages_come_in_order_from_any_start(tmp_path: Path, parsers: tuple[str, ...]) -> None:
    path = write_pages(tmp_path / "a.pdf", [f"This is page {number}." for number in range(1, 8)])
    pages = pages_of(path, parsers=parsers)
    assert [page.text.strip() for page in pages] == [f"This is page {number}." for number in range(1, 8)]
    assert [page.index for page in pages] == list(range(1, 8))
    assert {(page.label, page.first_line, page.skipped) for page in pages} == {(None, None, None)}
    assert pages_of(path, 5, parsers) == pages[4:]
    assert pages_of(path, 8, parsers) == []


@EACH
def test_labels_are_the_printed_numbers(tmp_path: Path, parsers: tuple[str, ...]) -> None:
    writer = PdfWriter()
    for number in range(6):
        add_page(writer, text_operators(f"page {number}"))
    writer.set_page_label(page_index_from=0, page_index_to=2, style="/r")
    writer.set_page_label(page_index_from=3, page_index_to=4, style="/D", prefix="A-", start=8)
    numbers = writer.root_object["/PageLabels"]["/Nums"]
    numbers[-1] = DictionaryObject()  # from here on, pages have no number
    pages = pages_of(write(writer, tmp_path / "a.pdf"), parsers=parsers)
    assert [page.label for page in pages] == ["i", "ii", "iii", "A-8", "A-9", None]


@EACH
def test_outline_titles_are_sections_with_their_place_and_level(
    tmp_path: Path, parsers: tuple[str, ...]
) -> None:
    writer = PdfWriter()
    add_page(writer, text_operators("A running header\nOne\nwords of one"))
    add_page(writer, text_operators("more words\n1.1 The Inner\nPart\nwords"))
    add_page(writer, text_operators("no such title here"))
    first = writer.add_outline_item(title="One", page_number=0)
    writer.add_outline_item(title="1.1 The inner part", page_number=1, parent=first)
    writer.add_outline_item(title="Two", page_number=2)
    pages = pages_of(write(writer, tmp_path / "a.pdf"), parsers=parsers)
    assert [page.headings for page in pages] == [
        (Heading(pages[0].text.index("One"), "One", 1),),
        (Heading(pages[1].text.index("1.1"), "1.1 The inner part", 2),),
        (Heading(0, "Two", 1),),
    ]


@EACH
def test_a_damaged_outline_or_label_tree_costs_no_page(tmp_path: Path, parsers: tuple[str, ...]) -> None:
    path = write_pages(tmp_path / "a.pdf", ["one", "two"], outline=[("One", 0), ("Two", 1)])
    with PdfReader(path) as reader:
        writer = PdfWriter(clone_from=reader)
    outline = writer.root_object["/Outlines"]
    assert isinstance(outline, DictionaryObject)
    outline["/First"].get_object()[name("Next")] = outline.raw_get("/First")
    writer.root_object[name("PageLabels")] = ArrayObject()
    write(writer, path)
    assert [page.text.strip() for page in pages_of(path, parsers=parsers)] == ["one", "two"]


@EACH
def test_pages_without_text_say_why(tmp_path: Path, parsers: tuple[str, ...]) -> None:
    writer = PdfWriter()
    writer.add_blank_page(width=420, height=595)
    add_page(writer, b"q Q")
    add_image_page(writer)
    add_page(writer, b"BI /W 1 /H 1 /BPC 8 /CS /G ID x EI")
    add_page(writer, b"10 10 m 90 90 l S")
    add_page(writer, text_operators("  "))
    entries = {"Width": NumberObject(1), "Height": NumberObject(1), "BitsPerComponent": NumberObject(8)}
    pixel = stream(b"\0", Subtype=name("Image"), ColorSpace=name("DeviceGray"), **entries)
    image = DictionaryObject({name("Inner"): writer._add_object(pixel)})
    resources = DictionaryObject({name("XObject"): image})
    box = ArrayObject(NumberObject(number) for number in (0, 0, 100, 100))
    form = stream(b"/Inner Do", Subtype=name("Form"), Resources=resources, BBox=box)
    add_page(writer, b"/Outer Do", XObject=DictionaryObject({name("Outer"): writer._add_object(form)}))
    writer.add_outline_item(title="A scan", page_number=2)
    pages = pages_of(write(writer, tmp_path / "a.pdf"), parsers=parsers)
    assert [page.skipped for page in pages] == [
        BLANK,
        BLANK,
        IMAGE_ONLY,
        IMAGE_ONLY,
        DRAWING_ONLY,
        BLANK,
        IMAGE_ONLY,
    ]
    assert {page.text for page in pages} == {""}
    assert pages[2].headings == (Heading(0, "A scan", 1),)


@pytest.mark.parametrize("error", [ValueError("bad\nthing"), KeyError("/F"), RecursionError(), MemoryError()])
def test_a_page_that_fails_is_skipped_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = write_pages(tmp_path / "a.pdf", ["one", "two", "three"], outline=[("Two", 1)])
    extract_text = pypdf.PageObject.extract_text

    def fail_on_second(page: pypdf.PageObject) -> str:
        if page.page_number == 1:
            raise error
        return extract_text(page)

    monkeypatch.setattr(pypdf.PageObject, "extract_text", fail_on_second)
    one, two, three = pages_of(path, parsers=("pypdf",))
    assert (one.text.strip(), two.text, three.text.strip()) == ("one", "", "three")
    assert two.skipped is not None
    assert two.skipped.startswith(f"could not be read: {type(error).__name__}")
    assert "\n" not in two.skipped
    assert two.headings == (Heading(0, "Two", 1),)
    assert [page.text.strip() for page in pages_of(path, parsers=("pypdf", "pdfium"))] == [
        "one",
        "two",
        "three",
    ]


def test_a_content_stream_out_of_all_proportion_costs_its_page(tmp_path: Path) -> None:
    writer = PdfWriter()
    add_page(writer, text_operators("before"))
    bomb = stream(b"(a) Tj " * 12_000_000).flate_encode(9)
    page = writer.add_blank_page(width=420, height=595)
    page[name("Resources")] = writer.pages[0]["/Resources"]
    page[name("Contents")] = writer._add_object(bomb)
    add_page(writer, text_operators("after"))
    path = write(writer, tmp_path / "a.pdf")
    assert path.stat().st_size < 200_000
    before, bombed, after = pages_of(path)
    assert (before.text.strip(), bombed.text, after.text.strip()) == ("before", "", "after")
    assert bombed.skipped is not None
    assert "Limit" in bombed.skipped or "limit" in bombed.skipped


@pytest.mark.parametrize("parsers", [("pypdf",), ("pdfium", "pypdf"), ("pypdf", "pdfium")])
def test_an_unreadable_content_stream_does_not_end_the_document(
    tmp_path: Path, parsers: tuple[str, ...]
) -> None:
    writer = PdfWriter()
    add_page(writer, text_operators("before"))
    page = writer.add_blank_page(width=420, height=595)
    page[name("Resources")] = writer.pages[0]["/Resources"]
    page[name("Contents")] = writer._add_object(stream(b"no deflate stream", Filter=name("FlateDecode")))
    add_page(writer, text_operators("after"))
    before, broken, after = pages_of(write(writer, tmp_path / "a.pdf"), parsers=parsers)
    assert (before.text.strip(), broken.text, after.text.strip()) == ("before", "", "after")
    assert broken.skipped is not None
    assert broken.skipped.startswith("could not be read")


@EACH
@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_a_password_opens_an_encrypted_file(
    tmp_path: Path, parsers: tuple[str, ...], algorithm: Literal["RC4-128", "AES-128", "AES-256"]
) -> None:
    path = write_pages(tmp_path / "a.pdf", ["secret"], password="päss", algorithm=algorithm)
    [page] = pages_of(path, parsers=parsers, password="päss")
    assert page.text.strip() == "secret"
    missing, wrong = refusal(path, PdfOptions(parsers)), refusal(path, PdfOptions(parsers, "pass"))
    assert isinstance(missing, LockedError)
    assert isinstance(wrong, LockedError)
    assert "is encrypted with a password" in missing.message
    assert "does not open" in wrong.message
    for error in (missing, wrong):
        assert error.hint is not None
        assert "--password-file" in error.hint
        assert "INFINI_PASSWORD" in error.hint


def test_a_password_is_not_shown_by_accident() -> None:
    assert "secret" not in repr(PdfOptions(("pypdf",), "secret"))


@EACH
@pytest.mark.parametrize("password", [None, "of another file"])
def test_the_empty_user_password_is_tried(
    tmp_path: Path, parsers: tuple[str, ...], password: str | None
) -> None:
    writer = PdfWriter()
    add_page(writer, text_operators("anybody may read this"))
    writer.encrypt(user_password="", owner_password="owner", algorithm="AES-256")
    [page] = pages_of(write(writer, tmp_path / "a.pdf"), parsers=parsers, password=password)
    assert page.text.strip() == "anybody may read this"


@pytest.mark.parametrize("share", [0.001, 0.3, 0.7, 0.99])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    content = NOVEL.read_bytes()
    path = tmp_path / "cut.pdf"
    path.write_bytes(content[: int(len(content) * share)])
    error = refusal(path)
    assert "is cut off" in error.message
    assert error.hint == "copy or download it again"


def test_a_file_damaged_beyond_repair_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.pdf"
    path.write_bytes(b"%PDF-1.7\n" + b"nothing of a PDF\n" * 50 + b"startxref\n9\n%%EOF\n")
    error = refusal(path)
    assert "is a damaged PDF" in error.message
    assert error.hint == f"try to repair it: qpdf {path} repaired.pdf"
    PdfWriter().write(tmp_path / "none.pdf")
    assert "without pages" in refusal(tmp_path / "none.pdf").message


def test_pages_lost_by_damage_are_accounted_for(tmp_path: Path) -> None:
    path = write_pages(tmp_path / "a.pdf", ["one", "two", "three"])
    lose_page(path, 1)
    document = PdfDocument(path, "a.pdf")
    assert document.pages_total == 3
    assert document.parsers == ("pypdf",)
    assert [(page.text.strip(), page.skipped) for page in document.pages()] == [
        ("one", None),
        ("three", None),
        ("", LOST),
    ]
    document.close()


@pytest.mark.parametrize("announced", [1, 9])
def test_a_wrong_number_of_pages_in_a_sound_file_is_ignored(tmp_path: Path, announced: int) -> None:
    path = write_pages(tmp_path / "a.pdf", ["one", "two"])
    path.write_bytes(path.read_bytes().replace(b"/Count 2", b"/Count %d" % announced))
    assert [page.text.strip() for page in pages_of(path)] == ["one", "two"]


def test_what_one_parser_cannot_open_another_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_pages(tmp_path / "a.pdf", ["one", "two"], outline=[("Two", 1)])

    def fail(*arguments: object) -> None:
        raise ValueError("cannot open this")

    for parser, other in (("Pdfium", "pypdf"), ("Pypdf", "pdfium")):
        with monkeypatch.context() as patch:
            patch.setattr(f"infini_cli.documents.pdf_{parser.lower()}.{parser}Parser.__init__", fail)
            document = PdfDocument(path, "a.pdf")
            assert document.parsers == (other,)
            assert [page.text.strip() for page in document.pages()] == ["one", "two"]
            document.close()


def test_without_pdfium_pypdf_reads_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    path = write_pages(tmp_path / "a.pdf", ["one", "two"])
    assert installed_parsers() == ("pypdf",)
    assert [page.text.strip() for page in pages_of(path)] == ["one", "two"]


@pytest.mark.parametrize(
    ("extracted", "cleaned"),
    [
        ("a\ud83d\ude00b", "a😀b"),
        ("lone \ud83d half", "lone \ufffd half"),
        ("nul\0 and \x01\x07\x7fbell", "nul and bell"),
        ("eﬃcient ﬂow, ﬁne oﬀer", "efficient flow, fine offer"),
        ("one\r\ntwo\rthree\ffour\ttab", "one\ntwo\nthree\nfour\ttab"),
        ("Größe 名前", "Größe 名前"),
    ],
)
def test_text_is_fit_for_every_later_step(extracted: str, cleaned: str) -> None:
    assert clean_text(extracted) == cleaned
    assert cleaned.encode("utf-8")


def test_the_parser_is_silent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"junk before\n" + write_pages(path, ["one"]).read_bytes())
    with caplog.at_level(logging.DEBUG):
        assert [len(pages_of(path, parsers=(parser,))) for parser in ("pypdf", "pdfium")] == [1, 1]
    assert caplog.records == []


def test_what_pages_leave_behind_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infini_cli.documents.pdf_pypdf._MAX_CACHED_BYTES", 3_000_000)
    writer = PdfWriter()
    for _ in range(12):
        add_image_page(writer, b"\0" * 1_000_000)
    parser = PypdfParser(write(writer, tmp_path / "a.pdf"), None)
    kept = []
    for index in range(12):
        assert parser.extract(index) == ("", IMAGE_ONLY)
        streams = parser._reader.resolved_objects.values()
        kept.append(sum(len(item._data) for item in streams if hasattr(item, "_data")))
    parser.close()
    assert max(kept) < 5_000_000


@pytest.mark.slow
def test_opening_ten_thousand_pages_takes_time_in_proportion(tmp_path: Path) -> None:
    seconds = []
    for count in (2_500, 10_000):
        titles = [(f"Part {number}", number) for number in range(count)]
        path = write_pages(tmp_path / f"{count}.pdf", (f"page {number}" for number in range(count)), titles)
        began = time.process_time()
        document = open_document(path)
        page = next(document.pages(count - 1000))
        seconds.append(time.process_time() - began)
        assert page.index == count - 1000
        assert page.text.strip() == f"page {count - 1001}"
        document.close()
    small, large = seconds
    assert large < 8 * small
    assert large < 20


@EACH
def test_text_that_runs_over_the_edge_of_the_paper_is_read(tmp_path: Path, parsers: tuple[str, ...]) -> None:
    path = write_pages(tmp_path / "a.pdf", ["a line " * 20 + "to its end" + "\n" * 60 + "below"])
    [page] = pages_of(path, parsers=parsers)
    assert page.text.split()[-4:] == ["to", "its", "end", "below"]


@EACH
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("matrix", ["1 0 0 1 40 500", "0 1 -1 0 100 100"], ids=["upright", "sideways"])
def test_lines_of_a_turned_page_come_in_order(
    tmp_path: Path, parsers: tuple[str, ...], turn: int, matrix: str
) -> None:
    writer = PdfWriter()
    add_page(writer, f"BT /F1 10 Tf {matrix} Tm 12 TL (first line) Tj T* (second line) Tj ET".encode())
    writer.pages[0][name("Rotate")] = NumberObject(turn)
    [page] = pages_of(write(writer, tmp_path / "a.pdf"), parsers=parsers)
    assert page.text.split() == ["first", "line", "second", "line"]


@EACH
def test_columns_are_read_one_after_the_other(tmp_path: Path, parsers: tuple[str, ...]) -> None:
    columns = ((40, ("left one", "left two")), (230, ("right one", "right two")))
    lines = [
        f"BT /F1 10 Tf {x} {540 - 14 * row} Td ({line}) Tj ET"
        for x, column in columns
        for row, line in enumerate(column)
    ]
    writer = PdfWriter()
    add_page(writer, " ".join(lines).encode())
    [page] = pages_of(write(writer, tmp_path / "a.pdf"), parsers=parsers)
    assert page.text.strip().split("\n") == ["left one", "left two", "right one", "right two"]


@EACH
def test_right_to_left_text_is_in_the_order_of_reading(tmp_path: Path, parsers: tuple[str, ...]) -> None:
    letters = {"A": "א", "B": "ב", "C": "ג", "D": "ד", "E": "ה", "F": "ו", " ": " "}
    characters = " ".join(f"<{ord(code):02x}> <{ord(letter):04x}>" for code, letter in letters.items())
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def "
        "1 begincodespacerange <00> <ff> endcodespacerange "
        f"{len(letters)} beginbfchar {characters} endbfchar endcmap end end"
    )
    writer = PdfWriter()
    # as it stands on the paper, from left to right
    add_page(writer, b"BT /F1 10 Tf 40 540 Td (CBA FED) Tj ET")
    font = writer.pages[0]["/Resources"]["/Font"]["/F1"]
    font[name("ToUnicode")] = writer._add_object(stream(cmap.encode()))
    [page] = pages_of(write(writer, tmp_path / "a.pdf"), parsers=parsers)
    assert page.text.strip() == "דהו אבג"
