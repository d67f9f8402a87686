"""Keys made of words: what they mind, and what they do not."""

import math

import pytest
import torch

from infini_cli.nn.word_keys import HEADS, WordKeys, Words, scan, sums_of_parts
from infini_cli.nn.word_keys import ORDERED as MINDS_ORDER

VOCABULARY, WIDTH, DIM = 30, 24, 16
ORDERED, BEFORE, BEHIND = range(3)  # heads


def made() -> WordKeys:
    torch.manual_seed(0)
    return WordKeys(VOCABULARY, WIDTH, 3, DIM, 2 * DIM)


def words(*ids: int) -> Words:
    table = torch.randn(VOCABULARY, WIDTH, generator=torch.Generator().manual_seed(1))
    tokens = torch.tensor([ids])
    return Words(tokens, table[tokens])


def told(keys: WordKeys, *ids: int, shift: int = 0) -> torch.Tensor:
    """The keys (1, G, T, D) of a document of one segment."""
    tokens, embedded, *_ = words(*ids)
    return keys.keys(Words(tokens[None], embedded[None]), keys.nothing_read(1), shift=shift)[0][:, 0]


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
    value = told(keys, 1, 2, 7, 5, 6, shift=1)[:, :, 2:3]
    torch.testing.assert_close(value, told(keys, 1, 2, 8, 5, 6, shift=1)[:, :, 2:3])
    other_end = alike(value, told(keys, 1, 2, 7, 9, 10, shift=1)[:, :, 2:3])
    assert other_end[ORDERED] > 0.999
    assert other_end[BEHIND] < other_end[BEFORE] < 1
    asked = keys.queries(words(5, 6))[0]
    assert alike(value, asked)[BEHIND] > max(alike(value, asked)[BEFORE], 0.3)


def test_what_lets_nothing_by_parts_what_is_before_it_from_what_is_behind() -> None:
    keys = made()
    with torch.no_grad():
        keys.passing[4] = -30.0
    asked, alone = keys.queries(words(1, 2, 4, 5))[0], keys.queries(words(4, 5))[0]
    torch.testing.assert_close(asked[:, :, -1], alone[:, :, -1])
    # the words behind a value end there too, and it is the last of them
    value = told(keys, 1, 2, 7, 4, 5, shift=1)[:, :, 2]
    torch.testing.assert_close(value, told(keys, 1, 2, 7, 4, 9, shift=1)[:, :, 2])
    assert not torch.allclose(value, told(keys, 1, 2, 7, 6, 9, shift=1)[:, :, 2])


def test_what_a_segment_cuts_in_two_is_found_as_if_it_did_not() -> None:
    keys = made()
    tokens, embedded, *_ = words(1, 2, 3, 7, 8, 9, 10, 11)
    whole, after = keys.keys(Words(tokens[None], embedded[None]), keys.nothing_read(1), shift=1)
    cut = Words(tokens.view(1, 2, 4), embedded.view(1, 2, 4, WIDTH))
    parts, after_parts = keys.keys(cut, keys.nothing_read(1), shift=1)
    torch.testing.assert_close(after_parts, after)
    # of what stands before a token nothing is lost; the words behind it are those of its segment
    torch.testing.assert_close(parts[:, 1], whole[:, 0, :, 4:])
    one, between = keys.keys(Words(cut.ids[:, :1], cut.embedded[:, :1]), keys.nothing_read(1), shift=1)
    other, last = keys.keys(Words(cut.ids[:, 1:], cut.embedded[:, 1:]), between, shift=1)
    torch.testing.assert_close(torch.cat((one, other), dim=1), parts)
    torch.testing.assert_close(last, after)
    begun, _ = keys.keys(cut, keys.nothing_read(1), shift=1, fresh=torch.tensor([[True, True]]))
    torch.testing.assert_close(begun[:, 1], told(keys, 8, 9, 10, 11, shift=1))


def test_sums_go_on_after_a_cut() -> None:
    keys = made()
    whole, _ = keys.queries(words(1, 2, 3, 4, 5))
    _, sums = keys.queries(words(1, 2))
    rest, _ = keys.queries(words(3, 4, 5), sums)
    torch.testing.assert_close(rest, whole[:, :, 2:])


@pytest.mark.parametrize("length", [1, 31, 32, 33, 100])
def test_a_scan_goes_on_from_chunk_to_chunk(length: int) -> None:
    x, fading = torch.randn(2, 3, length, 4), -torch.rand(2, 3, length)
    fading[..., ::7] = -5.0  # a full stop
    y, expected = torch.zeros(2, 3, 4), []
    for t in range(length):
        y = x[..., t, :] + fading[..., t, None].exp() * y
        expected.append(y)
    torch.testing.assert_close(scan(x, fading), torch.stack(expected, dim=-2))


def test_padding_is_no_word() -> None:
    keys = made()
    tokens, embedded, *_ = words(1, 2, 3, 9, 10)
    valid = torch.tensor([[[True, True, True, False, False]]])
    padded = Words(tokens[None], embedded[None])
    found, after = keys.keys(padded, keys.nothing_read(1), shift=1, valid=valid)
    short = Words(tokens[None, :, :3], embedded[None, :, :3])
    expected, expected_after = keys.keys(short, keys.nothing_read(1), shift=1)
    torch.testing.assert_close(found[:, :, :, :3], expected)
    torch.testing.assert_close(after, expected_after)
    _, unchanged = keys.keys(padded, after, shift=1, valid=torch.zeros_like(valid))
    torch.testing.assert_close(unchanged, after)


def test_what_goes_on_depends_on_the_subject_too_where_keys_have_parts() -> None:
    """ "3" after "the door" and "3" after "the gate" are not the same place."""
    found = []
    for parts in (1, 2):
        torch.manual_seed(0)
        keys = WordKeys(VOCABULARY, WIDTH, 3, 48, 2 * DIM, parts)
        one, other = (keys.queries(words(subject, 4, 5, 6, 7, 8, 10, 9, 3))[0] for subject in (11, 12))
        found.append(alike(one, other)[ORDERED])
    assert found[1] < found[0] - 0.01


@pytest.mark.parametrize("heads", range(2, 9))
def test_a_head_that_minds_the_order_ends_with_the_sum_of_one_that_does_not(heads: int) -> None:
    own, made_of = sums_of_parts(heads, 3)
    assert sorted(set(made_of)) == list(range(len(own)))
    for part, number in enumerate(made_of):
        head = own[number] // 3
        if part % 3 == 2 and MINDS_ORDER[part // 3 % HEADS]:
            assert not MINDS_ORDER[head % HEADS]
            assert abs(head - part // 3) < HEADS
        else:
            assert own[number] == part


def test_each_part_of_a_head_that_minds_the_order_reaches_further_back() -> None:
    keys = WordKeys(VOCABULARY, WIDTH, 3, 48, 2 * DIM, 3)
    one, other = (keys.queries(words(first, 4, 5, 6, 7))[0][0, ORDERED, -1] for first in (11, 12))
    near, far = ((one * other).unflatten(-1, (3, -1))[:2].sum(dim=-1) / 16).tolist()
    assert far < near < 1


def test_what_goes_on_teaches_the_subject_nothing() -> None:
    keys = WordKeys(VOCABULARY, WIDTH, 3, DIM * 3, 2 * DIM, 3)
    size = DIM
    for head, own in ((ORDERED, (0, 1)), (BEFORE, (2, 3, 4)), (BEHIND, (5, 6, 7))):
        keys.projection.weight.grad = None
        keys.queries(words(3, 4, 5))[0][0, head, -1].square().mul(torch.rand(3 * DIM)).sum().backward()
        learned = keys.projection.weight.grad.split(size)
        assert tuple(n for n, rows in enumerate(learned) if rows.any()) == own


def test_where_parts_count_is_told_by_what_a_layer_sees() -> None:
    torch.manual_seed(0)
    keys = WordKeys(VOCABULARY, WIDTH, 3, DIM, 2 * DIM, 2, context=4)
    assert keys.shares is not None
    with torch.no_grad():
        keys.shares.plain.weight[1, 0] = 50.0  # the ordered head's second part
    asked = words(11, 9, 3)
    size = DIM // 2
    for seen, alone in ((-1.0, slice(0, size)), (1.0, slice(size, DIM))):
        noted = torch.full((1, 3, WIDTH), 0.0)
        noted[..., 0] = seen
        query = keys.queries(asked._replace(noted=noted))[0][0, ORDERED, -1]
        torch.testing.assert_close(query[alone].norm(), torch.tensor(math.sqrt(DIM)))
        told_so = Words(asked.ids[None], asked.embedded[None], noted[None])
        key = keys.keys(told_so, keys.nothing_read(1), shift=1)[0][0, 0, ORDERED]
        torch.testing.assert_close(key[1, alone].norm(), torch.tensor(math.sqrt(DIM)))
        # of what stands before a segment's first token no layer has seen anything: its parts count alike
        torch.testing.assert_close(key[0, size:].norm(), torch.tensor(math.sqrt(DIM / 2)))
