"""Tables of contents and indexes told from prose and from tables of figures."""

import pytest

from infini_cli.answering.listings import listing_share

CONTENTS = "\n".join(
    f"{n}.{n} The {word} . . . . . . . . . . {n * 7}" for n, word in enumerate("valve pump gate".split(), 1)
)
BARE_CONTENTS = (
    "Opening the valve 3\nClosing the valve 9\nThe pump 14\nThe gate and its keeper 27\nSpare parts 40"
)
INDEX = "valve, 3, 17, 42\npump, 14\ngate, 27-29, 31\nkeeper, 27\nkey, 2, 5"
PROSE = "The valve opens in 1874.\nIt was closed again by the keeper,\nwho had 12 dogs and no pump."
FIGURES = "Income 2003 410\nRent 2003 380\nFood 2004 295\nHeating 2004 512\nOther 2005 17"


@pytest.mark.parametrize("text", [CONTENTS, BARE_CONTENTS, INDEX, CONTENTS.replace("\n", " ")])
def test_listings_are_known(text: str) -> None:
    assert listing_share(text) > 0.7


@pytest.mark.parametrize("text", [PROSE, FIGURES, "", "One line.", "A dash … and 3 dots."])
def test_prose_and_figures_are_none(text: str) -> None:
    assert listing_share(text) < 0.3


@pytest.mark.parametrize("title", ["Contents", "Table of Contents", "INDEX", "List of Figures"])
def test_the_title_of_the_section_is_enough(title: str) -> None:
    assert listing_share(PROSE, title) == 1.0
    assert listing_share(PROSE, f"The {title} of a pump") == 0.0
