"""The memory state as named arrays for a snapshot, and back."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from infini_cli.errors import SnapshotError
from infini_cli.nn.memory import LayerMemory, MemoryState

if TYPE_CHECKING:
    import numpy as np


def to_arrays(state: MemoryState) -> "dict[str, np.ndarray]":
    """What each memory layer holds, in float32 on the CPU; nothing for what its form of memory does not have."""
    arrays = {}
    for number, layer in enumerate(state):
        for part, tensor in zip(LayerMemory._fields, layer, strict=True):
            if tensor.numel():
                arrays[f"layers.{number}.{part}"] = tensor.detach().float().cpu().numpy()
    return arrays


def from_arrays(arrays: "Mapping[str, np.ndarray]", like: MemoryState, source: str) -> MemoryState:
    """The state in `arrays`, on the device of `like`, an empty state of the model that shall use it.

    Raises SnapshotError when the arrays are not of that model's shapes.
    """
    import numpy as np

    layers = []
    for number, expected in enumerate(like):
        tensors = []
        for part, shaped in zip(LayerMemory._fields, expected, strict=True):
            if not shaped.numel():
                tensors.append(shaped)
                continue
            name = f"layers.{number}.{part}"
            array = arrays.get(name)
            if array is None or array.shape != tuple(shaped.shape):
                raise SnapshotError(
                    f"{source} does not fit the model: {name} is {None if array is None else array.shape},"
                    f" not {tuple(shaped.shape)}",
                    hint="read the documents anew with --force",
                )
            if array.dtype != "float32" or not np.isfinite(array).all():
                raise SnapshotError(
                    f"{source} is damaged: {name} holds something else than finite numbers",
                    hint="read the documents anew with --force",
                )
            tensors.append(torch.from_numpy(array.copy()).to(shaped.device))
        layers.append(LayerMemory(*tensors))
    return tuple(layers)
