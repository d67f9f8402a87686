"""reStructuredText: which lines are titles, of which level, and pages as of any text."""

from pathlib import Path

import pytest

from infini_cli.documents import open_document
from infini_cli.documents.rst_headings import RstHeadingScanner, plain_title

TEXT = """\
==========
The Manual
==========

Subtitle
--------

Text with a :term:`role <target>`, a line
that is no title
and --

- a list
- of items

A *bold* step: ``code``
~~~~~~~~~~~~~~~~~~~~~~~

.. code-block:: text

   Not a title
   ===========

=====  =====
one    two
=====  =====

Short
---

---------

Another part
------------

 Centred
=========
"""


def headings(text: str, following: str = "") -> list[tuple[str, int]]:
    found = RstHeadingScanner().scan(text, following)
    for heading in found:
        assert text[heading.offset] != "\n"
    return [(heading.title, heading.level) for heading in found]


def test_titles_and_their_levels_in_the_order_of_their_adornments() -> None:
    assert headings(TEXT) == [
        ("The Manual", 1),
        ("Subtitle", 2),
        ("A bold step: code", 3),
        ("Another part", 2),
    ]


def test_levels_hold_across_pages() -> None:
    scanner = RstHeadingScanner()
    assert [h.level for h in scanner.scan("One\n===\n\nTwo\n---\n\nx\n\n", "Three\n")] == [1, 2]
    assert [(h.title, h.level) for h in scanner.scan("Three\n", "-----\n\nFour\n====\n")] == [("Three", 2)]
    assert [(h.title, h.level) for h in scanner.scan("-----\n\nFour\n====\n", "")] == [("Four", 1)]


@pytest.mark.parametrize(
    ("source", "title"),
    [
        (":ref:`the label <label>` of", "the label of"),
        (":class:`pathlib.Path`", "pathlib.Path"),
        ("`Link <http://x>`__ and ``*args``", "Link and *args"),
        (r"A \*star", "A *star"),
        ("|name| *em* **strong**", "name em strong"),
    ],
)
def test_titles_are_plain(source: str, title: str) -> None:
    assert plain_title(source) == title


def test_a_document_is_recognised_and_keeps_its_lines(tmp_path: Path) -> None:
    body = "Some words of a paragraph that goes on.\n" * 20
    text = "".join(f"Part {n}\n{'=' * 8}\n\n{body}\n" for n in range(20))
    for name in ("a.rst", "a.rst.txt"):
        (tmp_path / name).write_text(text)
        document = open_document(tmp_path / name)
        pages = list(document.pages())
        assert (document.format, document.pages_total) == ("rst", len(pages))
        assert "".join(page.text for page in pages) == text
        assert [h.title for page in pages for h in page.headings] == [f"Part {n}" for n in range(20)]
        assert [page.first_line for page in pages] == [
            1 + "".join(page.text for page in pages[:n]).count("\n") for n in range(len(pages))
        ]
        assert list(document.pages(4)) == pages[3:]
    (tmp_path / "a.txt").write_text(f".. note:: by its content\n\n{text}")
    assert open_document(tmp_path / "a.txt").format == "rst"
    (tmp_path / "b.txt").write_text(text)
    assert open_document(tmp_path / "b.txt").format == "text"
