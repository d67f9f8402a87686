"""Keys and queries of a memory made from the words around a token: what tells whose a value is.

Decaying sums of embeddings, s_t = e_t + lambda p_t s_{t-1}, where e_t is a projection of token t's embedding times a
weight of its own: rare words say more of what a sentence is about than common ones; and p_t is what the token lets by:
the words before a full stop are about something else than those behind it (a decay that depends on the token, as in
gated linear attention, arXiv 2312.06635). A query is such a sum over the words so far. A key has a second one over the
words that follow in its segment, which is read as a whole before any of it is written; the first goes on from segment
to segment. Both are scaled to one length, and share projection and weights, so that words which training has never seen
find themselves again.

This takes the place of the short convolution over keys of other linear attention (arXiv 2406.06484, section 3; the
moving average of MEGA, arXiv 2209.10655), with a longer reach, and over embeddings rather than hidden states: nothing
that is trained elsewhere in the network changes what a key means.

Sums know nothing of order. One head of every three turns each word by its distance, as rotary positions do
(arXiv 2104.09864): what comes next depends on the last words in their order.

A key may have parts, P of them. Where four numbers begin with 9, what follows a 9 depends on the last words and on what
they are about. So in heads that mind the order the last part is the last sum of the head that looks for what a value is
about, and is learned there alone. Those before it are sums of their own, each of which reaches further back than the
one before: behind the first token of a value little but that token is known of it, while in one of thirty tokens any
two in a row may stand twice. In all other heads each part is a sum of its own.

Shapes: V vocabulary, B batch, S segments, T tokens in a segment, G heads, D size of a key, E of its map, d the
model's width; N sums of K = D / P numbers.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from infini_cli.nn.rope import rotate

# what heads begin with, in turn: the first looks for what goes on from the last words, the second for what the words
# before a value are about, the third for what those behind it are about
QUERY_HALF_LIVES = (3.0, 50.0, 50.0)  # tokens; what lets little by ends a sum sooner
KEY_HALF_LIVES = (3.0, 5.0, 20.0)
AFTER_HALF_LIVES = (1.5, 30.0, 30.0)
FURTHER = 3.0  # times the half-lives of a part of an ordered head are those of the part before it
SHARES_AFTER = (0.0, 0.1, 1.0)  # of the words that follow, against those before
ORDERED = (True, False, False)  # whether it minds the order of words: "3 3" is not "3", nor "12" "21"
HEADS = 3  # that differ
PASSING = 5.0  # logit of what a token lets by
_CHUNK = 32  # tokens of a scan that meet all at once


class Words(NamedTuple):
    """The tokens of segments, their embeddings, and what two layers see of them, once these have been run."""

    ids: Tensor  # (…, T)
    embedded: Tensor  # (…, T, d)
    noted: Tensor | None = None  # (…, T, d) what all write gates look at, where it is one layer's input
    heeded: Tensor | None = None  # (…, T, d) the same of read gates


class Context(nn.Module):
    """How much things count where a token stands: logits W h_t + b + U relu(P h_t + e), h_t what a layer sees of it.

    Float32 whatever the base model's dtype.
    """

    def __init__(self, width: int, outputs: int, hidden: int) -> None:
        super().__init__()
        self.plain = nn.Linear(width, outputs)  # W, b
        self.here = nn.Linear(width, hidden)  # P, e
        self.out = nn.Linear(hidden, outputs, bias=False)  # U
        # all tokens alike until training says otherwise
        for parameter in (self.plain.weight, self.plain.bias, self.out.weight):
            nn.init.zeros_(parameter)

    def forward(self, noted: Tensor) -> Tensor:
        """Logits (…, T, N) of hidden states (…, T, d)."""
        noted = noted.float()
        return self.plain(noted) + self.out(self.here(noted).relu())


class WordKeys(nn.Module):
    """The keys and queries of one layer's memory; float32 whatever the base model's dtype."""

    angles: Tensor
    made_of: Tensor
    lent: Tensor

    def __init__(
        self, vocabulary: int, width: int, heads: int, dim: int, mapped: int, parts: int = 1, context: int = 0
    ) -> None:
        super().__init__()
        self.parts = parts
        self.own, parts_made_of = sums_of_parts(heads, parts)
        self.register_buffer("made_of", torch.tensor(parts_made_of), persistent=False)  # (G * P,)
        lent = [part not in self.own for part in range(heads * parts)]
        self.register_buffer("lent", torch.tensor(lent), persistent=False)  # (G * P,) bool
        kinds = [part // parts % HEADS for part in self.own]
        reach = torch.tensor(
            [FURTHER ** (part % parts * ORDERED[kind]) for part, kind in zip(self.own, kinds, strict=True)]
        )
        n_sums, size = len(kinds), dim // parts
        self.salience = nn.Parameter(torch.ones(vocabulary, n_sums))  # (V, N) how much a token counts
        self.passing = nn.Parameter(
            torch.full((vocabulary,), PASSING)
        )  # (V,) logits of how much each lets by
        self.projection = nn.Linear(width, n_sums * size)
        # of keys and of queries, before the features: see memory.features
        self.map = nn.Parameter(torch.eye(dim).repeat(heads, 1, -(-mapped // dim))[..., :mapped])  # (G, D, E)
        self.ordered = [ORDERED[kind] for kind in kinds]
        angles = torch.tensor(self.ordered)[:, None] * torch.linspace(0, math.pi, size // 2)
        self.register_buffer("angles", angles, persistent=False)  # (N, K/2) of a turn by one token
        self.query_decay = _decays(QUERY_HALF_LIVES, kinds, reach)  # (N,) of lambda
        self.key_decay = _decays(KEY_HALF_LIVES, kinds, reach)
        self.after_decay = _decays(AFTER_HALF_LIVES, kinds, reach)
        self.after_share = nn.Parameter(torch.tensor([SHARES_AFTER[kind] for kind in kinds]))  # (N,)
        # of the few words around a value that say whose it is: how much a token counts where it stands
        self.context = Context(width, n_sums, context) if context else None
        # and how much each part of a key does: what goes on from one digit must know whose number it is, from four not
        self.shares = Context(width, heads * parts, context) if context and parts > 1 else None

    def queries(self, words: Words, before: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Queries (…, G, T, D) of length sqrt(D), and the sums (…, G, D) after the last token.

        before: the sums after the token before the first one; none at the beginning of a segment.
        """
        x, fading = self._projected(words), self._fading(self.query_decay, words)
        sums = self._sums(x, fading)
        if before is not None:
            sums = sums + self._faded(self._apart(before), fading)
        return self._scaled(sums, words.noted), self._together(sums[..., -1, :])

    def keys(
        self,
        words: Words,
        before: Tensor,
        *,
        shift: int = 0,
        valid: Tensor | None = None,
        fresh: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Keys (B, S, G, T, D) of length sqrt(D) of the segments of documents, and the sums (B, G, D) after the last.

        before: (B, G, D) the sums after what was read before; a sentence that a segment cuts in two stays one.
        shift: a token's key is made of the words up to so many places before it, and of those behind it.
        valid: (B, S, T) bool, False for padding at a row's end, which is no word.
        fresh: (B, S) bool, True where a new document begins.
        """
        x, fading = self._projected(words), self._fading(self.key_decay, words)
        if valid is not None:
            x = x * valid[..., None, :, None]
        sums = self._sums(x, fading)
        starts, after = self._carried(sums, fading, self._apart(before), valid, fresh)
        sums = sums + self._faded(starts, fading)
        kept = max(0, sums.shape[-2] - shift)
        first = starts.unsqueeze(-2).expand(*sums.shape[:-2], sums.shape[-2] - kept, -1)
        sums = torch.cat((first, sums[..., :kept, :]), dim=-2)
        # a segment's first tokens have nothing before them that a layer has seen
        noted = words.noted
        if noted is not None:
            noted = F.pad(noted[..., :kept, :], (0, 0, sums.shape[-2] - kept, 0))
        behind = self._sums_behind(x, self._fading(self.after_decay, words), shift)
        return self._scaled(sums + behind, noted), self._together(after)

    def nothing_read(self, rows: int) -> Tensor:
        """The sums (B, G, D) before the first word."""
        return self.salience.new_zeros(rows, *self.map.shape[:2])

    def _scaled(self, sums: Tensor, noted: Tensor | None) -> Tensor:
        """Keys or queries (…, G, T, D) of length sqrt(D), of sums (…, N, T, K); noted (…, T, d): see Words."""
        x = F.normalize(sums, dim=-1).index_select(-3, self.made_of)  # (…, G * P, T, K)
        # what is lent is learned by its own head alone: what goes on within a value needs no subject, and unlearns it
        x = torch.where(self.lent[:, None, None], x.detach(), x)
        x = x.unflatten(-3, (-1, self.parts)).transpose(-3, -2)  # (…, G, T, P, K)
        if self.shares is not None and noted is not None:
            logits = self.shares(noted).unflatten(-1, (-1, self.parts)).transpose(-3, -2)  # (…, G, T, P)
            x = x * (self.parts * logits.softmax(dim=-1)).sqrt().unsqueeze(-1)
        x = x.flatten(-2)
        return x * math.sqrt(x.shape[-1] / self.parts)

    def _apart(self, sums: Tensor) -> Tensor:
        """(…, G, D) to (…, N, K)."""
        return sums.unflatten(-1, (self.parts, -1)).flatten(-3, -2)[..., self.own, :]

    def _together(self, sums: Tensor) -> Tensor:
        """(…, N, K) to (…, G, D)."""
        return sums.index_select(-2, self.made_of).unflatten(-2, (-1, self.parts)).flatten(-2)

    def _sums(self, x: Tensor, fading: Tensor) -> Tensor:
        """The words up to each token, (…, N, T, K), of x (…, N, T, K): each fades with every token (`_fading`)."""
        place = torch.arange(x.shape[-2], device=x.device)
        return self._turned(scan(self._turned(x, -place), fading), place)

    def _sums_behind(self, x: Tensor, fading: Tensor, shift: int) -> Tensor:
        """The words of its segment behind each token (…, N, T, K), by their share, turned as from `shift` before it."""
        place = torch.arange(x.shape[-2], device=x.device)
        from_here = scan(self._turned(x, -place).flip(-2), fading.flip(-1)).flip(-2)
        behind = F.pad(from_here[..., 1:, :], (0, 0, 0, 1))
        return self._turned(self.after_share[:, None, None] * behind, place - shift)

    def _faded(self, before: Tensor, fading: Tensor) -> Tensor:
        """What is left at each token of the sums (…, N, K) before the first one: (…, N, T, K)."""
        since = torch.arange(1, fading.shape[-1] + 1, device=fading.device)
        left = fading.cumsum(dim=-1).exp()
        return self._turned(left.unsqueeze(-1) * before.unsqueeze(-2), since)

    def _carried(
        self, own: Tensor, fading: Tensor, before: Tensor, valid: Tensor | None, fresh: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The sums of keys before each segment (B, S, N, K), and after the last one (B, N, K).

        own: (B, S, N, T, K) what each segment's words alone make of them.
        """
        rows, n_segments, _, length, _ = own.shape
        whole = torch.full((rows, n_segments), length, device=own.device)
        n_words = whole if valid is None else valid.sum(dim=-1)
        last = (n_words - 1).clamp(min=0)[..., None, None]  # (B, S, 1, 1)
        any_words = (n_words > 0)[..., None]  # (B, S, 1)
        own = own.take_along_dim(last.unsqueeze(-1), dim=-2).squeeze(-2) * any_words.unsqueeze(-1)
        left = fading.cumsum(dim=-1).take_along_dim(last, dim=-1).squeeze(-1)
        left = (left * any_words).exp()  # (B, S, N)
        starts = []
        for s in range(n_segments):
            if fresh is not None:
                before = before.masked_fill(fresh[:, s, None, None], 0.0)
            starts.append(before)
            kept = (left[:, s].unsqueeze(-1) * before).unsqueeze(-2)  # (B, N, 1, K)
            before = own[:, s] + self._turned(kept, n_words[:, s, None, None]).squeeze(-2)
        return torch.stack(starts, dim=1), before

    def _turned(self, x: Tensor, steps: Tensor) -> Tensor:
        """x (…, N, T, K) with each pair of dimensions turned by its angle, so many times: steps (T,) or (…, 1, T)."""
        angles = self.angles[:, None, :] * steps.unsqueeze(-1)  # (…, N, T, K/2)
        angles = torch.cat((angles, angles), dim=-1)  # (…, N, T, K)
        return rotate(x, angles.cos(), angles.sin())

    def _fading(self, decay: Tensor, words: Words) -> Tensor:
        """(…, N, T) log of what each token leaves of the sums before it: lambda, of logits (N,), by what it lets by."""
        return F.logsigmoid(decay).unsqueeze(-1) + F.logsigmoid(self.passing[words.ids]).unsqueeze(-2)

    def _projected(self, words: Words) -> Tensor:
        """(…, N, T, K)."""
        x = self.projection(words.embedded.float()).unflatten(-1, (len(self.query_decay), -1))
        counts = self.salience[words.ids]  # (…, T, N)
        # what is learned of words alone is learned without any context
        if self.context is not None and words.noted is not None:
            counts = counts * torch.sigmoid(self.context(words.noted))
        return (x * counts.unsqueeze(-1)).transpose(-2, -3)


def scan(x: Tensor, fading: Tensor) -> Tensor:
    """y_t = x_t + exp(fading_t) y_(t-1): x (…, T, K) and fading (…, T) to (…, T, K).

    In chunks: inside one all pairs of tokens meet in a product of matrices, and only its last y goes on to the next,
    as in the chunkwise form of gated linear attention (arXiv 2312.06635, section 4).
    """
    length = x.shape[-2]
    size = min(_CHUNK, length)
    missing = -length % size
    x = F.pad(x, (0, 0, 0, missing)).unflatten(-2, (-1, size))  # (…, C, c, K)
    since = F.pad(fading, (0, missing)).unflatten(-1, (-1, size)).cumsum(dim=-1)  # (…, C, c)
    later = torch.ones(size, size, dtype=torch.bool, device=x.device).triu(1)
    weights = (since.unsqueeze(-1) - since.unsqueeze(-2)).masked_fill(later, -torch.inf).exp()  # (…, C, c, c)
    own, left = weights @ x, since.exp().unsqueeze(-1)
    chunks = [own[..., 0, :, :]]
    for chunk in range(1, own.shape[-3]):
        before = chunks[-1][..., -1:, :]
        chunks.append(own[..., chunk, :, :] + left[..., chunk, :, :] * before)
    return torch.cat(chunks, dim=-2)[..., :length, :]


def ordered_heads(heads: int) -> list[bool]:
    """Which of so many heads mind the order of words, in all parts but the last where they have several."""
    return [ORDERED[head % HEADS] for head in range(heads)]


def sums_of_parts(heads: int, parts: int) -> tuple[list[int], list[int]]:
    """Which parts of the keys of so many heads, of G * P, have a sum of their own, and the sum that each is made of."""
    lent = {
        (head + 1) * parts - 1: (subject_head(head, heads) + 1) * parts - 1
        for head, ordered in enumerate(ordered_heads(heads))
        if ordered and parts > 1
    }
    own = [part for part in range(heads * parts) if part not in lent]
    return own, [own.index(lent.get(part, part)) for part in range(heads * parts)]


def subject_head(head: int, heads: int) -> int:
    """The head, of so many, that looks for what a value is about; one that minds the order ends with its last sum."""
    return min(head + HEADS - 1, heads - 1) if head < heads - 1 else head - 1


def _decays(half_lives: tuple[float, ...], kinds: list[int], reach: Tensor) -> nn.Parameter:
    """Logits of the lambda of each sum, whose half-life is so many times that of its kind: reach (N,)."""
    return nn.Parameter((0.5 ** (1 / (torch.tensor([half_lives[kind] for kind in kinds]) * reach))).logit())
