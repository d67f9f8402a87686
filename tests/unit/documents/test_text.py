"""Plain text: pages, lines, encodings, and memory that does not grow."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infini_cli.documents import Page, open_document
from infini_cli.documents.paging import split_pages
from infini_cli.errors import DocumentError

PARAGRAPH = "It was a bright cold day in April, and the clocks were striking thirteen. " * 6


def pages_of(path: Path, start: int = 1) -> list[Page]:
    document = open_document(path)
    pages = list(document.pages(start))
    document.close()
    return pages


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def whole_text(pages: list[Page]) -> str:
    return "".join(page.text for page in pages)


PIECES = st.sampled_from(
    ["word ", "\n", "\n\n", " \n\t\n", "x" * 900, PARAGRAPH, "Größe ", "名前はまだ無い。", "😀", " " * 50]
)
# form feeds near each other and far apart
STRETCHES = st.lists(PIECES, max_size=60).map("".join)
TEXTS = st.lists(STRETCHES, max_size=6).map("\f".join)


@given(text=TEXTS, size=st.integers(1, 30_000))
def test_pages_are_the_whole_text_however_it_comes_in_pieces(text: str, size: int) -> None:
    pages = list(split_pages([text]))
    assert "".join(pages) == text
    assert all(pages)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert list(split_pages(pieces)) == pages


@given(text=TEXTS)
def test_a_form_feed_only_ends_a_page(text: str) -> None:
    pages = list(split_pages([text]))
    assert all("\f" not in page.rstrip()[:-1] for page in pages[:-1])
    assert all(len(page.rstrip()) <= 16_000 for page in pages)


def test_paragraphs_stay_whole_and_pages_are_of_about_one_length(tmp_path: Path) -> None:
    text = "\n\n".join([PARAGRAPH.strip()] * 40)
    pages = pages_of(write(tmp_path / "a.txt", text))
    assert whole_text(pages) == text
    assert all(2_000 <= len(page.text) <= 4_000 for page in pages[:-1])
    assert all(page.text.endswith("thirteen.\n\n") for page in pages[:-1])


def test_without_paragraphs_a_page_ends_with_a_line_or_a_word() -> None:
    lines = list(split_pages(["a line of words\n" * 1000]))
    assert all(page.endswith("words\n") for page in lines)
    words = list(split_pages(["word " * 4000]))
    assert all(page.endswith("word ") for page in words)
    unbroken = list(split_pages(["x" * 10_000]))
    assert [len(page) for page in unbroken] == [4000, 4000, 2000]


def test_form_feeds_are_page_breaks_and_blank_pages_count(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "first\f" + PARAGRAPH * 12 + "\f  \n\flast\f\n")
    pages = pages_of(path)
    assert [page.index for page in pages] == [1, 2, 3, 4]
    assert [page.skipped for page in pages] == [None, None, "blank", None]
    assert pages[2].text == ""
    assert pages[1].text == PARAGRAPH * 12 + "\f"
    assert pages[3].text == "last\f\n"


def test_lines_are_counted_whatever_ends_them(tmp_path: Path) -> None:
    unix = "".join(f"line {number} with some words in it\n" for number in range(1, 500))
    expected = pages_of(write(tmp_path / "unix.txt", unix))
    assert len(expected) > 3
    for page in expected:
        assert page.first_line is not None
        assert page.text.startswith(f"line {page.first_line} with")
    for name, end in (("dos.txt", "\r\n"), ("mac.txt", "\r")):
        assert pages_of(write(tmp_path / name, unix.replace("\n", end))) == expected


@pytest.mark.parametrize("suffix", [".txt", ".md"])
def test_a_page_is_the_same_whatever_the_start(tmp_path: Path, suffix: str) -> None:
    text = "".join(f"# Part {number}\n\n```\n# code\n```\n\n{PARAGRAPH}\n\n" for number in range(60))
    path = write(tmp_path / f"a{suffix}", text)
    document = open_document(path)
    pages = list(document.pages())
    assert document.pages_total == len(pages) > 8
    for start in (1, 2, 7, len(pages)):
        assert list(document.pages(start)) == pages[start - 1 :]
    assert list(document.pages(len(pages) + 1)) == []
    document.close()


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
)
def test_western_text_is_read_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    text = (
        "Longtemps, je me suis couché de bonne heure. Parfois, à peine ma bougie éteinte, où ? Là-bas.\n" * 30
    )
    assert whole_text(pages_of(write(tmp_path / "a.txt", text.encode(encoding)))) == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Все счастливые семьи похожи друг на друга, каждая несчастлива по-своему.\n", "cp1251"),
        ("Все счастливые семьи похожи друг на друга, каждая несчастлива по-своему.\n", "koi8-r"),
        ("吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n", "shift_jis"),
        ("人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。\n", "gb18030"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy. Všichni lidé rodí se svobodní.\n", "cp1250"),
    ],
)
def test_other_scripts_in_old_encodings_are_recognised(tmp_path: Path, text: str, encoding: str) -> None:
    assert whole_text(pages_of(write(tmp_path / "a.txt", (text * 20).encode(encoding)))) == text * 20


def test_the_first_special_character_may_come_late(tmp_path: Path) -> None:
    text = "plain words only\n" * 40_000 + "so much for the café, the naïve résumé and the façade\n"
    pages = pages_of(write(tmp_path / "a.txt", text.encode("cp1252")))
    assert pages[-1].text.endswith("the façade\n")


def test_a_few_broken_bytes_do_not_make_utf8_something_else(tmp_path: Path) -> None:
    sound = "Größe, Straße, Übermut und Äpfel\n" * 30
    pages = pages_of(write(tmp_path / "a.log", sound.encode() + b"cut \xc3\n" + "Öl\n".encode()))
    assert whole_text(pages) == sound + "cut \ufffd\nÖl\n"


def test_characters_are_whole_across_the_pieces_of_a_file(tmp_path: Path) -> None:
    # one byte, then characters of three and four, so that pieces of a power of two end inside a character
    text = "x" + "語😀" * 100_000
    assert whole_text(pages_of(write(tmp_path / "a.txt", text))) == text


def test_a_late_nul_is_marked_and_the_rest_is_read(tmp_path: Path) -> None:
    text = "a log entry\n" * 10_000
    pages = pages_of(write(tmp_path / "a.log", text + "\0\0" + text))
    assert whole_text(pages) == text + "\ufffd\ufffd" + text


@pytest.mark.parametrize(
    "content",
    [
        bytes(range(1, 9)) * 500,
        b"\x01\x02\x03",
        b"\x01\0\x02\0\x03\0\x04\0" * 500,
        b"\xff\xfe" + b"\x00\xd8" * 1000,
    ],
)
def test_control_characters_are_no_text(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "a.txt", content)
    with pytest.raises(DocumentError, match="neither a document of a known kind nor a text"):
        open_document(path)


def test_a_text_of_white_space_is_one_blank_page(tmp_path: Path) -> None:
    pages = pages_of(write(tmp_path / "a.txt", " \n\t\n"))
    assert [(page.index, page.skipped, page.text) for page in pages] == [(1, "blank", "")]


def peak_bytes(path: Path) -> int:
    tracemalloc.start()
    document = open_document(path)
    for _ in document.pages():
        pass
    document.close()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("unit", [PARAGRAPH + "\n\n", "no space or line end in this whole file"])
def test_memory_does_not_grow_with_the_text(tmp_path: Path, unit: str) -> None:
    def stream(size_bytes: int) -> Iterator[bytes]:
        block = unit.replace(" " if "\n" not in unit else "\0", "").encode() * 100
        for _ in range(size_bytes // len(block)):
            yield block

    peaks = []
    for size_bytes in (4_000_000, 16_000_000):
        path = tmp_path / f"{size_bytes}.txt"
        with path.open("wb") as file:
            file.writelines(stream(size_bytes))
        peaks.append(peak_bytes(path))
    small, large = peaks
    assert large < 1.1 * small
    assert large < 8_000_000
