"""Heads that go on from the last words read behind a read that has begun, and not before."""

import torch

from infini_cli.nn.attention import MemoryParameters
from tests.unit.nn.networks import BASE, FORMS


def parameters() -> MemoryParameters:
    """Gates that are open, each head for itself, where one dimension of what they look at is above zero."""
    memory = MemoryParameters(BASE, FORMS["words-in-context"])
    assert memory.read is not None
    with torch.no_grad():
        memory.beta.fill_(-10.0)
        memory.read.weight.zero_()
        for head in range(BASE.n_heads):
            memory.read.weight[head, head] = 20.0
    return memory


def seen(*opened: tuple[int, ...]) -> torch.Tensor:
    """What gates look at (T, d), such that these heads are open at each token."""
    hidden = torch.zeros(len(opened), BASE.d_model)
    for token, heads in enumerate(opened):
        hidden[token, list(heads)] = 1.0
    return hidden


# of two key/value heads with two query heads each the first goes on from the last words
FOLLOWS, LEADS = 0, 2


def test_what_no_head_has_begun_is_not_gone_on_with() -> None:
    share, begun = parameters().share(seen((FOLLOWS,), (), (LEADS,), (FOLLOWS,), (FOLLOWS,)))
    assert (share > 0).nonzero().tolist() == [[FOLLOWS, 3], [FOLLOWS, 4], [LEADS, 2]]
    assert bool(begun)
    _, begun = parameters().share(seen((FOLLOWS,), ()))
    assert not begun


def test_tokens_that_come_one_by_one_go_on_as_all_at_once() -> None:
    memory = parameters()
    opened = ((FOLLOWS,), (LEADS,), (), (FOLLOWS,))
    whole, _ = memory.share(seen(*opened))
    begun, parts = None, []
    for heads in opened:
        share, begun = memory.share(seen(heads), begun)
        parts.append(share)
    assert torch.equal(torch.cat(parts, dim=1), whole)


def test_each_segment_begins_anew() -> None:
    hidden = torch.stack([seen((LEADS,), (FOLLOWS,)), seen((FOLLOWS,), (FOLLOWS,))])  # (S, T, d)
    share, begun = parameters().share(hidden)
    assert (share[1] > 0).sum() == 0
    assert begun.tolist() == [True, False]
