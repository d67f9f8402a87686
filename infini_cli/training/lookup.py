"""Teaching a memory where to look: reads for an answer's tokens are drawn to the tokens of the document that hold them.

With linear attention a read is a mean over everything written, A_mem = sum_t p(t) v_t, where p(t) is in proportion to
w_t phi(q) · phi(k_t). The answer's cross-entropy reaches keys, queries and write gates only through that mean, and
learns slowly to tell many keys apart. For generated documents the right t are known, so both halves of p can be taught
directly: the gates, to keep what any question of the batch asks for and little else; keys and queries, to tell what
this question asks for from what the others ask of the same document. Taught as one, keys and queries do the gates'
work: the features of all answers become the same one, and a softmax that is sure of itself learns no more.

Shapes: B documents, S segments, T tokens in a segment, n = B * S * T, Q questions, L tokens asked, N scored tokens,
H query heads, G key/value heads, R = H / G, F features, d width.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor

from infini_cli.nn.attention import group
from infini_cli.nn.transformer import InfiniTransformer, Layer
from infini_cli.training.batches import IGNORED, Batch

_FLOOR = 1e-6  # of a probability


@contextmanager
def attention_inputs(model: InfiniTransformer, layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    """While the block runs, the last input (…, T, d) of the attention of each of these layers, with its graph."""
    seen: dict[int, Tensor] = {}
    hooks = [
        cast(Layer, model.layers[index]).attn_norm.register_forward_hook(
            lambda _module, _inputs, hidden, index=index: seen.update({index: hidden})
        )
        for index in layers
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def lookup_loss(
    model: InfiniTransformer, batch: Batch, read: dict[int, Tensor], asked: dict[int, Tensor]
) -> Tensor:
    """The sum of two means of -log over scored tokens that have sources, layers and heads; 0 if no token has any.

    The first is of a read's share on the right tokens among all that are asked for of the document, without gates; the
    second of its gated share on all that are asked for among all tokens of the batch, which trains the gates alone.

    read: the inputs (B, S, T, d) of the memory layers while the documents were read; asked: those (Q, 1, L, d) of the
    questions.
    """
    if not len(batch.sources):
        return torch.zeros((), device=model.device)
    wanted, row, place = looked_up(batch)
    asked_for = place.unique()  # all tokens that any question of the batch is to find
    share = token_shares(wanted[:, 0])  # (N,)
    # what is asked for of the same document: that which is hardest to tell apart
    document = asked_for // batch.documents[0].numel()
    own = batch.rows[wanted[:, 0]][:, None] == document  # (N, number of asked_for)
    losses = []
    for index in model.config.memory_layers:
        layer = cast(Layer, model.layers[index])
        memory = layer.memory
        assert memory is not None
        asking = asked[index].flatten(1, 2)[wanted[:, 0], wanted[:, 1]]  # (N, d)
        asking = asking.unsqueeze(0)  # (1, N, d)
        phi_q = memory.query_features(memory.queries(asking, layer.attn.queries(asking)))[0]  # (H, N, F)
        hidden = read[index]  # (B, S, T, d)
        writes = layer.attn.writes(hidden, *layer.attn.keys_values(hidden), memory, None)
        phi_k = torch.stack([phi for phi, _, _ in writes]).transpose(0, 1)  # (B, S, G, T, F)
        phi_k = phi_k.movedim(2, 0).flatten(1, 3)  # (G, n, F)
        weights = group(phi_q, len(phi_k)) @ phi_k.transpose(-1, -2)  # (G, R*N, n)
        weights = weights.unflatten(1, (-1, len(wanted)))  # (G, R, N, n)
        right = torch.zeros_like(weights[..., 0]).index_add(2, row, weights[..., row, place])  # (G, R, N)
        found = right / ((weights[..., asked_for] * own).sum(dim=-1) + _FLOOR)  # (G, R, N)
        losses.append(-(share * (found + _FLOOR).log()).sum(dim=-1).mean())
        if memory.write is not None:
            strength = torch.stack([each for _, _, each in writes if each is not None])  # (S, B, G, T)
            strength = strength.permute(2, 1, 0, 3).flatten(1)[:, None, None]  # (G, 1, 1, n)
            gated = weights.detach() * strength
            kept = gated[..., asked_for].sum(dim=-1) / (gated.sum(dim=-1) + _FLOOR)  # (G, R, N)
            losses.append(-(share * (kept + _FLOOR).log()).sum(dim=-1).mean())
    return torch.stack(losses).sum() / len(model.config.memory_layers)


def looked_up(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """The N scored tokens that have sources, and P pairs of one of them and one of its sources.

    Returns question and token of each (N, 2), and of each pair the scored token's number (P,) and the source (P,).
    """
    scored, place = batch.sources.unbind(dim=1)
    numbers, row = scored.unique(return_inverse=True)
    return (batch.targets != IGNORED).nonzero()[numbers], row, place


def begins(question: Tensor) -> Tensor:
    """(N,) bool: the first token of each question's answer, of tokens in order, given the question of each (N,)."""
    return torch.cat((question.new_ones(1, dtype=torch.bool), question[1:] != question[:-1]))


def token_shares(question: Tensor) -> Tensor:
    """(N,) summing to one: a question's first token counts as much as all others of its answer together.

    The first must be told apart by what the question asks for; the others are told apart by those before them.
    """
    counts = torch.bincount(question)[question]
    shares = torch.where(begins(question), 1.0, 1.0 / (counts - 1).clamp(min=1))
    return shares / shares.sum()
