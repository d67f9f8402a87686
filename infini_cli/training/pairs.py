"""Where a memory's own keys and queries begin: at what the base model already knows of which answer belongs where.

A question's last token and the token before the answer in the document both stand where that answer is about to
come, and what the base model has there in mind is partly the same. Canonical correlation analysis of such pairs
(Hotelling 1936) finds the directions of the two that have most in common.

Measured on SmolLM2-135M, layers 17 to 26, with held-out questions on one of four facts of one kind, or on the number of
one of four keys, told in 256 tokens; chance is 25%. Inner products of the layers' whole inputs in these directions find
the right one in 43 to 59% of the facts and 58 to 68% of the numbers; those of the 64 dimensions of any one attention
head's keys and queries in 24 to 37%. With the means of documents left in, the token before the value gives 41 to 52% of
the facts, the value's own token 25 to 30%. A Hedgehog map of the directions loses much of this: with a start from 240
documents of the mixed tasks inner products find 32 to 49% and the features 25 to 34%, because what all questions of one
kind have in common still fills the softmax.

Shapes: N pairs, d width, D head size.
"""

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from infini_cli.nn.attention import MemoryParameters, earlier, turned
from infini_cli.nn.memory import empty_state
from infini_cli.nn.transformer import InfiniTransformer, Layer
from infini_cli.training.batches import collate
from infini_cli.training.lookup import attention_inputs, begins, looked_up
from infini_cli.training.mixture import Part, make_sample
from infini_cli.training.tasks.sample import Setting

SCALE = 1.5  # of the mapped coordinates: how sharply a softmax tells them apart
_RIDGE = 0.1  # of the mean variance, added to each
_CLOSEST = 0.1  # 1 - s^2 is not taken to be smaller
_BATCH = 8


@torch.no_grad()
def align_on_pairs(
    model: InfiniTransformer, mixture: tuple[Part, ...], setting: Setting, documents: int, seed: str
) -> None:
    """Set own keys, queries and maps of every memory layer from so many generated documents and their questions.

    Every second key/value head begins at what tells the first token of an answer, the others at what tells those after
    it, which is mostly the tokens before them.
    """
    memory = model.config.memory
    assert memory is not None
    setting = replace(setting, segment_length=memory.segment_length, split="train")
    pairs: dict[int, list[list[Tensor]]] = {index: [[], [], [], []] for index in memory.layers}
    for first in range(0, documents, _BATCH):
        samples = [make_sample(mixture, setting, f"{seed}/{first + i}") for i in range(_BATCH)]
        batch = collate(samples, model.device)
        if not len(batch.sources):
            continue
        wanted, row, place = looked_up(batch)
        question, token = wanted[row].unbind(dim=1)
        begin = begins(wanted[:, 0])[row]
        with attention_inputs(model) as read:
            rows = batch.documents.flatten(0, 1).unsqueeze(1)  # each segment on its own: no memory is read
            model.hidden(rows, empty_state(model.config, len(rows), model.device))
        with attention_inputs(model) as asked:
            model.hidden(
                batch.tokens.unsqueeze(1), empty_state(model.config, len(batch.tokens), model.device)
            )
        for index, found in pairs.items():
            q = asked[index][question, 0, token]
            k = earlier(read[index], memory.key_shift).flatten(0, 2)[place]
            # what tells the answers of one document apart, not what tells documents and kinds of questions apart
            of = batch.rows[question[begin]]
            firsts = (within(q[begin], of), within(k[begin], of))
            for values, each in zip(found, (*firsts, q[~begin], k[~begin]), strict=True):
                values.append(each)
    for index, found in pairs.items():
        parameters = cast(Layer, model.layers[index]).memory
        assert parameters is not None
        first_q, first_k, next_q, next_k = (torch.cat(each).double() for each in found)
        _begin_at(parameters, first_q, first_k, slice(0, None, 2), memory.map_factor)
        _begin_at(parameters, next_q, next_k, slice(1, None, 2), memory.map_factor)


def _begin_at(parameters: MemoryParameters, q: Tensor, k: Tensor, which: slice, factor: int) -> None:
    """Set the key/value heads `which`, and the query heads that read them, from pairs (N, d) and (N, d)."""
    assert parameters.q is not None
    assert parameters.k is not None
    assert parameters.query_map is not None
    assert parameters.key_map is not None
    kv_heads, dim = parameters.key_map.shape[:2]
    to_q, to_k = canonical_maps(q, k, dim)
    # views by key/value head
    own_q = parameters.q.weight.view(kv_heads, -1, dim, len(to_q))  # (G, R, D, d)
    own_k = parameters.k.weight.view(kv_heads, dim, len(to_k))  # (G, D, d)
    own_q[which] = to_q.T.to(own_q)
    own_k[which] = to_k.T.to(own_k)
    if parameters.query_offset is not None and parameters.key_offset is not None:
        parameters.query_offset.view(kv_heads, -1, dim)[which] = (q.mean(dim=0) @ to_q).to(own_q)
        parameters.key_offset[which] = (k.mean(dim=0) @ to_k).to(own_k)
    for g in range(kv_heads)[which]:
        start = turned(SCALE * _rotation(dim, g), factor).to(own_q)
        parameters.key_map[g] = start
        parameters.query_map.view(kv_heads, -1, *start.shape)[g] = start


def within(x: Tensor, group: Tensor) -> Tensor:
    """Each row of x (N, d) less the mean of its group (N,), plus the mean of all."""
    counts = torch.bincount(group).clamp(min=1)[:, None]
    means = torch.zeros(len(counts), x.shape[1], dtype=torch.float64, device=x.device)
    means.index_add_(0, group, x.double())
    return (x.double() - (means / counts)[group] + x.double().mean(dim=0)).to(x.dtype)


def canonical_maps(q: Tensor, k: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Maps (d, dim) of q (N, d) and k (N, d) onto their `dim` most correlated directions.

    Each has unit variance times sqrt(s / (1 - s^2)), s its correlation: the inner product of two mapped vectors is
    then, up to terms of each alone, the log-odds that they are a pair rather than not (for normal distributions).
    """
    white_q, white_k = _whitening(q), _whitening(k)
    cross = (white_q.T @ (q - q.mean(dim=0)).T) @ ((k - k.mean(dim=0)) @ white_k) / len(q)
    u, s, vh = torch.linalg.svd(cross)
    weight = (s / (1 - s**2).clamp(min=_CLOSEST)).sqrt()[:dim]
    return white_q @ u[:, :dim] * weight, white_k @ vh.T[:, :dim] * weight


def _whitening(x: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(torch.cov(x.T))
    return vectors * (values.clamp(min=0) + _RIDGE * values.mean()).rsqrt() @ vectors.T


def _rotation(dim: int, seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(dim, dim, generator=random, dtype=torch.float64))[0]
