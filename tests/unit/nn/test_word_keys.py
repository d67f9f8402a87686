"""Keys made of words: what they mind, and what they do not."""

import math

import torch

from infini_cli.nn.word_keys import WordKeys, Words

VOCABULARY, WIDTH, DIM = 30, 24, 16
ORDERED, BEFORE, BEHIND = range(3)  # heads


def made() -> WordKeys:
    torch.manual_seed(0)
    return WordKeys(VOCABULARY, WIDTH, 3, DIM, 2 * DIM)


def words(*ids: int) -> Words:
    table = torch.randn(VOCABULARY, WIDTH, generator=torch.Generator().manual_seed(1))
    tokens = torch.tensor([ids])
    return Words(tokens, table[tokens])


def alike(one: torch.Tensor, other: torch.Tensor) -> list[float]:
    """Of the last token's queries or keys, by head."""
    return torch.cosine_similarity(one[0, :, -1], other[0, :, -1], dim=-1).tolist()


def test_all_have_one_length_and_a_word_counts_by_its_salience() -> None:
    keys = made()
    q, _ = keys.queries(words(3, 4, 5))
    torch.testing.assert_close(q.norm(dim=-1), torch.full((1, 3, 3), math.sqrt(DIM)))
    with torch.no_grad():
        keys.salience[4] = 0.0
    with_it, _ = keys.queries(words(3, 4, 5))
    other, _ = keys.queries(words(3, 4, 5)._replace(embedded=words(3, 9, 5).embedded))
    torch.testing.assert_close(with_it, other)


def test_only_one_head_minds_the_order_of_words() -> None:
    keys = made()
    once, twice = keys.queries(words(9, 3))[0], keys.queries(words(3, 3))[0]
    repeated = keys.queries(words(9, 3, 3))[0]
    # which of two threes is the last one, only the ordered head can tell by more than the words further back
    assert alike(twice, repeated)[ORDERED] < 0.99
    assert alike(once, repeated)[ORDERED] < alike(once, repeated)[BEFORE]
    swapped = alike(keys.queries(words(5, 6, 7))[0], keys.queries(words(6, 5, 7))[0])
    assert swapped[ORDERED] < swapped[BEFORE]


def test_words_behind_a_value_are_in_its_key_and_the_value_itself_is_not() -> None:
    keys = made()
    # key t labels token t + 1: the last but one of these is the value
    told = keys.keys(words(1, 2, 7, 5, 6), shift=1)[:, :, 1:2]
    other_value = keys.keys(words(1, 2, 8, 5, 6), shift=1)[:, :, 1:2]
    torch.testing.assert_close(told, other_value)
    other_end = alike(told, keys.keys(words(1, 2, 7, 9, 10), shift=1)[:, :, 1:2])
    assert other_end[ORDERED] > 0.999
    assert other_end[BEHIND] < other_end[BEFORE] < 1
    asked = keys.queries(words(5, 6))[0]
    assert alike(told, asked)[BEHIND] > max(alike(told, asked)[BEFORE], 0.3)


def test_sums_go_on_after_a_cut() -> None:
    keys = made()
    whole, _ = keys.queries(words(1, 2, 3, 4, 5))
    _, sums = keys.queries(words(1, 2))
    rest, _ = keys.queries(words(3, 4, 5), sums)
    torch.testing.assert_close(rest, whole[:, :, 2:])


def test_padding_is_no_word() -> None:
    keys = made()
    valid = torch.tensor([[True, True, True, False, False]])
    padded = keys.keys(words(1, 2, 3, 9, 10), 1, valid)[:, :, :3]
    torch.testing.assert_close(padded, keys.keys(words(1, 2, 3), 1))
