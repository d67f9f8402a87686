"""Books: sentence offsets and tokens that stay true to the text, in both layouts, in memory and on disk."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from infini_cli.training.books import LAYOUTS, Book, load_book, make_book, save_book, sentence_starts, wrap
from tests.unit.training.conftest import ByteTokenizer

TEXT = 'Dr. Smith came at 3.50 p.m. on Monday. "Who is it?" he asked.\n\nNobody answered him. The end.'


def test_a_sentence_starts_before_its_white_space_and_abbreviations_do_not_end_one() -> None:
    starts = sentence_starts(TEXT).tolist()
    pieces = [TEXT[a:b] for a, b in pairwise(starts)]
    assert "".join(pieces) == TEXT
    assert pieces[0].startswith("Dr. Smith came")
    assert "\n\nNobody answered him." in pieces
    assert all(piece[0].isspace() for piece in pieces[1:])


def test_wrapping_keeps_lines_short_and_changes_nothing_but_spaces() -> None:
    wrapped = wrap("word " * 60 + "end\n\nnext paragraph", columns=30, first_column=20)
    lines = wrapped.split("\n")
    assert len(lines[0]) <= 10
    assert max(len(line) for line in lines) <= 30
    assert wrapped.replace("\n", " ") == ("word " * 60 + "end\n\nnext paragraph").replace("\n", " ")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_tokens_of_the_sentences_are_the_tokens_of_the_text(
    layout: str, books: tuple[Book, ...], tokenizer: ByteTokenizer
) -> None:
    book = books[0]
    whole = book.text if layout == "flowing" else wrap(book.text)
    assert book.tokens[layout].tolist() == tokenizer.encode(whole)
    starts = book.token_starts[layout]
    sentence = book.tokens[layout][starts[7] : starts[8]].tolist()
    assert " ".join(tokenizer.decode(sentence).split()) == " ".join(book.sentence(7).split())


def test_a_saved_book_comes_back(books: tuple[Book, ...], tmp_path: Path) -> None:
    book = books[0]
    (tmp_path / "road.txt").write_text(book.text, encoding="utf-8")
    save_book(book, tmp_path)
    back = load_book(book.name, book.title, book.role, tmp_path / "road.txt", tmp_path)
    assert back.text == book.text
    assert np.array_equal(back.character_starts, book.character_starts)
    for layout in LAYOUTS:
        assert np.array_equal(back.tokens[layout], book.tokens[layout])
        assert np.array_equal(back.token_starts[layout], book.token_starts[layout])


def test_a_text_without_words_or_a_vocabulary_too_large_is_refused(tokenizer: ByteTokenizer) -> None:
    with pytest.raises(ValueError, match="no text"):
        make_book("empty", "Empty", "train", " \n", tokenizer)

    class LargeTokenizer(ByteTokenizer):
        vocab_size = 70_000

    with pytest.raises(ValueError, match="16 bits"):
        make_book("large", "Large", "train", TEXT, LargeTokenizer())
