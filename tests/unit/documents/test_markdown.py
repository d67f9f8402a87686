"""Markdown: which lines are headings, and where."""

from pathlib import Path

import pytest

from infini_cli.documents import Heading, open_document
from infini_cli.documents.markdown_headings import HeadingScanner, plain_title


def headings(text: str) -> list[tuple[str, int]]:
    return [(heading.title, heading.level) for heading in HeadingScanner().scan(text, "")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# One\n## Two ##\n###### Six\n", [("One", 1), ("Two", 2), ("Six", 6)]),
        ("   # indented by three\n", [("indented by three", 1)]),
        ("    # code\n", []),
        ("#hashtag\n####### seven\n#\n", []),
        ("Title\n=====\ntext\n\nPart\n---\n", [("Title", 1), ("Part", 2)]),
        ("a title of\ntwo lines\n===\n", [("a title of two lines", 1)]),
        ("a paragraph\nof three\nlines\n---\n", []),
        ("text\n\n---\n\nmore\n", []),
        ("- item\n---\n", []),
        ("- item\ncontinued\n===\n", []),
        ("> # quoted\n", []),
        ("| a | b |\n|---|---|\n", []),
        ("```sh\n# comment\n```\n# real\n", [("real", 1)]),
        ("~~~~\n```\n~~~\n# inside\n~~~~\n# real\n", [("real", 1)]),
        ("```\nnever closed\n# inside\n", []),
        ("``` not ` a fence\n# real\n", [("real", 1)]),
        ("<!--\n# hidden\n-->\n# shown\n", [("shown", 1)]),
        ("<!-- one line -->\n# shown\n", [("shown", 1)]),
        ("<pre>\n# code\n</pre>\n# shown\n", [("shown", 1)]),
        ("---\ntitle: a\n# comment\n---\n# real\n", [("real", 1)]),
        ("---\n\n# after a rule\n", [("after a rule", 1)]),
    ],
)
def test_headings_follow_commonmark(text: str, expected: list[tuple[str, int]]) -> None:
    assert headings(text) == expected


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("The `infini ask` command", "The infini ask command"),
        ("**Bold** and *soft* and __strong__", "Bold and soft and strong"),
        ("See [the manual](https://example.org/a_b) ![logo](x.png)", "See the manual logo"),
        ("Set-up {#set-up .wide}", "Set-up"),
        ("C&amp;A <br/> 5 \\* 3", "C&A 5 * 3"),
        ("snake_case_name", "snake_case_name"),
    ],
)
def test_titles_are_plain_text(source: str, title: str) -> None:
    assert plain_title(source) == title


def test_headings_stand_where_their_offset_says(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    words = "Some words of the section.\n" * 60
    path.write_text("".join(f"Part {n}\n------\n\n{words}\n## Sub {n}\n\n{words}\n" for n in range(20)))
    document = open_document(path)
    found: list[str] = []
    for page in document.pages():
        for heading in page.headings:
            assert page.text[heading.offset :].lstrip("#").strip().startswith(heading.title)
            found.append(heading.title)
    document.close()
    assert found == [title for n in range(20) for title in (f"Part {n}", f"Sub {n}")]


def test_blocks_stay_open_across_pages() -> None:
    scanner = HeadingScanner()
    assert scanner.scan("# One\n\n```\ncode\n", "# comment\n") == (Heading(0, "One", 1),)
    assert scanner.scan("# comment\n", "```\n# Two\n") == ()
    assert scanner.scan("```\n# Two\n", "") == (Heading(4, "Two", 1),)


def test_an_underline_on_the_next_page_makes_the_last_line_a_heading() -> None:
    scanner = HeadingScanner()
    assert scanner.scan("text\n\nTitle\n", "=====\nmore\n") == (Heading(6, "Title", 1),)
    assert scanner.scan("=====\nmore\n", "") == ()


def test_form_feeds_do_not_hide_headings(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("# One\ntext\n\f# Two\ntext\n\f\n")
    document = open_document(path)
    assert [[heading.title for heading in page.headings] for page in document.pages()] == [["One"], ["Two"]]
    document.close()
