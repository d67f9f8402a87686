"""Where on a page a title of the outline stands."""

import pytest

from infini_cli.documents.pdf_outline import locate_titles


def places(text: str, *titles: str) -> list[str]:
    """What stands at each heading, to the end of its line."""
    headings = locate_titles(text, [(title, 1) for title in titles])
    assert [heading.title for heading in headings] == list(titles)
    return [text[heading.offset :].partition("\n")[0] for heading in headings]


@pytest.mark.parametrize(
    ("text", "title", "found"),
    [
        ("12 HEADER\n3 Methods\nwords", "3 Methods", "3 Methods"),
        ("of all methods used\nMethods\nwords", "Methods", "Methods"),
        ("see Methods below\nMethods and Data\nwords", "Methods", "Methods and Data"),
        ("words\n2.1.\nData col-\nlection\nwords", "2.1 Data collection", "2.1."),
        ("words\nEfficient “find”\nwords", "Eﬃcient 'find'", "Efficient “find”"),
        ("words\nResults\nwords", "IV. Results", "Results"),
        ("a word\nI saw\nI\nwords", "I", "I"),
        ("no such thing\nwords", "Conclusions", "no such thing"),
        ("the methodology\na method\nwords", "Method", "method"),
        ("第一章 はじめに\n本文", "第一章　はじめに", "第一章 はじめに"),
        ("words", "* * *", "words"),
    ],
)
def test_a_title_is_found_as_it_is_set(text: str, title: str, found: str) -> None:
    assert places(text, title) == [found]


def test_titles_of_one_page_keep_their_order() -> None:
    text = "Contents: Data, Aims\nAims\nwords\nData\nwords\nAims\nagain"
    assert places(text, "Data", "Aims") == ["Data", "Aims"]
    headings = locate_titles(text, [("Data", 1), ("Not there", 2), ("Aims", 1)])
    offsets = [heading.offset for heading in headings]
    assert offsets == [text.index("\nData") + 1, text.index("\nData") + 1, text.rindex("Aims")]


def test_a_title_of_many_digits_is_no_riddle() -> None:
    assert places("words", "1" * 5000 + "x") == ["words"]
