"""What the model reads of typeset lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infini_cli.reading.mending import ends_sentence, mend_lines

LONG = "No one who had ever seen Catherine Morland in her infancy would"


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        (f"{LONG}\nhave supposed her", f"{LONG} have supposed her"),
        (f"{LONG} experi-\nmented with it", f"{LONG} experimented with it"),
        (f"{LONG} experi\u00ad\nmented with it", f"{LONG} experimented with it"),
        (f"{LONG} go to Salisbury-\nPlain with it", f"{LONG} go to Salisbury-Plain with it"),
        (f"{LONG} of 1798-\n1799 and on", f"{LONG} of 1798-1799 and on"),
        ("soft\u00adhy\u00adphens go", "softhyphens go"),
        (f"{LONG}.\n\n\n\nNext", f"{LONG}.\n\nNext"),
        (f"CHAPTER 1\n{LONG}\nhave supposed", f"CHAPTER 1\n{LONG} have supposed"),
        (f"{LONG}\nhave been so.\nNext {LONG}", f"{LONG} have been so.\nNext {LONG}"),
        ("We need:\n- one apple and also a pear\n- two", "We need:\n- one apple and also a pear\n- two"),
        ("1. first of the things\n2. second thing", "1. first of the things\n2. second thing"),
        ("| a | b and more |\n| c | d |", "| a | b and more |\n| c | d |"),
        ("call it so, my friend:\n    x = f(y)", "call it so, my friend:\n    x = f(y)"),
        ("这是一个很长的句子它在\n这里继续", "这是一个很长的句子它在这里继续"),
        ("one line only", "one line only"),
        ("", ""),
    ],
)
def test_lines_are_joined_as_the_author_wrote_them(text: str, prose: str) -> None:
    assert mend_lines(text) == prose


def test_a_first_line_cut_at_a_sentence_is_not_taken_for_a_short_line() -> None:
    text = f"And so it\nwas. {LONG}\nand more"
    assert mend_lines(text, starts_line=False) == f"And so it was. {LONG} and more"
    assert mend_lines(text, starts_line=True) == f"And so it\nwas. {LONG} and more"


@given(st.text(max_size=300))
def test_no_word_is_lost_or_made(text: str) -> None:
    def letters(value: str) -> str:
        return "".join(c for c in value if c.isalnum())

    assert letters(mend_lines(text)) == letters(text)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("It is.", True),
        ('"It is!"', True),
        ("so (it is.)", True),
        ("是。", True),
        ("and then", False),
        ("", False),
    ],
)
def test_ends_sentence(text: str, ends: bool) -> None:
    assert ends_sentence(text) is ends
