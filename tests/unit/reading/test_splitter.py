"""Passages: where they begin and end, and that nothing of a page is lost."""

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infini_cli.documents import Heading, Page
from infini_cli.reading import splitter
from infini_cli.reading.splitter import MAX_TOKENS, MIN_TOKENS, sentence_spans, split_page
from tests.unit.reading.fakes import prose


def count_words(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))


def count_characters(text: str) -> int:
    """Also blanks cost tokens, so that a passage has more than its sentences together."""
    return len(text)


texts = st.text(
    st.one_of(
        st.sampled_from("aaaabcdeABC....!?\n\n   \t\u00a0\u2028,;\"'“”。字é😀-1"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=1500,
)


@given(
    text=texts,
    repeats=st.integers(1, 4),
    offsets=st.lists(st.integers(0, 3000), max_size=4),
    count=st.sampled_from([count_words, count_characters]),
)
@example(text="A\u00a0. B said", repeats=1, offsets=[], count=count_words)
@example(text="x" * 1500, repeats=4, offsets=[7], count=count_characters)
def test_passages_hold_all_that_is_not_blank_once_in_order_and_keep_the_limit(
    text: str, repeats: int, offsets: list[int], count: Callable[[str], int]
) -> None:
    text = text * repeats
    page = Page(1, None, text, tuple(Heading(offset, "h", 1) for offset in sorted(offsets)))
    spans = split_page(page, count)
    position = 0
    for start, end in spans:
        assert not text[position:start].strip(), "something was left out"
        assert start < end
        assert position <= start, "passages overlap"
        assert text[start:end] == text[start:end].strip()
        assert count(text[start:end]) <= MAX_TOKENS
        position = end
    assert not text[position:].strip()
    for offset in offsets:
        assert not any(start < offset < end for start, end in spans), "a heading stands inside a passage"


def test_prose_gives_passages_of_the_wanted_length_that_end_with_sentences() -> None:
    text = prose(1, 120)
    spans = split_page(Page(1, None, text), count_words)
    lengths = [count_words(text[start:end]) for start, end in spans]
    assert len(lengths) > 5
    assert all(MIN_TOKENS <= length <= MAX_TOKENS for length in lengths)
    assert all(text[end - 1] == "." for _, end in spans)


def test_paragraphs_are_kept_whole_where_they_have_the_length() -> None:
    paragraphs = [prose(seed, 11) for seed in range(6)]
    assert all(MIN_TOKENS <= count_words(paragraph) <= MAX_TOKENS for paragraph in paragraphs)
    text = "\n\n".join(paragraphs)
    assert [text[start:end] for start, end in split_page(Page(1, None, text), count_words)] == paragraphs


def test_a_short_end_of_a_page_joins_the_passage_before_it() -> None:
    text = prose(2, 11) + "\n\nThe end."
    spans = split_page(Page(1, None, text), count_words)
    assert len(spans) == 1
    assert text[slice(*spans[0])].endswith("The end.")


def test_a_short_end_takes_sentences_over_when_it_cannot_join() -> None:
    text = " ".join("word " * 18 + "end." for _ in range(11))  # 11 sentences of 20 tokens
    lengths = [count_words(text[start:end]) for start, end in split_page(Page(1, None, text), count_words)]
    assert len(lengths) == 2
    assert min(lengths) >= MIN_TOKENS


def test_a_heading_starts_a_passage_even_after_few_words() -> None:
    text = "A few words.\nCHAPTER 2\nMore words."
    page = Page(1, None, text, (Heading(text.index("CHAPTER"), "CHAPTER 2", 1),))
    assert [text[start:end] for start, end in split_page(page, count_words)] == [
        "A few words.",
        "CHAPTER 2\nMore words.",
    ]


def test_a_sentence_that_is_too_long_is_cut_between_words() -> None:
    text = "word" + ", and another word" * 200 + "."
    pieces = [text[start:end] for start, end in split_page(Page(1, None, text), count_words)]
    assert len(pieces) > 2
    assert all(piece.endswith(("word", "word,", "another", "and", "word.")) for piece in pieces)


def test_abbreviations_do_not_end_sentences() -> None:
    text = "Dr. Smith paid $3.50 at 5 p.m. on Jan. 3. He left."
    assert [text[start:end] for start, end in sentence_spans(text)] == [
        "Dr. Smith paid $3.50 at 5 p.m. on Jan. 3.",
        "He left.",
    ]


def test_full_stops_of_other_scripts_end_sentences() -> None:
    text = "你好。我是学生！对吗？是"
    assert [text[start:end] for start, end in sentence_spans(text)] == [
        "你好。",
        "我是学生！",
        "对吗？",
        "是",
    ]


def test_a_wide_space_before_a_full_stop_does_not_reach_the_library(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """sentencex 1.0.32 panics on it and prints a Rust backtrace to standard error."""
    text = "He saw A\u00a0. B\u2003. Then he left."
    assert "".join(text[start:end] for start, end in sentence_spans(text)).replace(" ", "")
    assert capfd.readouterr().err == ""


def test_a_panic_of_the_library_costs_the_sentences_not_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        pass

    def panic(language: str, text: str) -> list[dict[str, int]]:
        raise PanicException("index out of bounds")

    monkeypatch.setattr("sentencex.get_sentence_boundaries", panic)
    assert sentence_spans("  One. Two.  ") == [(2, 11)]


def test_ctrl_c_inside_the_library_is_not_taken_for_a_panic(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(language: str, text: str) -> list[dict[str, int]]:
        raise KeyboardInterrupt

    monkeypatch.setattr("sentencex.get_sentence_boundaries", stop)
    with pytest.raises(KeyboardInterrupt):
        sentence_spans("One. Two.")


def test_a_page_without_any_boundary_is_cut_in_linear_time() -> None:
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return len(text) // 4

    text = "x" * 300_000
    spans = split_page(Page(1, None, text), count)
    assert sum(end - start for start, end in spans) == len(text)
    assert counted < 60 * len(text)
    assert all(end - start <= splitter.MAX_CHARACTERS for start, end in spans)


def test_running_lines_are_in_no_passage_and_cost_no_other_character() -> None:
    prose_lines = prose(4, 30)
    text = f"12 GREAT WORK\n{prose_lines}\nDraft\n12"
    foot = len(text) - len("Draft\n12")
    page = Page(1, "12", text, running=((0, 13), (foot, foot + 5), (foot + 6, foot + 8)))
    spans = split_page(page, count_words)
    assert spans[0][0] == 14
    assert " ".join(" ".join(text[start:end] for start, end in spans).split()) == " ".join(
        prose_lines.split()
    )


def test_a_title_at_the_beginning_is_a_sentence_of_its_own() -> None:
    text = "Depreciation\nSchemes\nA depreciation scheme is a rule. It has a name."
    assert [text[start:end] for start, end in sentence_spans(text, "2.1 Depreciation Schemes")] == [
        "Depreciation\nSchemes",
        "A depreciation scheme is a rule.",
        "It has a name.",
    ]
    assert sentence_spans(text, "Another title") == sentence_spans(text)
    assert sentence_spans("Depreciation is a rule.", "Depreciation") == [(0, 23)]
