"""Tokens into the memory: whole chunks of segments while a document is read, what is left when it ends.

The grid of chunks begins where the document begins, so that the same tokens are always folded in the same
groups, however often reading was interrupted: that makes a resumed memory equal to an unbroken one, bit for
bit.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from infini_cli.nn.memory import MemoryState
from infini_cli.tokenizers import Tokenizer

CHUNK_SEGMENTS = 4  # segments in one pass through the network


class Engine(Protocol):
    """A model as far as reading needs one."""

    model_name: str
    device: str
    dtype: str
    segment_length: int  # tokens
    fingerprints: dict[str, str]  # of "model", "adapter", "tokenizer" and "memory"
    tokenizer: Tokenizer

    def empty_state(self) -> MemoryState:
        """A memory of nothing, for one document (B = 1)."""

    def read(self, tokens: Tensor, state: MemoryState) -> MemoryState:
        """The memory after token ids (1, S, T) on the CPU."""


class SegmentFeeder:
    """The memory while it is being written, and the tokens that wait for their chunk to be full."""

    def __init__(self, engine: Engine, state: MemoryState, pending: Sequence[int] = ()) -> None:
        self._engine = engine
        self.state = state
        self.pending = list(pending)
        self._chunk_tokens = CHUNK_SEGMENTS * engine.segment_length

    def feed(self, tokens: Sequence[int]) -> None:
        """Add tokens of the document; nothing is folded yet."""
        self.pending += tokens

    def fold_chunks(self) -> Iterator[int]:
        """Fold every full chunk, yielding after each the number of tokens folded."""
        while len(self.pending) >= self._chunk_tokens:
            self._fold(CHUNK_SEGMENTS, self._engine.segment_length)
            yield self._chunk_tokens

    def finish_document(self) -> Iterator[int]:
        """Fold all that waits: full chunks, the full segments after them, then the short last one."""
        yield from self.fold_chunks()
        length = self._engine.segment_length
        if whole := len(self.pending) // length:
            self._fold(whole, length)
            yield whole * length
        if rest := len(self.pending):
            self._fold(1, rest)
            yield rest

    def _fold(self, segments: int, length: int) -> None:
        count = segments * length
        tokens = torch.tensor(self.pending[:count], dtype=torch.long).view(1, segments, length)
        self.state = self._engine.read(tokens, self.state)
        del self.pending[:count]
