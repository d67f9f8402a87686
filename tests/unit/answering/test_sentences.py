"""Text in pieces, given on sentence by sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infini_cli.answering.sentences import is_whole, sentences_of

TEXT = "Dr. Hale paid £3.50. He left at once.\n\n- one\n- two items\nThe end"


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
def test_sentences_do_not_depend_on_the_pieces(size: int) -> None:
    pieces = [TEXT[place : place + size] for place in range(0, len(TEXT), size)]
    assert [sentence.strip() for sentence in sentences_of(pieces)] == [
        "Dr. Hale paid £3.50.",
        "He left at once.",
        "- one",
        "- two items",
        "The end",
    ]


def test_a_sentence_comes_as_soon_as_the_next_begins() -> None:
    taken: list[str] = []

    def pieces():
        for piece in ("It burned. ", "Then", " it rained", " for days."):
            taken.append(piece)
            yield piece

    sentences = sentences_of(pieces())
    assert next(sentences) == "It burned. "
    assert taken == ["It burned. ", "Then"]


@given(st.lists(st.text()))
def test_joined_the_sentences_are_the_text(pieces: list[str]) -> None:
    assert "".join(sentences_of(pieces)) == "".join(pieces)


@pytest.mark.parametrize(
    ("text", "whole"),
    [("It is.", True), ("“Is it?”", True), ("*It is.* ", True), ("It is", False), ("", False)],
)
def test_whole_sentences_are_known_by_their_ends(text: str, whole: bool) -> None:
    assert is_whole(text) is whole


def test_a_sentence_without_an_end_is_given_up() -> None:
    endless = ("backup " for _ in range(10_000))
    assert len(next(sentences_of(endless))) < 1_000
