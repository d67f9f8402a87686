"""Teaching a memory where to look: reads for an answer's tokens are drawn to the tokens of the document that hold them.

With linear attention a read is a mean over everything written, A_mem = sum_t p(t) v_t, where p(t) is in proportion to
w_t phi(q) · phi(k_t). The answer's cross-entropy reaches keys, queries and write gates only through that mean, and
learns slowly to tell many keys apart. For generated documents the right t are known, so both halves of p can be taught
directly: the gates, to keep what any question of the batch asks for and little else; keys and queries, to tell what
this question asks for from what the others ask of the same document. Taught as one, keys and queries do the gates'
work: the features of all answers become the same one, and a softmax that is sure of itself learns no more.

Shapes: B documents, S segments, T tokens in a segment, n = B * S * T, Q questions, L tokens asked, N scored tokens,
A tokens asked for, H query heads, G key/value heads, R = H / G, F features, d width.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor

from infini_cli.nn.attention import group
from infini_cli.nn.memory import MemoryState
from infini_cli.nn.transformer import InfiniTransformer, Layer
from infini_cli.nn.word_keys import ordered_heads
from infini_cli.training.batches import IGNORED, Batch

_FLOOR = 1e-6  # of a probability
_ROWS = 8  # texts of like length that are run together
_EVERY = 4  # scored token that teaches the gates: reads of all of them take long


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


@torch.no_grad()
def inputs_below(
    model: InfiniTransformer, tokens: Tensor, layers: Collection[int], lengths: Tensor | None = None
) -> dict[int, Tensor]:
    """The input (N, T, d) of the attention of each of these layers, in bfloat16, of texts (N, T) of one segment each.

    Nothing is read from an empty memory, and nothing is written: no more than the base model is run, up to the last of
    the layers.

    lengths (N,): of the texts without their padding, whose inputs mean nothing; by default they have none. Texts of
    like length are run together.
    """
    if lengths is None:
        return _inputs_below(model, tokens, layers)
    shape = (*tokens.shape, model.config.d_model)
    inputs = {layer: torch.zeros(shape, dtype=torch.bfloat16, device=model.device) for layer in layers}
    for rows in lengths.argsort().split(_ROWS):
        longest = int(lengths[rows].max())
        for layer, seen in _inputs_below(model, tokens[rows, :longest], layers).items():
            inputs[layer][rows, :longest] = seen
    return inputs


def _inputs_below(model: InfiniTransformer, tokens: Tensor, layers: Collection[int]) -> dict[int, Tensor]:
    words = model.words(tokens.unsqueeze(1))
    x, turns = words.embedded, model.turns(0, tokens.shape[-1])
    seen = {}
    for index in range(max(layers) + 1):
        layer = cast(Layer, model.layers[index])
        if index in layers:
            seen[index] = layer.attn_norm(x)[:, 0].bfloat16()
        if index < max(layers):
            x, _ = layer(x, words, turns, None, None, None)
    return seen


class Lookup(NamedTuple):
    """What a batch's scored tokens are to find.

    Heads divide the work: those that mind the order of words go on from an answer's last token, the others look for its
    first word. So each has its own tokens to find, and to keep: where an answer begins, its later tokens would only be
    in the way. A document often has in one token what begins an answer in several; they all count as its first word,
    and are found by what the question is about.
    """

    wanted: Tensor  # (N, 2) question and token of each scored token that has sources
    asked_for: Tensor  # (A,) all tokens of the documents, flat, that any of them is to find
    right: Tensor  # (N, A) bool: what each is to find
    own: Tensor  # (N, A) bool: what is asked for of the same document, which is hardest to tell apart
    first: Tensor  # (N,) bool: whether it is, or is of, the word that the answer begins with
    second: Tensor  # (N,) bool: whether it comes right behind that
    last: Tensor  # (N,) bool: whether it ends its answer

    @classmethod
    def of(cls, batch: Batch) -> "Lookup":
        """Of a batch that has sources."""
        scored, place = batch.sources.unbind(dim=1)
        numbers, row = scored.unique(return_inverse=True)
        wanted = (batch.targets != IGNORED).nonzero()[numbers]
        asked_for, column = place.unique(return_inverse=True)
        right = torch.zeros(len(wanted), len(asked_for), dtype=torch.bool, device=place.device)
        right[row, column] = True
        document = asked_for // batch.documents[0].numel()
        own = batch.rows[wanted[:, 0]][:, None] == document
        begun = begins(wanted[:, 0])
        beginning = right[begun][begun.cumsum(0) - 1]  # what the first token of each one's answer is to find
        left = (batch.targets != IGNORED).sum(dim=1)[wanted[:, 0]]  # scored tokens of each one's question
        scored = (batch.targets != IGNORED).cumsum(dim=1)
        last = scored[wanted[:, 0], wanted[:, 1]] == left
        first = (right & beginning).any(dim=1)
        second = ~first & first.roll(1) & ~begun
        return cls(wanted, asked_for, right, own, first, second, last)

    def tasks(self, heads: int) -> Tensor:
        """(G, N) bool: which scored tokens are the task of which of so many heads; all of them that of a single one."""
        goes_on = torch.tensor(ordered_heads(heads), device=self.first.device).unsqueeze(1)  # (G, 1)
        return (goes_on != self.first) if heads > 1 else torch.ones_like(self.first).unsqueeze(0)

    def thirds(self) -> tuple[Tensor, Tensor, Tensor]:
        """Which scored tokens are of an answer's first word, come right behind it, and later: (N,) bool each.

        Each third counts alike in what is learned: what comes second is few of all tokens, and the hardest to tell from
        what comes second in answers that begin alike.
        """
        return self.first, self.second, ~(self.first | self.second)

    def sought(self, task: Tensor) -> Tensor:
        """The tokens of the documents, flat, that a head of this task (N,) is to find."""
        return self.asked_for[self.right[task].any(dim=0)]

    def ends(self) -> Tensor:
        """Which of the tokens that are asked for end an answer, and are nothing else to any question: (A,) bool."""
        return self.right[self.last].any(dim=0) & ~self.right[~self.last].any(dim=0)

    def missed(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of reads that give weights (G, R, N, A) to what is asked for, no gates.

        A read finds what is right if one of its heads does, of those whose task it is, which may so divide the ways in
        which things are said between them.

        Returns -log of the mean share on the right of all tokens that its heads are asked for, which are as many as a
        long document leaves in a memory, a mean over `thirds`; and the share among those of the same document, (N,).
        """
        tasks = self.tasks(len(weights))
        weights = weights * (tasks.float() @ self.right.float() > 0)[:, None, None]  # (G, R, N, A)
        right = (weights * self.right).sum(dim=-1)  # (G, R, N)
        found = _of_heads(right / (weights.sum(dim=-1) + _FLOOR), tasks)
        among_own = _of_heads(right / ((weights * self.own).sum(dim=-1) + _FLOOR), tasks)
        losses = -(found + _FLOOR).log()
        parts = [losses[third].mean() for third in self.thirds() if third.any()]
        return torch.stack(parts).mean(), among_own.detach()

    def lost(self, looks: Callable[[int, Tensor], Tensor], strength: Tensor, *, each: bool = False) -> Tensor:
        """-log of the share of all that a head is asked for in what its reads find under gates of strength (G, n).

        With `each` only what the read itself is to find counts: then gates that keep one thing well and the others not
        at all have lost, which answers must else teach them.

        looks: what a head, by its number, gives all tokens of the documents when it reads for some of the wanted
        tokens (N',), no gates: (R or 1, N', n). Of the last of `thirds` every fourth is looked at.
        """
        losses = []
        first, second, later = self.thirds()
        for g, task in enumerate(self.tasks(len(strength))):
            thirds = [(task & first).nonzero(), (task & second).nonzero(), (task & later).nonzero()[::_EVERY]]
            rows = torch.cat(thirds)[:, 0]
            if not len(rows):
                continue
            gated = looks(g, rows) * strength[g]
            wanted = self.right[rows] if each else self.right[task].any(dim=0)  # (N', A) or (A,)
            kept = (gated[..., self.asked_for] * wanted).sum(dim=-1)
            lost = -(kept / (gated.sum(dim=-1) + _FLOOR) + _FLOOR).log()  # (R or 1, N')
            parts = lost.split([len(third) for third in thirds], dim=-1)
            losses.append(torch.stack([part.mean() for part in parts if part.numel()]).mean())
        return torch.stack(losses).mean()


def lookup_loss(
    model: InfiniTransformer,
    batch: Batch,
    before: MemoryState,
    read: dict[int, Tensor],
    asked: dict[int, Tensor],
) -> Tensor:
    """What reads miss (`Lookup.missed`) and what gates lose (`Lookup.lost`), means over layers; 0 without any source.

    The first trains keys and queries, and is left out for word keys, which stay as they are; the second gates alone.

    before: what the documents (B rows) were read after; read: what the write gates (B, S, T, d) looked at, by layer;
    asked: those (Q, 1, L, d) of the questions; none are needed with word keys.
    """
    if not len(batch.sources):
        return torch.zeros((), device=model.device)
    lookup = Lookup.of(batch)
    told, asking = model.words(batch.documents), model.words(batch.tokens.unsqueeze(1))
    config = model.config.memory
    assert config is not None
    if config.word_context:
        seen = config.gate_layer(config.layers[0])
        told, asking = told._replace(noted=read[seen]), asking._replace(noted=asked[seen])
    behind = model.behind(before, None, batch.documents.shape[1])
    asked_behind = None if behind is None else behind.new_ones(len(batch.tokens), 1)
    losses = []
    for index, held in zip(config.layers, before, strict=True):
        layer = cast(Layer, model.layers[index])
        memory = layer.memory
        assert memory is not None
        if memory.words is None:
            q = layer.attn.queries(asked[index], asked_behind)  # (Q, 1, H, L, D)
        else:
            q, _ = memory.words.queries(asking)  # (Q, 1, G, L, D)
        phi_q = memory.query_features(at(q, lookup.wanted))  # (H or G, N, F)
        noted = read[config.gate_layer(index)]
        own = None if memory.made_of_words else layer.attn.keys_values(noted, behind)
        writes, _ = layer.attn.writes(noted, told, memory, held.words, None, None, own)
        phi_k = memory.key_features(writes.keys).movedim(2, 0).flatten(1, 3)  # (G, n, F)
        if memory.words is None:
            losses.append(lookup.missed(products(phi_q, phi_k[:, lookup.asked_for]))[0])
        if writes.strength is not None:
            strength = writes.strength.movedim(2, 0).flatten(1)  # (G, n)
            asked_by = _by_group(phi_q, len(phi_k))  # (G, R or 1, N, F)
            looks = partial(_looks, asked_by, phi_k)
            losses.append(lookup.lost(looks, strength))
    return sum(losses, torch.zeros((), device=model.device)) / len(model.config.memory_layers)


@torch.no_grad()
def _looks(asked: Tensor, phi_k: Tensor, head: int, rows: Tensor) -> Tensor:
    """What a head of asked (G, R or 1, N, F) gives all tokens of phi_k (G, n, F) for some rows: (R or 1, N', n)."""
    return asked[head][:, rows] @ phi_k[head].T


def _of_heads(shares: Tensor, tasks: Tensor) -> Tensor:
    """The mean (N,) of shares (G, R, N) over the heads (G, N) whose task each token is."""
    return (shares.mean(dim=1) * tasks).sum(dim=0) / tasks.sum(dim=0)


def at(q: Tensor, wanted: Tensor) -> Tensor:
    """The queries (H, N, D) of the wanted (N, 2) questions and tokens among q (Q, 1, H, L, D)."""
    return q[wanted[:, 0], 0, :, wanted[:, 1]].transpose(0, 1)


def products(phi_q: Tensor, phi_k: Tensor) -> Tensor:
    """phi_q (H or G, N, F) · phi_k (G, n, F): (G, R or 1, N, n)."""
    return _by_group(phi_q, len(phi_k)) @ phi_k.transpose(-1, -2).unsqueeze(1)


def _by_group(phi_q: Tensor, heads: int) -> Tensor:
    """phi_q (H or G, N, F) by the key/value head whose memory it reads: (G, R or 1, N, F)."""
    return group(phi_q, heads).unflatten(1, (-1, phi_q.shape[-2]))


def begins(question: Tensor) -> Tensor:
    """(N,) bool: the first token of each question's answer, of tokens in order, given the question of each (N,)."""
    return torch.cat((question.new_ones(1, dtype=torch.bool), question[1:] != question[:-1]))
