"""Attention transfer: maps that read from the memory what the base model's own attention reads from the window.

The first stage of LoLCATs (arXiv 2410.10254): no gradient goes through the network. The base model sees a document and
a question in one window; each memory layer's maps learn to give the document's tokens the weights that its softmax
gives them. What a read is divided by (equation 7) makes the weights of one query sum to one there, too.

Shapes: N tokens of the document, Q of the question with its answer, H query heads, G key/value heads, D head size.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from infini_cli.nn.attention import Attention, MemoryParameters, Rotations, group
from infini_cli.nn.rope import rotate
from infini_cli.nn.transformer import InfiniTransformer, Layer
from infini_cli.training.mixture import make_sample, parse_mixture
from infini_cli.training.recipe import Transfer
from infini_cli.training.tasks.sample import Setting

_FLOOR = 1e-6  # of a weight, so that its logarithm stays finite


def transfer_maps(
    model: InfiniTransformer,
    setting: Setting,
    settings: Transfer,
    seed: str,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Train maps and offsets of every memory layer; nothing else changes, and nothing at all without steps.

    Args:
        model: the base model, whose memory is not used.
        setting: its number of segments is replaced.
        settings: how long, on what.
        on_step: called after each step (from 1) with its loss.
    """
    if not settings.steps:
        return
    parameters = [p for memory in model.memories() for p in map_parameters(memory)]
    optimizer = torch.optim.Adam(parameters, lr=settings.lr)
    mixture = parse_mixture(settings.mixture)
    setting = replace(setting, n_segments=settings.segments, split="train")
    for step in range(settings.steps):
        sample = make_sample(mixture, setting, f"{seed}/{step}")
        document = sample.segments.reshape(-1).tolist()
        question = sample.questions[step % len(sample.questions)]
        tokens = torch.tensor([[document + list(question.tokens)]], device=model.device)
        losses = [
            transfer_loss(attention, memory, hidden, turns, len(document))
            for attention, memory, hidden, turns in _memory_layers(model, tokens)
        ]
        loss = torch.stack(losses).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        on_step(step + 1, float(loss.detach()))


def map_parameters(memory: MemoryParameters) -> list[Tensor]:
    """The maps and offsets of a layer's memory."""
    found = (memory.query_map, memory.key_map, memory.query_offset, memory.key_offset)
    return [parameter for parameter in found if parameter is not None]


def transfer_loss(
    attention: Attention, memory: MemoryParameters, hidden: Tensor, turns: Rotations, n: int
) -> Tensor:
    """Cross-entropy of the memory's weights under those of attention, over what the question gives the document.

    hidden (1, 1, N+Q, d) is the layer's normed input. A head that does not look at the document counts for little.
    """
    q, k = attention.queries(hidden)[0], attention.keys_values(hidden)[0][0]  # (1, H, N+Q, D), (1, G, N+Q, D)
    target = attention_weights(rotate(q[0], *turns), rotate(k[0], *turns))[:, n:, :n]  # (H, Q, N)
    phi_q = group(memory.query_features(q[..., n:, :]), k.shape[1])  # (1, G, R*Q, F)
    read = phi_q @ memory.key_features(k[..., :n, :]).transpose(-1, -2)  # (1, G, R*Q, N)
    read = read / (read.sum(dim=-1, keepdim=True) + _FLOOR)
    return -(target * (read.reshape(target.shape) + _FLOOR).log()).sum(dim=-1).mean()


def attention_weights(q: Tensor, k: Tensor) -> Tensor:
    """Causal softmax attention of rotated q (H, T, D) over k (G, T, D): (H, T, T) float32."""
    length = q.shape[-2]
    rows = group(q.float(), k.shape[0])  # (G, R*T, D)
    scores = (rows @ k.float().transpose(-1, -2)).reshape(q.shape[0], length, length) / q.shape[-1] ** 0.5
    future = torch.ones(length, length, dtype=torch.bool, device=q.device).triu(1)
    return scores.masked_fill(future, -torch.inf).softmax(dim=-1)


@torch.no_grad()
def _memory_layers(
    model: InfiniTransformer, tokens: Tensor
) -> Iterator[tuple[Attention, MemoryParameters, Tensor, Rotations]]:
    """Each memory layer with its normed input, of tokens (1, 1, T) in one window."""
    turns = model.turns(0, tokens.shape[-1])
    x = model.embed(tokens)
    for module in model.layers[: model.config.memory_layers[-1] + 1]:
        layer = cast(Layer, module)
        if layer.memory is not None:
            yield layer.attn, layer.memory, layer.attn_norm(x), turns
        x, _ = layer(x, turns, None, None, None)
