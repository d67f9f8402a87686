"""Names of memories."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infini_cli.errors import UsageError
from infini_cli.reading.naming import check_name, name_for


@pytest.mark.parametrize("name", ["book", "Don Quijote", "日本", "a.b-c_d", "x" * 120, "CONsole"])
def test_ordinary_names_are_fine(name: str) -> None:
    assert check_name(name) == name


def test_two_ways_to_write_a_letter_are_one_name() -> None:
    assert check_name("cafe\u0301") == check_name("caf\u00e9")


TRICKY = [
    "",
    " ",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    ".hidden",
    "-flag",
    " a",
    "a ",
    "a.",
    "a\0b",
    "a\nb",
    "C:",
]
TRICKY += ["nul", "Com1.txt", "x" * 121, "é" * 61, "a*", "\u202eabc"]


@pytest.mark.parametrize("name", TRICKY)
def test_tricky_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a memory"):
        check_name(name)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/books/Northanger Abbey.pdf", "northanger-abbey"),
        ("report_v2.final.txt", "report-v2-final"),
        ("-", "stdin"),
        ("/x/日本語.md", "日本語"),
        ("...", "memory"),
        ("nul.txt", "memory"),
        ("-.-.txt", "memory"),
        ("book.txt.gz", "book"),
        ("/no/Old Books/**/*.pdf", "old-books"),
    ],
)
def test_a_document_gives_a_name(path: str, name: str) -> None:
    assert name_for(path) == name


def test_a_folder_gives_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "Shelf no. 3"
    folder.mkdir()
    assert name_for(f"{folder}/") == "shelf-no-3"
    monkeypatch.chdir(folder)
    assert name_for(".") == name_for("*.txt") == "shelf-no-3"


@given(st.text(min_size=1, max_size=300))
def test_every_document_gives_a_name_that_is_allowed(path: str) -> None:
    check_name(name_for(path))
