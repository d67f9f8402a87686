"""Compressed documents: read as what is inside, bounded, and nothing left behind."""

import bz2
import gzip
import lzma
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from infini_cli.documents import Page, open_document
from infini_cli.documents.extraction import ExtractionProcess
from infini_cli.errors import DocumentError
from tests.unit.documents.epub_files import chapter, write_epub
from tests.unit.documents.pdf_files import write_pages

TEXT = "# Title\n\n" + "It was a bright cold day in April, and the clocks were striking thirteen.\n\n" * 200
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files that has to be empty in the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    assert list(folder.iterdir()) == []


def pages_of(path: Path) -> tuple[str, list[Page]]:
    document = open_document(path)
    pages = list(document.pages())
    assert document.pages_total == len(pages)
    assert list(document.pages(len(pages))) == pages[-1:]
    document.close()
    return document.format, pages


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize(("name", "expected"), [("a.txt", "text"), ("a.md", "markdown"), ("a.rst", "rst")])
def test_texts_are_read_as_without_compression(tmp_path: Path, suffix: str, name: str, expected: str) -> None:
    plain, packed = tmp_path / name, tmp_path / f"{name}.{suffix}"
    plain.write_text(TEXT)
    packed.write_bytes(COMPRESS[suffix](TEXT.encode()))
    assert pages_of(packed) == pages_of(plain)
    assert pages_of(packed)[0] == expected


def test_pdf_and_epub_are_read_inside_and_names_do_not_matter(tmp_path: Path) -> None:
    for path, expected in (
        (write_pages(tmp_path / "a.pdf", ["one", "two"]), "pdf"),
        (write_epub(tmp_path / "a.epub", {"a.xhtml": chapter("<p>Text.</p>")}), "epub"),
    ):
        packed = tmp_path / "anything"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        assert pages_of(packed) == pages_of(path)
        assert pages_of(packed)[0] == expected


def test_several_streams_in_one_file_are_one_text(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    assert [page.text for page in pages_of(tmp_path / "a.gz")[1]] == ["one\ntwo\n"]


@pytest.mark.parametrize("suffix", COMPRESS)
def test_damage_is_named(tmp_path: Path, suffix: str) -> None:
    whole = COMPRESS[suffix](os.urandom(20_000).hex().encode())
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DocumentError, match="is cut off"):
        open_document(path)
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes(100) + whole[middle + 100 :])
    with pytest.raises(DocumentError, match=r"is damaged \w+ data"):
        open_document(path)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_bomb_does_not_go_off(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(COMPRESS[suffix](bytes(1_500_000)))
    monkeypatch.setattr("infini_cli.documents.compressed._SMALL_BYTES", 500_000)
    with pytest.raises(DocumentError, match="more than 200 times its size"):
        open_document(path)
    path.write_bytes(COMPRESS[suffix](os.urandom(1_100_000)))
    monkeypatch.setattr("infini_cli.documents.compressed._LIMIT_BYTES", 900_000)
    with pytest.raises(DocumentError, match="unpacks to more than"):
        open_document(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(TEXT.encode()), "is compressed more than once"),
        (b"\x7fELF\x02\x01\x01\0\0\0", "is a binary file"),
        (b"name".ljust(257, b"\0") + b"ustar" + bytes(250), "is a tar archive"),
        (b"", "is empty"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(DocumentError, match=message):
        open_document(path)


def test_a_killed_reader_leaves_nothing_behind(tmp_path: Path, temporary: Path) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(TEXT.encode() * 400))
    with ExtractionProcess(path) as extraction:
        assert next(iter(extraction)).index == 1  # leaving now kills the child
    assert list(temporary.iterdir()) == []
