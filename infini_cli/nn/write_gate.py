"""The write gate: which tokens of a segment are kept.

What makes a token worth keeping may stand before it ("the magic number for Oslo is …") or behind it ("… is the magic
number for Oslo"). A segment is read as a whole before any of it is written, so its gates may look at both: at a
token's hidden state, which knows what stands before, and at a fading sum over those behind it.

Shapes: T tokens in a segment, G heads, d the model's width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HALF_LIFE = 10.0  # tokens, of what stands behind, to begin with


class WriteGate(nn.Linear):
    """w_t = sigmoid(W h_t + b + sum_{u > t} lambda^(u-t-1) A h_u), u within the segment; without `ahead`, no sum.

    Float32 whatever the base model's dtype.
    """

    def __init__(self, width: int, heads: int, *, ahead: bool) -> None:
        super().__init__(width, heads)
        self.ahead = nn.Linear(width, heads, bias=False) if ahead else None
        decay = torch.full((heads,), 0.5 ** (1 / HALF_LIFE)).logit()
        self.ahead_decay = nn.Parameter(decay) if ahead else None  # (G,) logits of lambda
        # w_t = 1/2 for every token until training says otherwise
        for parameter in (self.weight, self.bias, *(() if self.ahead is None else (self.ahead.weight,))):
            nn.init.zeros_(parameter)

    def strength(self, hidden: Tensor, valid: Tensor | None = None) -> Tensor:
        """w (…, G, T) of hidden states (…, T, d); valid (…, T) bool: False marks padding, which nobody looks at."""
        hidden = hidden.float()
        logits = self(hidden).transpose(-1, -2)
        if self.ahead is not None and self.ahead_decay is not None:
            said = self.ahead(hidden).transpose(-1, -2)  # (…, G, T)
            if valid is not None:
                said = said * valid.unsqueeze(-2)
            logits = logits + (said.unsqueeze(-2) @ self._weights(hidden.shape[-2])).squeeze(-2)
        return torch.sigmoid(logits)

    def _weights(self, length: int) -> Tensor:
        """(G, T, T) what each token (row) adds to each before it (column)."""
        assert self.ahead_decay is not None
        place = torch.arange(length, device=self.ahead_decay.device)
        between = place[:, None] - place - 1
        powers = (F.logsigmoid(self.ahead_decay)[:, None, None] * between.clamp(min=0)).exp()
        return powers.masked_fill(between < 0, 0.0)
