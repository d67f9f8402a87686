"""Where the values of a memory made of words begin: such that a read of a token's value says that token.

What attention reads of a memory goes through its output projection into the residual stream, whose last norm and head
score every token of the vocabulary. If no layer touched it on the way, a read a of key/value head g would add
(c_j · a) * g / r to the score of token j, with c_j = (sum_h W_o,h)^T (gamma * e_j), h the query heads that share g,
gamma the last norm's weight, e_j the head's row, and r what that norm divides by. With C the covariance of c over the
vocabulary, the value C^-1 (c_t - mean c) of token t makes that an inner product of whitened codes, which is largest for
t itself. So any token that a read finds is said, whether training had it or not; what is learned is when to listen.

Rows of the vocabulary are not all of one length, and digits lie close together, so that "7" may be said as "6" where a
read is not quite of one token. So values may then learn, for what all layers say together, to be told apart from all
others, also with some of others in the read (`learn_word_values`); and so may what is written where a value ends.

On SmolLM2-135M, of 500 random tokens any single head of 64 dimensions, layers 18 to 24, so says 98 to 100%, and all of
them together 100%.

Shapes: V vocabulary, d width, H query heads, G key/value heads, R = H / G, D head size.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from infini_cli.nn.config import ModelConfig
from infini_cli.nn.transformer import InfiniTransformer, Layer
from infini_cli.nn.word_keys import ordered_heads
from infini_cli.training.optimizer import set_rate, up_and_down
from infini_cli.training.tasks.sample import Setting
from infini_cli.training.word_lookup import seeded, token_counts

_TOKENS = (
    480  # of a step: two in three as often as the root of their number in the training texts, the others any
)
_ENDS = 32  # more of them, which end an answer
_OTHERS = 0.2  # of each of two other tokens is in a read
_RATE = 0.1  # of the standard deviation of what is trained
_WARMUP = 10  # steps
_FINAL = 0.05  # share of the rate at the last step


@torch.no_grad()
def begin_word_values(model: InfiniTransformer, strength: float, end: int) -> None:
    """Set the values of every memory layer, rounded to bfloat16 as an adapter stores them.

    strength: what a read of one token is made longer by; r is large beside what heads add, and few layers must be heard
    over all others.
    end: the token that ends an answer, which is written where values end.
    """
    head = (model.embed if model.head is None else model.head).weight.float()  # (V, d)
    embedded = model.embed.weight.float()
    mean = embedded.mean(dim=0)
    centred = embedded - mean
    scored = (head - head.mean(dim=0)) * model.norm.weight.float()
    for index in model.config.memory_layers:
        layer = cast(Layer, model.layers[index])
        assert layer.memory is not None
        values = layer.memory.word_values
        if values is not None:
            heads = _said_by(layer, model.config)
            parts = [_values(scored @ heads[:, g], centred) for g in range(heads.shape[1])]
            values.weight.copy_((strength * torch.cat(parts)).bfloat16())
            values.bias.copy_((-values.weight @ mean).bfloat16())
            if layer.memory.ends is not None:
                layer.memory.ends.token.copy_(embedded[end])


def learn_word_values(
    model: InfiniTransformer, setting: Setting, steps: int, end: int, seed: str
) -> list[float]:
    """Train the values of all memory layers, and what they keep of ends, to say their own token and no other.

    Nothing but the last norm and the head is run. What heads of one task say together (`ordered_heads`) is scored.
    Returns the loss of each step, a mean over both tasks: -log of the share of the own token among all.
    """
    voices = [_Voice(model, ordered) for ordered in sorted(set(ordered_heads(model.config.n_kv_heads)))]
    layers = [cast(Layer, model.layers[index]).memory for index in model.config.memory_layers]
    trained = [
        p for each in layers if each is not None and each.word_values for p in each.word_values.parameters()
    ]
    trained += [each.ends.token for each in layers if each is not None and each.ends is not None]
    groups = []
    for parameter in trained:
        parameter.requires_grad_(True)
        rate = _RATE * float(parameter.detach().std())
        groups.append({"params": [parameter], "lr": rate, "full_lr": rate})
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
    drawn = seeded(seed)
    often = token_counts(setting, model.config.vocab_size).sqrt()
    losses = []
    for step in range(steps):
        set_rate(optimizer, up_and_down(step, steps, _WARMUP, _FINAL))
        common = torch.multinomial(often, 2 * _TOKENS // 3, replacement=True, generator=drawn)
        any_ = torch.randint(model.config.vocab_size, (_TOKENS - len(common),), generator=drawn)
        tokens = torch.cat((common, any_, torch.full((_ENDS,), end))).to(model.device)
        others = [torch.randperm(len(tokens), generator=drawn).to(model.device) for _ in range(2)]
        loss = torch.stack([voice.missed(tokens, _ENDS, others) for voice in voices]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    with torch.no_grad():
        for parameter in trained:
            parameter.copy_(parameter.bfloat16())
            parameter.requires_grad_(False)
    return losses


class _Voice:
    """What the heads of one task of all memory layers say together."""

    def __init__(self, model: InfiniTransformer, ordered: bool) -> None:
        config = model.config
        self.heads = [g for g, each in enumerate(ordered_heads(config.n_kv_heads)) if each is ordered]
        self.embedded = model.embed.weight.detach().float()  # (V, d)
        self.head = (model.embed if model.head is None else model.head).weight.detach().float()  # (V, d)
        self.norm = model.norm.weight.detach().float()  # (d,)
        self.layers = [cast(Layer, model.layers[index]) for index in config.memory_layers]
        self.outputs = [_said_by(layer, config).detach() for layer in self.layers]  # (d, G, D) each
        self.shape = (config.n_kv_heads, config.head_dim)

    def missed(self, tokens: Tensor, ends: int, others: list[Tensor]) -> Tensor:
        """-log of the share that tokens (N,) have among all, of reads of them with some of others (N,), a mean.

        Of the last `ends` of the tokens it is what memories keep in the place of what follows a value.
        """
        said = self.said(tokens, ends)  # (N, d)
        for other in others:
            said = said + _OTHERS * said[other]
        normed = F.normalize(said, dim=-1) * said.shape[-1] ** 0.5 * self.norm
        return F.cross_entropy(normed @ self.head.T, tokens)

    def said(self, tokens: Tensor, ends: int) -> Tensor:
        """What a read of each token's value alone adds to the residual stream: (N, d)."""
        said = []
        for layer, outputs in zip(self.layers, self.outputs, strict=True):
            memory = layer.memory
            assert memory is not None
            assert memory.word_values is not None
            kept = self.embedded[tokens]
            if memory.ends is not None and ends:
                kept = torch.cat((kept[:-ends], memory.ends.token.expand(ends, -1)))
            values = memory.word_values(kept).unflatten(-1, self.shape)  # (N, G, D)
            said += [values[:, g] @ outputs[:, g].T for g in self.heads]
        return torch.stack(said).sum(dim=0)


def _said_by(layer: Layer, config: ModelConfig) -> Tensor:
    """What a layer's output projection makes of the reads of each key/value head, which all its query heads share.

    (d, G, D).
    """
    return layer.attn.o.weight.float().unflatten(1, (config.n_kv_heads, -1, config.head_dim)).sum(dim=2)


def _values(codes: Tensor, embedded: Tensor) -> Tensor:
    """The projection (D, d) of embeddings (V, d) that comes nearest to C^-1 c, of codes c (V, D); both around zero.

    It is exact where head and embeddings are the same matrix.
    """
    whitened = torch.linalg.solve(codes.T @ codes / len(codes), codes.T).T  # (V, D)
    return torch.linalg.solve(embedded.T @ embedded, embedded.T @ whitened).T
