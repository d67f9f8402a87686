"""Composed documents: exactly as long as asked, with every insertion whole, in order and at its place."""

from random import Random

import pytest

from infini_cli.training.books import Book
from infini_cli.training.composition import Insertion, compose, take_prose
from tests.unit.training.conftest import ByteTokenizer

FACTS = [
    Insertion("The first key is 17."),
    Insertion("The second key is 23."),
    Insertion("The third key is 5."),
]


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("n_tokens", [200, 1024, 9000])
def test_a_document_has_the_exact_length_and_holds_every_insertion(
    seed: int, n_tokens: int, books: tuple[Book, ...], tokenizer: ByteTokenizer
) -> None:
    document = compose(Random(seed), books, tokenizer, FACTS, n_tokens)
    assert document.tokens.shape == (n_tokens,)
    for (start, end), fact in zip(document.spans, FACTS, strict=True):
        assert flat(tokenizer.decode(document.tokens[start:end].tolist())) == fact.text
    assert [start for start, _ in document.spans] == sorted(start for start, _ in document.spans)


def test_between_the_insertions_stands_unbroken_prose(
    books: tuple[Book, ...], tokenizer: ByteTokenizer
) -> None:
    document = compose(Random(3), books[:1], tokenizer, FACTS, 2000)
    text = flat(tokenizer.decode(document.tokens.tolist()))
    for fact in FACTS:
        before, after = text.split(" " + fact.text)
        assert before.endswith(".")
        text = before + after
    assert text in flat(books[0].text)


def test_depths_place_insertions(books: tuple[Book, ...], tokenizer: ByteTokenizer) -> None:
    document = compose(Random(0), books, tokenizer, FACTS, 8000, depths=[0.0, 0.5, 1.0])
    first, middle, last = document.spans
    assert first[0] < 200
    assert abs(middle[0] - 4000) < 200
    assert last[1] == 8000


def test_a_paragraph_stands_alone(books: tuple[Book, ...], tokenizer: ByteTokenizer) -> None:
    passage = "A passage. It has two sentences."
    document = compose(Random(1), books, tokenizer, [Insertion(passage, paragraph=True)], 3000)
    assert f"\n\n{passage}\n\n" in tokenizer.decode(document.tokens.tolist())


def test_a_document_longer_than_all_books_joins_them(
    books: tuple[Book, ...], tokenizer: ByteTokenizer
) -> None:
    total = sum(book.n_tokens for book in books)
    found = take_prose(Random(0), books, "flowing", 2 * total)
    assert len(found.tokens) == 2 * total
    assert len(found.books) > 2
    text = tokenizer.decode(found.tokens.tolist())
    assert all(text[place].isspace() for place in found.boundaries[:-1])


def test_words_to_avoid_are_avoided_where_possible(books: tuple[Book, ...], tokenizer: ByteTokenizer) -> None:
    for seed in range(8):
        document = compose(Random(seed), books, tokenizer, (), 600, avoid=["Quill", "Tanner"])
        assert "river" not in document.books


def test_insertions_longer_than_the_document_are_refused(
    books: tuple[Book, ...], tokenizer: ByteTokenizer
) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        compose(Random(0), books, tokenizer, FACTS, 40)
