"""Reading documents into memories, a batch at a time; what documents have in common is read once.

Shapes: B documents, S segments, T tokens in a segment.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from infini_cli.evals.shared_layers import SharedReader
from infini_cli.nn.memory import LayerMemory, MemoryState, empty_state
from infini_cli.nn.transformer import InfiniTransformer

Documents = npt.NDArray[np.int64]  # (B, S, T)

TOKENS_AT_ONCE = {"cpu": 2_048, "cuda": 65_536, "mps": 8_192}


class HaystackReader:
    """Reads batches of documents, one after the other.

    The state is kept wherever documents branched off from a common beginning, as the repeated filler before a
    pass key is; the next batch starts from the last of those places that it shares.
    """

    def __init__(self, model: InfiniTransformer, on_tokens: Callable[[int], None] = lambda n: None) -> None:
        self._model = model
        self._reader = SharedReader(model)
        self._on_tokens = on_tokens
        self._stem: Documents | None = None  # (1, S', T) the beginning that the kept states have read
        self._kept: list[tuple[int, MemoryState]] = []  # segments of it, and the state (B = 1) behind them
        self.tokens_read = 0

    def read(self, documents: Documents, branch: int = 0) -> MemoryState:
        """The memories (B rows) of documents.

        Args:
            documents: (B, S, T) token ids.
            branch: segments from the beginning that may be the same in other documents.
        """
        common = min(branch, _common_segments(documents))
        state = self._read_stem(documents[:1, :common])
        rows = len(documents)
        state = tuple(LayerMemory(*(t.expand(rows, *t.shape[1:]) for t in layer)) for layer in state)
        return self._read(documents[:, common:], state)

    def _read_stem(self, stem: Documents) -> MemoryState:
        """The state behind a beginning (1, S, T), read on from the longest part of it that was read before."""
        empty = empty_state(self._model.config, 1, self._model.device)
        segments = stem.shape[1]
        if segments == 0:
            return empty
        old = stem[:, :0] if self._stem is None else self._stem
        shortest = min(old.shape[1], segments)
        shared = _common_segments(np.concatenate((old[:, :shortest], stem[:, :shortest])))
        if shared < shortest:  # another beginning: what was kept of the old one is of no use any more
            self._kept = [kept for kept in self._kept if kept[0] <= shared]
        if shared < shortest or segments > old.shape[1]:
            self._stem = stem
        start, state = max(
            (kept for kept in self._kept if kept[0] <= shared), key=lambda kept: kept[0], default=(0, empty)
        )
        if start < segments:
            state = self._read(stem[:, start:], state)
            self._kept.append((segments, state))
        return state

    @torch.inference_mode()
    def _read(self, documents: Documents, state: MemoryState) -> MemoryState:
        """Read on, a bounded number of tokens at once, so that the length of documents costs no memory."""
        rows, segments, length = documents.shape
        at_once = max(1, TOKENS_AT_ONCE[self._model.device.type] // (rows * length))
        for start in range(0, segments, at_once):
            chunk = documents[:, start : start + at_once]
            state = self._reader.read(chunk, state)
            self.tokens_read += chunk.size
            self._on_tokens(chunk.size)
        return state


def _common_segments(documents: Documents) -> int:
    """How many segments from the beginning are the same in all rows."""
    differs = (documents != documents[:1]).any(axis=(0, 2))  # (S,)
    return int(differs.argmax()) if differs.any() else documents.shape[1]
