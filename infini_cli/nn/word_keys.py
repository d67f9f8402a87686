"""Keys and queries of a memory made from the words around a token: what tells whose a value is.

Decaying sums of embeddings, s_t = e_t + lambda s_{t-1}, where e_t is a projection of token t's embedding times a weight
of its own: rare words say more of what a sentence is about than common ones. A query is such a sum over the words so
far. A key has a second one over the words that follow in its segment, which is read as a whole before any of it is
written. Both are scaled to one length, and share projection and weights, so that words which training has never seen
find themselves again.

This takes the place of the short convolution over keys of other linear attention (arXiv 2406.06484, section 3; the
moving average of MEGA, arXiv 2209.10655), with a longer reach, and over embeddings rather than hidden states: nothing
that is trained elsewhere in the network changes what a key means.

Sums know nothing of order. One head of every three turns each word by its distance, as rotary positions do
(arXiv 2104.09864): what comes next depends on the last words in their order.

Shapes: V vocabulary, B batch, S segments, T tokens in a segment, G heads, D size of a key, E of its map, d the
model's width.
"""

import math
from typing import NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from infini_cli.nn.rope import rotate

V = TypeVar("V")

# what heads begin with, in turn: the first looks for what goes on from the last words, the second for what the words
# before a value are about, the third for what those behind it are about
QUERY_HALF_LIVES = (2.0, 10.0, 10.0)  # tokens
KEY_HALF_LIVES = (1.5, 4.0, 4.0)
AFTER_HALF_LIVES = (1.5, 8.0, 5.0)
SHARES_AFTER = (0.0, 0.1, 3.0)  # of the words that follow, against those before
ORDERED = (True, False, False)  # whether a head minds the order of words: "3 3" is not "3", nor "12" "21"


class Words(NamedTuple):
    """The tokens of segments, and their embeddings."""

    ids: Tensor  # (…, T)
    embedded: Tensor  # (…, T, d)


class WordKeys(nn.Module):
    """The keys and queries of one layer's memory; float32 whatever the base model's dtype."""

    angles: Tensor

    def __init__(self, vocabulary: int, width: int, heads: int, dim: int, mapped: int) -> None:
        super().__init__()
        self.salience = nn.Parameter(torch.ones(vocabulary))  # (V,) how much a token counts
        self.projection = nn.Linear(width, heads * dim)
        # of keys and of queries, before the features: see memory.features
        self.map = nn.Parameter(torch.eye(dim).repeat(heads, 1, -(-mapped // dim))[..., :mapped])  # (G, D, E)
        angles = torch.tensor(ordered_heads(heads))[:, None] * torch.linspace(0, math.pi, dim // 2)
        self.register_buffer("angles", angles, persistent=False)  # (G, D/2) of a turn by one token
        self.query_decay = _decays(QUERY_HALF_LIVES, heads)  # (G,) of lambda
        self.key_decay = _decays(KEY_HALF_LIVES, heads)
        self.after_decay = _decays(AFTER_HALF_LIVES, heads)
        self.after_share = nn.Parameter(torch.tensor(_in_turn(SHARES_AFTER, heads)))  # (G,)

    def queries(self, words: Words, before: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Queries (…, G, T, D) of length sqrt(D), and the sums (…, G, D) after the last token.

        before: the sums after the token before the first one; none at the beginning of a segment.
        """
        x = self._projected(words)
        sums = self._summed(_powers(self.query_decay, _behind(x)), x)
        if before is not None:
            since = torch.arange(1, x.shape[-2] + 1, device=x.device)
            faded = _powers(self.query_decay, since).unsqueeze(-1) * before.unsqueeze(-2)
            sums = sums + self._turned(faded, since)
        return _scaled(sums), sums[..., -1, :]

    def keys(self, words: Words, shift: int = 0, valid: Tensor | None = None) -> Tensor:
        """Keys (…, G, T, D) of length sqrt(D).

        shift: key t will label token t + shift, so the words that follow are those behind that token.
        valid: (…, T) bool, False for padding, which is no word.
        """
        x = self._projected(words)
        if valid is not None:
            x = x * valid[..., None, :, None]
        behind = _behind(x)
        weights = _powers(self.key_decay, behind)
        weights = weights + self.after_share[:, None, None] * _powers(self.after_decay, -behind - 1 - shift)
        return _scaled(self._summed(weights, x))

    def _summed(self, weights: Tensor, x: Tensor) -> Tensor:
        """Sums (…, G, T, D) of x by weights (G, T, T), each x turned by as many steps as it lies behind."""
        place = torch.arange(x.shape[-2], device=x.device)
        return self._turned(weights @ self._turned(x, -place), place)

    def _turned(self, x: Tensor, steps: Tensor) -> Tensor:
        """x (…, G, T, D) with each pair of dimensions turned by its angle, so many times (T,)."""
        angles = (self.angles[:, None, :] * steps[:, None]).repeat(1, 1, 2)  # (G, T, D)
        return rotate(x, angles.cos(), angles.sin())

    def _projected(self, words: Words) -> Tensor:
        """(…, G, T, D)."""
        x = self.projection(words.embedded.float()) * self.salience[words.ids].unsqueeze(-1)  # (…, T, G*D)
        return x.unflatten(-1, (len(self.query_decay), -1)).transpose(-2, -3)


def ordered_heads(heads: int) -> list[bool]:
    """Which of so many heads mind the order of words."""
    return _in_turn(ORDERED, heads)


def _in_turn(values: tuple[V, ...], heads: int) -> list[V]:
    return [values[head % len(values)] for head in range(heads)]


def _decays(half_lives: tuple[float, ...], heads: int) -> nn.Parameter:
    """Logits of the lambda of each head."""
    return nn.Parameter((0.5 ** (1 / torch.tensor(_in_turn(half_lives, heads)))).logit())


def _behind(x: Tensor) -> Tensor:
    """(T, T) how far the second token is behind the first; negative where it follows."""
    place = torch.arange(x.shape[-2], device=x.device)
    return place[:, None] - place


def _powers(decay: Tensor, steps: Tensor) -> Tensor:
    """lambda to the power of steps, 0 where they are negative: (G, *steps.shape) of logits (G,)."""
    log_decay = F.logsigmoid(decay).view(-1, *[1] * steps.dim())
    return (log_decay * steps.clamp(min=0)).exp() * (steps >= 0)


def _scaled(sums: Tensor) -> Tensor:
    return F.normalize(sums, dim=-1) * math.sqrt(sums.shape[-1])
