"""Folders and patterns: which files they stand for, in which order, and what is said of the others."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infini_cli.documents.shelves import (
    HIDDEN,
    LINKED_FOLDER,
    NO_FILE,
    SYSTEM_FILE,
    Skipped,
    expand,
    is_pattern,
    natural_key,
)
from infini_cli.errors import DocumentError
from tests.unit.documents.epub_files import chapter, write_epub


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(f"The text of {name}.")


def test_numbers_in_names_count() -> None:
    names = ["b", "a 10", "A 9", "a", "a 2.txt", "a 2", "a/1", "a 02"]
    assert sorted(names, key=natural_key) == ["a", "a/1", "a 02", "a 2", "a 2.txt", "A 9", "a 10", "b"]


@given(st.lists(st.text(max_size=20), min_size=2, max_size=2))
def test_every_two_names_have_an_order(names: list[str]) -> None:
    first, second = (natural_key(name) for name in names)
    assert (first == second) == (names[0] == names[1])
    assert (first < second) != (second <= first)


def test_a_folder_is_all_documents_in_it_in_order() -> None:
    write(
        "shelf/part 10.txt",
        "shelf/part 9.md",
        "shelf/part 9b/2.txt",
        "shelf/part 9b/10.txt",
        "shelf/z/deep/a.txt",
    )
    write_epub(Path("shelf/book"), {"a.xhtml": chapter("<p>Text.</p>")})
    assert expand(["shelf"]).files == [
        "shelf/book",
        "shelf/part 9.md",
        "shelf/part 9b/2.txt",
        "shelf/part 9b/10.txt",
        "shelf/part 10.txt",
        "shelf/z/deep/a.txt",
    ]


def test_what_is_hidden_or_holds_no_text_is_named_and_not_opened() -> None:
    write("s/a.txt", "s/.git/config", "s/.DS_Store", "s/~$a.docx", "s/Thumbs.db", "elsewhere/b.txt")
    Path("s/picture.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    Path("s/empty.txt").touch()
    os.mkfifo("s/pipe")
    os.symlink("../elsewhere", "s/linked")
    os.symlink("nowhere", "s/broken")
    shelf = expand(["s"])
    assert shelf.files == ["s/a.txt"]
    assert shelf.skipped == [
        Skipped("s/.DS_Store", HIDDEN),
        Skipped("s/.git", HIDDEN),
        Skipped("s/broken", NO_FILE),
        Skipped("s/empty.txt", "empty"),
        Skipped("s/linked", LINKED_FOLDER),
        Skipped("s/picture.jpg", "a picture"),
        Skipped("s/pipe", NO_FILE),
        Skipped("s/Thumbs.db", SYSTEM_FILE),
        Skipped("s/~$a.docx", SYSTEM_FILE),
    ]
    assert shelf.failures == []


def test_documents_that_cannot_be_read_are_failures() -> None:
    write("s/a.txt")
    Path("s/letter.rtf").write_text("{\\rtf1 text}")
    Path("s/cut.epub").write_bytes(b"PK\x03\x04 and no more")
    shelf = expand(["s"])
    assert shelf.files == ["s/a.txt"]
    assert [(path, "which is not read" in error.message) for path, error in shelf.failures] == [
        ("s/cut.epub", False),
        ("s/letter.rtf", True),
    ]


def test_patterns_stand_for_what_fits_them() -> None:
    write("b 10.txt", "b 2.txt", "c/d.txt", "c/e.md", "[x].txt")
    assert expand(["b*.txt"]).files == ["b 2.txt", "b 10.txt"]
    assert expand(["**/*.txt"]).files == ["[x].txt", "b 2.txt", "b 10.txt", "c/d.txt"]
    assert expand(["?"]).files == ["c/d.txt", "c/e.md"]
    assert expand(["[x].txt", "-"]).files == ["[x].txt", "-"]
    assert (is_pattern("b*"), is_pattern("[x].txt"), is_pattern("b")) == (True, False, False)


def test_named_files_are_left_to_whoever_reads_them() -> None:
    write("a.txt")
    assert expand(["a.txt", "missing.txt"]).files == ["a.txt", "missing.txt"]


def test_nothing_to_read_is_an_error() -> None:
    with pytest.raises(DocumentError, match=r"no file fits \*\.pdf"):
        expand(["*.pdf"])
    Path("empty").mkdir()
    with pytest.raises(DocumentError, match="there is no file in empty"):
        expand(["empty"])
    write("dots/.a.txt", "dots/.b.txt")
    with pytest.raises(DocumentError, match="there is no document in dots") as caught:
        expand(["dots"])
    assert caught.value.hint == "skipped: dots/.a.txt (hidden), and 1 more"


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_a_folder_that_cannot_be_opened_is_a_failure() -> None:
    write("s/a.txt", "s/locked/b.txt")
    Path("s/locked").chmod(0)
    shelf = expand(["s"])
    Path("s/locked").chmod(0o700)
    assert shelf.files == ["s/a.txt"]
    assert [path for path, _ in shelf.failures] == ["s/locked"]
