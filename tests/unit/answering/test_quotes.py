"""Sentences of passages: where they end, which is quoted, and that quotes are verbatim."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infini_cli.answering.prose import MAX_CHARACTERS, heading_end, is_sentence, one_line, pieces_of
from infini_cli.answering.question import parse_question
from infini_cli.answering.quotes import best_quote, score_sentences

PASSAGE = (
    "11.4. Setting Up Greylisting\n"
    "Spam is a nuisance for everyone who runs a mail server, and\n"
    "greylisting helps. What is greylisting? Greylisting is a tech-\n"
    "nique by which a message is first rejected, and accepted later.\n"
    "greylist = yes; delay=300; db=/var/lib/greylist"
)


def quoted(question: str, text: str = PASSAGE, section: str | None = None) -> str:
    asked = parse_question(question)
    weights = {term.stem: term.weight for term in asked.terms}
    quote = best_quote(score_sentences(text, asked, weights, section=section))
    return text[quote.start : quote.end]


def test_the_sentence_that_defines_is_quoted_for_what_is() -> None:
    assert quoted("What is greylisting?").startswith("Greylisting is a tech-\nnique")


@pytest.mark.parametrize(
    ("question", "right"),
    [
        ("How many keepers lived there?", "Three keepers lived there until the storm came."),
        ("When did the keepers live there?", "The keepers went up there to live in 1874."),
        ("Who kept the keepers company there?", "The keepers had the company of old Martha there."),
    ],
)
def test_the_kind_of_answer_decides_between_sentences(question: str, right: str) -> None:
    text = (
        "The keepers lived there in good company. Three keepers lived there until the storm came."
        " The keepers went up there to live in 1874. The keepers had the company of old Martha there."
    )
    assert quoted(question, text) == right


def test_words_of_the_answer_decide_too() -> None:
    text = "The boat is painted every spring in blue. The boat is sold every spring in Hull."
    asked = parse_question("What happens to the boat in spring?")
    weights = {term.stem: term.weight for term in asked.terms}
    quote = best_quote(score_sentences(text, asked, weights, {"sold": 1.0}))
    assert text[quote.start : quote.end] == "The boat is sold every spring in Hull."


def test_headings_and_short_lines_are_pieces_of_their_own() -> None:
    pieces = [PASSAGE[start:end] for start, end in pieces_of(PASSAGE)]
    assert pieces[0] == "11.4. Setting Up Greylisting"
    assert pieces[1].startswith("Spam is a nuisance")
    assert pieces[1].endswith("greylisting helps.")


@pytest.mark.parametrize("mark", ["", "# ", "### "])
def test_the_heading_of_the_section_is_left_out(mark: str) -> None:
    title = "11.4. Setting Up Greylisting"
    text = mark + PASSAGE
    assert text[heading_end(text, title) :].startswith("Spam is")
    assert heading_end(text, "Another title") == 0
    assert heading_end(title, title) == 0


def test_a_short_sentence_is_quoted_with_the_next_one() -> None:
    text = "He said no. Then the keeper went up to light the lamp for the ships in the bay."
    assert quoted("What did he say no to?", text) == text


def test_no_quote_is_longer_than_a_quote_may_be() -> None:
    text = "the valve " * 200 + "opens"
    assert len(quoted("valve", text)) <= MAX_CHARACTERS
    assert all(end - start <= MAX_CHARACTERS for start, end in pieces_of("x" * 1_000))


@given(st.text(min_size=1).filter(str.strip), st.sampled_from([None, "A title"]))
def test_pieces_are_in_order_and_hold_all_that_is_not_blank(text: str, section: str | None) -> None:
    pieces = pieces_of(text, section)
    rest = text[heading_end(text, section) :]
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(pieces))
    held = "".join("".join(text[start:end].split()) for start, end in pieces)
    assert held == "".join(rest.split())


@pytest.mark.parametrize(
    "text",
    [
        "The boat comes every second Tuesday, if the sea allows it.",
        "“The boat comes every second Tuesday,” said the keeper.",
        "Паром приходит каждый второй вторник, если позволяет море.",
    ],
)
def test_sentences_can_stand_alone(text: str) -> None:
    assert is_sentence(text)


@pytest.mark.parametrize(
    "text",
    [
        "Too short.",
        "and so the sentence goes on from the page before this one.",
        "A heading that is as long as a sentence but has no full stop",
        "$ mount -t nfs4 -o rw,nosuid /srv/files /mnt/files | tee /tmp/log.",
    ],
)
def test_fragments_headings_and_code_cannot(text: str) -> None:
    assert not is_sentence(text)


def test_one_line_mends_words_and_line_ends() -> None:
    assert one_line("a tech-\nnique by\n  which") == "a technique by which"
