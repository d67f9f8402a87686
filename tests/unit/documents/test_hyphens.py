"""Words divided at line ends: made whole, and the hyphens that are their own kept."""

import pytest

from infini_cli.documents import Heading, Page
from infini_cli.documents.hyphens import REACH, mend_hyphens
from infini_cli.errors import DocumentError


def mended(*texts: str) -> list[str]:
    return [
        page.text for page in mend_hyphens(Page(index, None, text) for index, text in enumerate(texts, 1))
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("an exam-\nple of it", "an example\nof it"),
        ("an exam- \n  ple, of it", "an example,\nof it"),
        ("an exam-\nple\nof it", "an example\nof it"),
        ("an exam-\nple", "an example"),
        ("an exam\u00ad\nple of", "an example\nof"),
        ("an exam\u2010\nple of", "an example\nof"),
        ("PER-\nFORMANCE of", "PERFORMANCE\nof"),
        ("the Zermelo-\nFraenkel set", "the Zermelo-Fraenkel\nset"),
        ("пере-\nнос слова", "перенос\nслова"),
        # what the words within lines say
        ("a well-known and a well-\nknown man", "a well-known and a well-known\nman"),
        ("GnuCash in Gnu-\nCash here", "GnuCash in GnuCash\nhere"),
        ("the art of the state-of-\nthe-art thing", "the art of the state-of-the-art\nthing"),
        (
            "well known, so-\ncalled and well-\nknown so called",
            "well known, so-called\nand well-known\nso called",
        ),
        # no words
        ("from 1990-\n1995 on", "from 1990-\n1995 on"),
        ("decomposi-\n28", "decomposi-\n28"),
        ("x -\ny", "x -\ny"),
        ("a --\nb", "a --\nb"),
        ("exam-\n\nple", "exam-\n\nple"),
        ("- one\n- two", "- one\n- two"),
    ],
)
def test_divided_words_are_whole_and_the_line_ends_after_them(text: str, expected: str) -> None:
    assert mended(text) == [expected]


def test_a_document_that_divides_words_is_told_by_those_it_also_has_whole() -> None:
    divides = "remember example here: re-\nmember and exam-\nple and over-\nthrow over throw"
    assert mended(divides) == ["remember example here: remember\nand example\nand overthrow\nover throw"]


def test_the_words_of_the_pages_around_decide_and_of_no_others() -> None:
    near = mended("well-known " * 2, *[""] * (REACH - 1), "the well-\nknown man")
    assert near[-1] == "the well-known\nman"
    far = mended("well-known " * 2, *[""] * REACH, "the well-\nknown man")
    assert far[-1] == "the wellknown\nman"


def test_headings_stay_where_they_were() -> None:
    text = "the exam-\nple of\nMeth-\nods and\nResults"
    headings = tuple(Heading(text.index(title), title, 1) for title in ("Meth", "Results"))
    [page] = mend_hyphens([Page(1, None, text, headings)])
    assert page.text == "the example\nof\nMethods\nand\nResults"
    assert [page.text[heading.offset :][:4] for heading in page.headings] == ["Meth", "Resu"]


def test_a_page_is_mended_the_same_wherever_reading_starts() -> None:
    texts = [
        f"word{'-known' if index % 7 == 0 else ''} well-\nknown and of-\nten page" for index in range(30)
    ]
    texts[12] += " well-known well-known often"
    pages = [Page(index, None, text) for index, text in enumerate(texts, 1)]
    whole = list(mend_hyphens(pages))
    for start in range(1, 31):
        assert list(mend_hyphens(pages[max(0, start - 1 - REACH) :], start)) == whole[start - 1 :]


def test_an_error_comes_after_the_pages_before_it() -> None:
    def pages():
        yield Page(1, None, "exam-\nple")
        raise DocumentError("broken")

    arriving = mend_hyphens(pages())
    assert next(arriving).text == "example"
    with pytest.raises(DocumentError):
        next(arriving)
