"""The write gate: which tokens of a segment are kept.

What makes a token worth keeping may stand before it ("the magic number for Oslo is …") or behind it ("… is the magic
number for Oslo"). A segment is read as a whole before any of it is written, so its gates may look at both: at a
token's hidden state, which knows what stands before, and at fading sums over those behind it.

Shapes: T tokens in a segment, G heads, N hidden units, d the model's width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NO_END = -5.0  # logit of what is not said to end a value
HALF_LIVES = (3.0, 30.0)  # tokens, of what stands behind: those that the first and the last sum begin with


class WriteGate(nn.Linear):
    """w_t = sigmoid(W h_t + b + U relu(V relu([P h_t + c, s_t]) + e)), s_t = sum_{u > t} lambda^(u-t-1) Q h_u.

    The sums s_t (N,), each with its own lambda, end with the segment. Without hidden units only W h_t + b is left.
    Float32 whatever the base model's dtype.
    """

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__(width, heads)
        # w_t = 1/2 for every token until training says otherwise
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)
        self.around = Around(width, heads, hidden) if hidden else None

    def strength(self, hidden: Tensor, valid: Tensor | None = None) -> Tensor:
        """w (…, G, T) of hidden states (…, T, d); valid (…, T) bool: False marks padding, which nobody looks at."""
        hidden = hidden.float()
        logits = self(hidden)
        if self.around is not None:
            logits = logits + self.around(hidden, valid)
        return torch.sigmoid(logits).transpose(-1, -2)


class Ends(nn.Module):
    """What a memory keeps in the place of what follows a value: e_t + w_t (e_end - e_t), e_end the end of an answer.

    A read of what comes next then says that an answer is over, in the voice in which it says all else; w_t is a
    WriteGate of one head.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = WriteGate(width, 1, hidden)
        nn.init.constant_(self.gate.bias, NO_END)
        self.token = nn.Parameter(
            torch.zeros(width)
        )  # e_end (d,), the embedding of the token that ends an answer

    def forward(self, embedded: Tensor, hidden: Tensor, valid: Tensor | None = None) -> Tensor:
        """What to keep (…, T, d) of tokens embedded (…, T, d); hidden, valid: see WriteGate.strength."""
        return torch.lerp(embedded.float(), self.token, self.gate.strength(hidden, valid).transpose(-1, -2))


class Around(nn.Module):
    """What a token and those behind it say together: the part of WriteGate that is no plain product."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.here = nn.Linear(width, hidden)  # P, c
        self.behind = nn.Linear(width, hidden, bias=False)  # Q
        self.both = nn.Linear(2 * hidden, 2 * hidden)  # V, e
        self.out = nn.Linear(2 * hidden, heads, bias=False)  # U
        nn.init.zeros_(self.out.weight)
        half_lives = torch.linspace(*HALF_LIVES, hidden)
        self.decay = nn.Parameter((0.5 ** (1 / half_lives)).logit())  # (N,) logits of lambda

    def forward(self, hidden: Tensor, valid: Tensor | None) -> Tensor:
        """Logits (…, T, G) of hidden states (…, T, d)."""
        said = self.behind(hidden)  # (…, T, N)
        if valid is not None:
            said = said * valid.unsqueeze(-1)
        sums = torch.einsum("...un,nut->...tn", said, self._powers(hidden.shape[-2]))
        units = torch.cat((self.here(hidden), sums), dim=-1).relu()  # (…, T, 2N)
        return self.out(self.both(units).relu())

    def _powers(self, length: int) -> Tensor:
        """(N, T, T) how much of each token (row) is in the sum of each before it (column)."""
        place = torch.arange(length, device=self.decay.device)
        between = place[:, None] - place - 1
        powers = (F.logsigmoid(self.decay)[:, None, None] * between.clamp(min=0)).exp()
        return powers.masked_fill(between < 0, 0.0)
