"""Memories that are already full: what a document is read after, as if it stood far into a long book.

Reading long texts with gradients costs too much to train on many of them. A text read *before* the document needs no
gradient: it only fills the memory with what the document's own writes must be told apart from. Every row of the
background goes on reading one segment a step, and begins anew now and then, so lengths are spread around their mean.
"""

from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from infini_cli.nn.memory import LayerMemory, MemoryState, empty_rows
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.training.composition import draw_layout, take_prose
from infini_cli.training.tasks.sample import Setting


@dataclass(frozen=True, slots=True)
class Background:
    """States of texts that are being read on, one a row."""

    state: MemoryState  # B rows

    @torch.no_grad()
    def read_on(
        self, model: InfiniTransformer, setting: Setting, mean_segments: int, seed: str
    ) -> "Background":
        """Every row one segment further; a row begins anew with a chance of one in `mean_segments`."""
        rng = Random(seed)
        rows = len(self.state[0].matrix)
        fresh = torch.tensor([rng.random() < 1 / mean_segments for _ in range(rows)], device=model.device)
        books = setting.corpus.books_of(setting.split)
        segments = [
            take_prose(rng, books, draw_layout(rng), setting.segment_length).tokens for _ in range(rows)
        ]
        tokens = torch.stack([torch.from_numpy(each) for each in segments]).to(model.device)
        return Background(model.read(tokens.unsqueeze(1), self.state, fresh=fresh.unsqueeze(1)))

    def under(self, share: float, seed: str) -> MemoryState:
        """The states to read documents after: a row's own, or, for all but `share` of the rows, an empty one."""
        rng = Random(seed)
        empty = torch.tensor([rng.random() >= share for _ in self.state[0].matrix])
        return tuple(empty_rows(layer, empty.to(layer.norm.device)) for layer in self.state)

    def tensors(self) -> list[tuple[Tensor, ...]]:
        """For a checkpoint."""
        return [tuple(layer) for layer in self.state]

    @classmethod
    def from_tensors(cls, tensors: list[tuple[Tensor, ...]]) -> "Background":
        """The inverse of `tensors`."""
        return cls(tuple(LayerMemory(*layer) for layer in tensors))
