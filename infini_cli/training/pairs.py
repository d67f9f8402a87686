"""Where a memory's own keys and queries begin: at what the base model already knows of which answer belongs where.

A question's last token and the token before the answer in the document both stand where that answer is about to
come, and what the base model has there in mind is partly the same. Canonical correlation analysis of such pairs
(Hotelling 1936) finds the directions of the two that have most in common.

Measured on SmolLM2-135M without any training but this analysis, with held-out questions on one of four facts of one
kind, or on the number of one of four keys, told in 256 tokens; chance is 25%. Inner products of the inputs of layers
17 and 26 in 64 of these directions find the right one in 56 and 57% of the facts and 64 and 61% of the numbers; 256
Hedgehog features of them in 48 to 51% and 55 to 63%. The 64 dimensions of any one attention head's keys and queries, in
layers 14 to 28, find 24 to 37%. The value's own token, in place of the one before it, finds 25 to 30% of the facts,
where that finds 41 to 52% (layers 17 to 26; these last figures with the means of documents left in).

Shapes: N pairs, d width, D head size.
"""

from dataclasses import replace

import torch
from torch import Tensor

from infini_cli.nn.attention import MemoryParameters, earlier, rotation, turned
from infini_cli.nn.memory import empty_state
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.training.batches import collate
from infini_cli.training.lookup import attention_inputs, begins, looked_up
from infini_cli.training.mixture import Part, make_sample
from infini_cli.training.tasks.sample import Setting

SCALE = 2.0  # of the mapped coordinates: how sharply a softmax tells them apart
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
    # by layer, and by whether they are of an answer's first token: queries, keys, and the documents they are of
    pairs: dict[int, dict[bool, list[tuple[Tensor, Tensor, Tensor]]]] = {
        index: {True: [], False: []} for index in memory.layers
    }
    for first in range(0, documents, _BATCH):
        samples = [make_sample(mixture, setting, f"{seed}/{first + i}") for i in range(_BATCH)]
        batch = collate(samples, model.device)
        if not len(batch.sources):
            continue
        wanted, row, place = looked_up(batch)
        question, token = wanted[row].unbind(dim=1)
        begin = begins(wanted[:, 0])[row]
        with attention_inputs(model, memory.layers) as read:
            rows = batch.documents.flatten(0, 1).unsqueeze(1)  # each segment on its own: no memory is read
            model.hidden(rows, empty_state(model.config, len(rows), model.device))
        with attention_inputs(model, memory.layers) as asked:
            model.hidden(
                batch.tokens.unsqueeze(1), empty_state(model.config, len(batch.tokens), model.device)
            )
        for index, found in pairs.items():
            q = asked[index][question, 0, token]
            k = earlier(read[index], memory.key_shift).flatten(0, 2)[place]
            of = first + batch.rows[question]
            for is_first, chosen in ((True, begin), (False, ~begin)):
                found[is_first].append((q[chosen], k[chosen], of[chosen]))
    for parameters, found in zip(model.memories(), pairs.values(), strict=True):
        for is_first, which in ((True, slice(0, None, 2)), (False, slice(1, None, 2))):
            q, k, of = (torch.cat(each) for each in zip(*found[is_first], strict=True))
            _begin_at(parameters, q.double(), k.double(), of, which, memory.map_factor)


def _begin_at(
    parameters: MemoryParameters, q: Tensor, k: Tensor, of: Tensor, which: slice, factor: int
) -> None:
    """Set the key/value heads `which`, and the query heads that read them: see canonical_maps."""
    assert parameters.q is not None
    assert parameters.k is not None
    assert parameters.query_map is not None
    assert parameters.key_map is not None
    kv_heads, dim = parameters.key_map.shape[:2]
    to_q, to_k = canonical_maps(q, k, of, dim)
    # views by key/value head
    own_q = parameters.q.weight.view(kv_heads, -1, dim, len(to_q))  # (G, R, D, d)
    own_k = parameters.k.weight.view(kv_heads, dim, len(to_k))  # (G, D, d)
    own_q[which] = to_q.T.to(own_q)
    own_k[which] = to_k.T.to(own_k)
    if parameters.query_offset is not None and parameters.key_offset is not None:
        parameters.query_offset.view(kv_heads, -1, dim)[which] = (q.mean(dim=0) @ to_q).to(own_q)
        parameters.key_offset[which] = (k.mean(dim=0) @ to_k).to(own_k)
    for g in range(kv_heads)[which]:
        start = turned(SCALE * rotation(dim, torch.Generator().manual_seed(g)), factor).to(own_q)
        parameters.key_map[g] = start
        parameters.query_map.view(kv_heads, -1, *start.shape)[g] = start


def within(x: Tensor, of: Tensor) -> Tensor:
    """Each row of x (N, d) less the mean of its group in `of` (N,)."""
    counts = torch.bincount(of).clamp(min=1)[:, None]
    sums = torch.zeros(len(counts), x.shape[1], dtype=x.dtype, device=x.device).index_add(0, of, x)
    return x - (sums / counts)[of]


def canonical_maps(q: Tensor, k: Tensor, of: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Maps (d, dim) of q (N, d) and k (N, d) onto the `dim` directions in which pairs of one group most agree.

    Of the documents `of` (N,) that pairs are from, the covariance of q and k takes the means off, for what tells
    documents and kinds of questions apart does not tell which answer of a document is asked for. The variances that
    it is measured by leave them in, so that such differences come out small and do not fill a softmax.

    Each has unit variance times sqrt(s / (1 - s^2)), s its correlation: the inner product of two mapped vectors is
    then, up to terms of each alone, the log-odds that they are a pair rather than not (for normal distributions).
    """
    white_q, white_k = _whitening(q), _whitening(k)
    cross = (white_q.T @ within(q, of).T) @ (within(k, of) @ white_k) / len(q)
    u, s, vh = torch.linalg.svd(cross)
    weight = (s / (1 - s**2).clamp(min=_CLOSEST)).sqrt()[:dim]
    return white_q @ u[:, :dim] * weight, white_k @ vh.T[:, :dim] * weight


def _whitening(x: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(torch.cov(x.T))
    return vectors * (values.clamp(min=0) + _RIDGE * values.mean()).rsqrt() @ vectors.T
