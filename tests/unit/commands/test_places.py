"""Places as people write them."""

import pytest

from infini_cli.answering.citations import Citation
from infini_cli.commands.places import citation_line, stretch
from infini_cli.reading.passages import Passage


def citation(page: int, label: str | None, *, line: int | None = None, paged: bool = True) -> Citation:
    return Citation("a.epub", page, label, "Chapter 3", line, "It was\ndark.", 1.0, paged)


@pytest.mark.parametrize(
    ("cited", "written"),
    [
        (citation(12, "12"), "p. 12"),
        (citation(14, "xii"), "p. xii (page 14 of the file)"),
        (citation(2, None, line=80), "line 80"),
        (citation(7, None, paged=False), "part 7"),
    ],
)
def test_a_quote_has_a_page_a_line_or_a_part(cited: Citation, written: str) -> None:
    assert citation_line(cited, several=False) == f"{written} (Chapter 3)  “It was dark.”"
    assert citation_line(cited, several=True).startswith(f"a.epub, {written}")


def passage(page: int, label: str | None = None, line: int | None = None) -> Passage:
    return Passage(1, 1, page, label, None, line, 0, 9, 3, "It was\nso")


def test_a_stretch_has_pages_lines_or_parts() -> None:
    assert stretch(passage(3, "i"), passage(9, "vii")) == "pp. i–vii"
    assert stretch(passage(3), passage(3)) == "p. 3"
    assert stretch(passage(1, line=1), passage(2, line=79)) == "lines 1–80"
    assert stretch(passage(3), passage(9), paged=False) == "parts 3–9"
    assert stretch(passage(3), passage(3), paged=False) == "part 3"
