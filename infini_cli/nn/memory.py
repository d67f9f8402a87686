"""The compressive memory of one attention layer (Infini-attention, arXiv 2404.07143, equations 7 to 9).

Pure functions: the state goes in and a new state comes out. Shapes: B batch, S segments, T tokens in a segment,
H query heads, G key/value heads, D head size, F feature size. The state is always float32.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from infini_cli.nn.config import FeatureMap, ModelConfig, UpdateRule


class LayerMemory(NamedTuple):
    """What one layer remembers."""

    matrix: Tensor  # M (B, G, F, D) float32
    norm: Tensor  # z (B, G, F) float32
    words: Tensor  # (B, G, K) float32, sums of the words read last: see WordKeys; K is 0 without word keys


MemoryState = tuple[LayerMemory, ...]  # one per memory layer, in layer order


def empty_state(config: ModelConfig, batch: int = 1, device: torch.device | str = "cpu") -> MemoryState:
    """The state before anything was read: all zero."""
    if config.memory is None:
        return ()
    features, heads = config.memory.feature_dim(config.head_dim), config.n_kv_heads
    return tuple(
        LayerMemory(
            torch.zeros(batch, heads, features, config.head_dim, device=device),
            torch.zeros(batch, heads, features, device=device),
            torch.zeros(batch, heads, config.memory.word_keys, device=device),
        )
        for _ in config.memory.layers
    )


def state_bytes(state: MemoryState) -> int:
    """Size of a state in bytes; it does not depend on how much was read."""
    return sum(t.numel() * t.element_size() for layer in state for t in layer)


def state_to(state: MemoryState, device: torch.device | str) -> MemoryState:
    return tuple(LayerMemory(*(t.to(device) for t in layer)) for layer in state)


def emptied(state: MemoryState) -> MemoryState:
    """The state of a model that has read nothing."""
    return tuple(LayerMemory(*map(torch.zeros_like, layer)) for layer in state)


def take_rows(state: MemoryState, rows: Tensor) -> MemoryState:
    """The state of the given rows (Q,)."""
    return tuple(LayerMemory(*(t[rows] for t in layer)) for layer in state)


def empty_rows(memory: LayerMemory, fresh: Tensor) -> LayerMemory:
    """The memory with the rows emptied where `fresh` (B,) bool is True: a new document begins there."""
    return LayerMemory(*(t.masked_fill(fresh.view(-1, *[1] * (t.dim() - 1)), 0.0) for t in memory))


def features(
    x: Tensor,
    feature_map: FeatureMap,
    weight: Tensor | None,
    offset: Tensor | None = None,
    groups: int = 1,
) -> Tensor:
    """phi(x): non-negative float32 features (…, heads, T, F) of un-rotated queries or keys x (…, heads, T, D).

    `elu` is ELU + 1 (paper, section 2.1.1). The learned maps first take its own `offset` (heads, D) from each head, if
    there is one, and multiply it by its own `weight` (heads, D, E), E = D but for `hedgehog`. Then `elu-map` takes
    ELU + 1; `dpfp-3` takes the deterministic parameter-free projection with nu = 3 (arXiv 2102.11174, equation 37):
    r = relu([x, -x]) times itself rolled by 1, 2 and 3; `hedgehog` takes the softmax over [x, -x] (arXiv 2402.04347,
    section 4.2, normalised over the features as in LoLCATs, arXiv 2410.10254), or, with `groups`, the mean of as many
    softmaxes, each over a share of the rows: a softmax that is sure of itself tells whether two keys fall into one of
    its features, and the more of them are asked, the less does it depend on chance how alike two keys look.
    """
    x = x.float()
    if offset is not None:
        x = x - offset.unsqueeze(-2)
    if weight is not None:
        x = torch.einsum("...htd,hde->...hte", x, weight)
    if feature_map == "dpfp-3":
        r = F.relu(torch.cat((x, -x), dim=-1))  # (…, 2D)
        return torch.cat([r * r.roll(shift, dims=-1) for shift in (1, 2, 3)], dim=-1)  # (…, 6D)
    if feature_map == "hedgehog":
        x = x.unflatten(-1, (groups, -1))  # (…, groups, E/groups)
        return torch.cat((x, -x), dim=-1).softmax(dim=-1).flatten(-2) / groups  # (…, 2E)
    return F.elu(x) + 1.0


def retrieve(phi: Tensor, memory: LayerMemory, eps: float) -> Tensor:
    """A_mem = phi M / (phi · z + eps), equation 7, float32.

    phi (B, G, N, F) with any number N of rows; returns (B, G, N, D). An empty memory gives zero, never NaN.
    """
    numerator = phi @ memory.matrix  # (B, G, N, D)
    denominator = phi @ memory.norm.unsqueeze(-1)  # (B, G, N, 1)
    return numerator / (denominator + eps)


def update(
    memory: LayerMemory, phi: Tensor, values: Tensor, strength: Tensor | None, *, rule: UpdateRule, eps: float
) -> LayerMemory:
    """The memory after one segment was folded in: equation 8 (`linear`) or 9 (`delta`).

    phi (B, G, T, F) features of the keys; values (B, G, T, D); strength (B, G, T) in [0, 1], the write gate:
    a token of strength 0 leaves no trace.
    """
    values = values.float()
    if rule == "delta":
        values = values - retrieve(phi, memory, eps)
    if strength is not None:
        phi = phi * strength.unsqueeze(-1)
    return memory._replace(
        matrix=memory.matrix + phi.transpose(-1, -2) @ values, norm=memory.norm + phi.sum(dim=-2)
    )


def written(memory: LayerMemory) -> Tensor:
    """(B, G) bool: whether anything was ever written; an empty memory takes no part in attention."""
    return (memory.norm != 0).any(dim=-1)


def has_read(state: MemoryState) -> Tensor:
    """(B,) bool: whether a row has read anything; there has to be a memory layer."""
    # sums of words tell of a text of which nothing was written
    held = [(t != 0).flatten(1).any(dim=1) for layer in state for t in (layer.norm, layer.words)]
    return torch.stack(held).any(dim=0)
