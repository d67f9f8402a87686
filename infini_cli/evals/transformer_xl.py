"""A Transformer-XL cache of one segment (arXiv 1901.02860), with a base model's own weights: a baseline.

Each segment attends to itself and to the keys and values of the segment before it, which had in their turn seen the
one before that; what lies more than as many segments back as there are layers cannot be seen at all.
Shapes: B documents, P cached tokens, T tokens, G key/value heads, D head size, d width.
"""

from typing import cast

import torch
from torch import Tensor

from infini_cli.nn.attention import join_heads, local_attention
from infini_cli.nn.rope import rotate
from infini_cli.nn.transformer import InfiniTransformer, Layer

# un-rotated keys and values (B, G, P, D) of each layer: positions are given anew, from the cached segment's first on
Cache = list[tuple[Tensor, Tensor]]


@torch.inference_mode()
def step(model: InfiniTransformer, tokens: Tensor, cache: Cache | None) -> tuple[Tensor, Cache]:
    """Normed hidden states (B, T, d) of a segment's tokens (B, T) behind the one before, and the cache it leaves."""
    cached = 0 if cache is None else cache[0][0].shape[-2]
    length = tokens.shape[-1]
    cos, sin = model.turns(0, cached + length)
    x = model.embed(tokens)
    left: Cache = []
    for index, module in enumerate(model.layers):
        layer = cast(Layer, module)
        attn = layer.attn
        hidden = layer.attn_norm(x)
        queries, (keys, values) = attn.queries(hidden), attn.keys_values(hidden)
        left.append((keys, values))
        if cache is not None:
            keys = torch.cat((cache[index][0], keys), dim=-2)
            values = torch.cat((cache[index][1], values), dim=-2)
        queries = rotate(queries, cos[cached:], sin[cached:])
        keys = rotate(keys, cos, sin)
        x = x + attn.o(join_heads(local_attention(queries, keys, values, model.config.sliding_window)))
        x = x + layer.mlp(layer.mlp_norm(x))
    return model.norm(x), left


def read(model: InfiniTransformer, segments: Tensor) -> Cache:
    """The cache that segments (B, S, T) leave; only as many of the last are read as can still be seen."""
    cache: Cache | None = None
    for segment in segments[:, -model.config.n_layers :].unbind(dim=1):
        _, cache = step(model, segment, cache)
    assert cache is not None
    return cache


def take_rows(cache: Cache, rows: Tensor) -> Cache:
    """The cache of the given rows (Q,)."""
    return [(keys[rows], values[rows]) for keys, values in cache]
