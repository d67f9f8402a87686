"""Running headers, footers and page numbers: what is marked, and that nothing else is."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from infini_cli.documents import Heading, Page, open_document
from infini_cli.documents.extraction import ExtractionProcess
from infini_cli.documents.messages import page_from_json, page_to_json
from infini_cli.documents.running_lines import CONTEXT, mark_running_lines
from infini_cli.errors import DocumentError
from tests.unit.documents.pdf_files import NOVEL, write_pages

NUMBERS = "one two three four five six seven eight nine ten eleven twelve".split()


def body(index: int) -> str:
    """Lines of a page that are on no other."""
    word = NUMBERS[index % 12] * (index // 12 + 1)
    return f"it was {word} o'clock then\nand {word} people came\nwho all had {word} hats"


def make(
    tops: Sequence[str] = (), bottoms: Sequence[str] = (), labels: Sequence[str | None] = ()
) -> list[Page]:
    pages = []
    for index in range(1, max(len(tops), len(bottoms)) + 1):
        top = tops[index - 1] if tops else ""
        bottom = bottoms[index - 1] if bottoms else ""
        text = "\n".join(part for part in (top, body(index), bottom) if part)
        pages.append(Page(index, labels[index - 1] if labels else None, text))
    return pages


def dropped(pages: Sequence[Page]) -> list[list[str]]:
    return [[page.text[start:end] for start, end in page.running] for page in mark_running_lines(pages)]


def each(lines: Sequence[str]) -> list[list[str]]:
    return [line.split("\n") if line else [] for line in lines]


@pytest.fixture(scope="module")
def novel() -> list[Page]:
    with closing(open_document(NOVEL)) as document:
        return list(document.pages())


def test_every_header_and_page_number_of_the_novel_is_marked_and_nothing_else(novel: list[Page]) -> None:
    pages = list(mark_running_lines(novel))
    lines_of_prose = 0
    for before, page in zip(novel, pages, strict=True):
        assert page.text == before.text
        found = [page.text[start:end] for start, end in page.running]
        if page.index in (1, 2, 6):  # title, imprint, blank: typeset without header or number
            assert found == []
        elif page.headings or page.index == 4:  # the number alone, at the foot
            assert found == [page.label]
            assert page.running[0][0] > len(page.text) - 5
        elif page.index == 5:
            assert found == ["CONTENTS v"]
        elif page.index % 2 == 0:
            assert found == [f"{page.label} NORTHANGER ABBEY"]
        else:
            [line] = found
            assert line.startswith("CHAPTER ")
            assert line.endswith(f" {page.label}")
        lines_of_prose += len(page.text.splitlines()) - len(found)
    assert lines_of_prose == sum(len(page.text.splitlines()) for page in novel) - 219
    assert pages[6].text.startswith("Chapter 1\n")
    assert all(start > 0 for start, _ in pages[6].running)


def test_left_and_right_headers_without_numbers_stay_once() -> None:
    tops = ["Great Work" if index % 2 else "A Long Chapter" for index in range(1, 11)]
    assert dropped(make(tops)) == [[], [], *each(tops[2:])]


def test_numbered_headers_of_a_short_chapter_are_found_without_labels() -> None:
    tops = ["9 Great Work", "On Hats 10", "11 Great Work", "On Gloves 12", "13 Great Work", "On Hats 14"]
    assert dropped(make(tops)) == each(tops)


def test_bare_numbers_have_to_rise_with_the_pages() -> None:
    rising = [str(number) for number in range(31, 40)]
    assert dropped(make(bottoms=rising)) == each(rising)
    roman = ["i", "ii", "iii", "iv", "v", "vi"]
    assert dropped(make(bottoms=roman)) == each(roman)
    assert dropped(make(bottoms=["7", "80", "3", "1200", "3", "61"])) == [[]] * 6


def test_a_label_alone_is_a_page_number_and_a_name_is_not() -> None:
    pages = make(bottoms=["A-3", "Cover", "9"], labels=["A-3", "Cover", "7"])
    assert dropped(pages) == [["A-3"], [], []]


def test_a_number_and_a_title_on_lines_of_their_own_go_both() -> None:
    tops = [f"{number}\nGREAT WORK" for number in range(5, 10)]
    assert dropped(make(tops)) == [["5"], *each(tops[1:])]


def test_a_table_of_contents_keeps_its_lines() -> None:
    entries = [f"Chapter {n} . . . . . . . . {n * 9 + 2}" for n in range(1, 31)]
    texts = ["\n".join(entries[first : first + 10]) for first in (0, 10, 20)]
    pages = [Page(index, label, f"{text}\n{label}") for index, (label, text) in
             enumerate(zip(["i", "ii", "iii"], texts, strict=True), start=1)]  # fmt: skip
    assert dropped(pages) == [["i"], ["ii"], ["iii"]]


def test_two_pages_in_which_nothing_recurs_lose_nothing() -> None:
    assert dropped(make(["Dear Sir,", "Yours truly"])) == [[], []]
    assert dropped(make(["A Report", "A Report"])) == [[], []]


def test_a_refrain_goes_only_if_it_is_the_same_on_three_pages() -> None:
    refrain = "O my love is far away"
    assert dropped(make([refrain, refrain, "Then came the winter"])) == [[], [], []]
    assert dropped(make([refrain, refrain, f"{refrain} again"])) == [[], [], []]
    assert dropped(make([refrain] * 3)) == [[], [refrain], [refrain]]
    far = [refrain if index % 5 == 0 else "" for index in range(15)]
    assert dropped(make(far)) == [[]] * 15


def test_the_same_line_at_the_other_edge_does_not_count() -> None:
    title = "Collected Papers"
    assert dropped(make([title, "", title], ["", title, ""])) == [[], [], []]


def test_headings_that_differ_in_their_numbers_stay() -> None:
    tops = ["Exercise 4", "Exercise 5", "Exercise 6", "Exercise 7"]
    feet = ["21", "22", "23", "24"]
    assert dropped(make(tops, feet)) == each(feet)


def test_a_heading_named_by_the_outline_stays_though_it_recurs() -> None:
    tops = ["ON HATS"] * 5
    pages = make(tops)
    pages[1] = Page(2, None, pages[1].text, (Heading(0, "On Hats", 1),))
    # a title that was not found on its page is placed at 0, and the header there is no heading for that
    pages[2] = Page(3, None, pages[2].text, (Heading(0, "Gloves", 1),))
    assert dropped(pages) == [[], [], ["ON HATS"], ["ON HATS"], ["ON HATS"]]


def test_what_stands_alone_on_a_page_stays() -> None:
    assert dropped([Page(index, None, "The same words") for index in range(1, 6)]) == [[]] * 5


def test_skipped_pages_pass_and_keep_their_place_in_the_numbering() -> None:
    pages = make(bottoms=[str(number) for number in range(1, 7)])
    pages[2] = Page(3, None, "", skipped="blank")
    assert dropped(pages) == [["1"], ["2"], [], ["4"], ["5"], ["6"]]


def test_marks_are_the_same_wherever_reading_starts(novel: list[Page]) -> None:
    pages = novel[:60]
    whole = list(mark_running_lines(pages))
    for start in range(1, 61):
        context = pages[max(0, start - 1 - CONTEXT) :]
        assert list(mark_running_lines(context, start)) == whole[start - 1 :]


def test_only_a_few_pages_are_held() -> None:
    drawn = 0

    def endless() -> Iterator[Page]:
        nonlocal drawn
        while True:
            drawn += 1
            yield Page(drawn, None, f"Header\n{body(drawn % 12)}\n{drawn}")

    taken = list(islice(mark_running_lines(endless()), 50))
    assert [page.index for page in taken] == list(range(1, 51))
    assert drawn == 50 + CONTEXT


def test_pages_before_a_failure_are_given_out_first() -> None:
    def failing() -> Iterator[Page]:
        yield from make(["Header"] * 4)
        raise DocumentError("the disk is gone")

    marking = mark_running_lines(failing())
    given = list(islice(marking, 4))
    with pytest.raises(DocumentError, match="disk"):
        next(marking)
    assert [len(page.running) for page in given] == [0, 1, 1, 1]


@pytest.mark.parametrize("start", [1, 2, 14, 20])
def test_extraction_marks_a_pdf_and_resumes_alike(tmp_path: Path, start: int) -> None:
    path = write_pages(tmp_path / "a.pdf", [f"Great Work {n}\n{body(n)}" for n in range(1, 21)])
    with ExtractionProcess(path, start=start) as extraction:
        pages = list(extraction)
    assert [page.index for page in pages] == list(range(start, 21))
    assert [[page.text[a:b] for a, b in page.running] for page in pages] == [
        [f"Great Work {n}"] for n in range(start, 21)
    ]


def test_extraction_leaves_text_files_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\f".join(f"Great Work {n}\n{body(n)}\n" for n in range(1, 21)))
    with ExtractionProcess(path, start=15) as extraction:
        pages = list(extraction)
    assert [page.index for page in pages] == list(range(15, 21))
    assert not any(page.running for page in pages)


def test_messages_carry_the_marks() -> None:
    page = Page(3, "3", "Header\ntext", running=((0, 6),))
    assert page_from_json(page_to_json(page)) == page
