"""Reading in which segments of the same tokens share the layers in which they do not depend on what was read before.

Those layers see nothing but the segment itself, so what they make of it depends on its tokens alone. Repeated filler
consists of a few different segments; for them, most of what reading costs need not be spent again.
Shapes: B documents, S segments, T tokens in a segment, N different segments, d width.
"""

from collections import OrderedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from infini_cli.nn.memory import LayerMemory, MemoryState
from infini_cli.nn.transformer import InfiniTransformer

SEGMENTS_KEPT = 256


class SharedReader:
    """Reads as `InfiniTransformer.read` does, and keeps what the lower layers made of the last different segments."""

    def __init__(self, model: InfiniTransformer) -> None:
        self._model = model
        # (T, d) below the first memory, by whether anything was read before the segment, and its tokens
        self._kept: OrderedDict[tuple[bool, bytes], Tensor] = OrderedDict()

    def read(self, segments: npt.NDArray[np.int64], state: MemoryState) -> MemoryState:
        """The state after segments (B, S, T)."""
        model, memory_config = self._model, self._model.config.memory
        if memory_config is None or not memory_config.layers:
            return state
        first, top = memory_config.gate_layer(memory_config.layers[0]), memory_config.reading_depth
        turns = model.turns(0, segments.shape[-1])
        memories = model.by_layer(state)
        words = model.words(torch.from_numpy(segments).to(model.device))
        behind = model.behind(state, None, segments.shape[1])  # (B, S)
        x = self._below(segments, first, behind)
        after: list[LayerMemory] = []
        for index in range(first, top):
            x, memory = model.layers[index](x, words, turns, memories[index], None, None, behind=behind)
            if memory is not None:
                after.append(memory)
        return (*after, *model.write(x, words, state[len(after) :], behind))

    def _below(self, segments: npt.NDArray[np.int64], first: int, behind: Tensor | None) -> Tensor:
        """What the layers below `first` make of the segments: (B, S, T, d)."""
        rows = segments.reshape(-1, segments.shape[-1])
        after = np.ones(len(rows), dtype=bool) if behind is None else behind.flatten().cpu().numpy()
        keys = [(bool(b), row.tobytes()) for b, row in zip(after, rows, strict=True)]
        found = {key: self._kept[key] for key in set(keys) & self._kept.keys()}
        missing = {key: row for key, row in zip(keys, rows, strict=True) if key not in found}
        if missing:
            tokens = torch.from_numpy(np.stack(list(missing.values()))).to(self._model.device)
            words = self._model.words(tokens.unsqueeze(0))
            x = words.embedded  # (1, N, T, d)
            turns = self._model.turns(0, tokens.shape[-1])
            told = torch.tensor([[read for read, _ in missing]], device=self._model.device)  # (1, N)
            for layer in self._model.layers[:first]:
                x, _ = layer(x, words, turns, None, None, None, behind=told)
            found |= zip(missing, x[0], strict=True)
        for key in keys:
            # a copy: a view would keep all segments of its pass
            self._kept[key] = self._kept.pop(key) if key in self._kept else found[key].clone()
        while len(self._kept) > SEGMENTS_KEPT:
            self._kept.popitem(last=False)
        return torch.stack([found[key] for key in keys]).view(*segments.shape, -1)
