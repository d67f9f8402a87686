"""The local window: the keys and values of the tokens that are still attended to exactly.

Shapes: B batch, G key/value heads, P tokens held, T new tokens, D head size.
"""

import sys

import torch
from torch import Tensor

from infini_cli.nn.config import ModelConfig


class LayerWindow:
    """Rotated keys and values of one layer, in tensors made anew with each addition: gradients flow through."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys, self.values = keys, values  # (B, G, P, D)
        self.length = keys.shape[-2]
        self.words: Tensor | None = None  # sums of the words so far: see WordKeys
        self.begun: Tensor | None = (
            None  # (B,) bool: whether anything was read from the memory that others follow
        )

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add (B, G, T, D) each; return all that is held, (B, G, P+T, D) each."""
        self.keys = torch.cat((self.keys, keys), dim=-2)
        self.values = torch.cat((self.values, values), dim=-2)
        self.length += keys.shape[-2]
        return self.keys, self.values


class BufferedLayer(LayerWindow):
    """The same in buffers of fixed capacity, without gradients: for tokens that come one by one."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__(keys, values)  # (B, G, capacity, D), of which nothing is filled
        self.length = 0

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add (B, G, T, D) each; return views of all that is held, (B, G, P+T, D) each."""
        end = self.length + keys.shape[-2]
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]


class Window:
    """One LayerWindow for each layer; `capacity` tokens."""

    def __init__(
        self, config: ModelConfig, capacity: int, dtype: torch.dtype, device: torch.device, batch: int = 1
    ) -> None:
        shape = (batch, config.n_kv_heads, capacity, config.head_dim)
        self.capacity = capacity
        self.layers: list[LayerWindow] = [
            BufferedLayer(*(torch.empty(shape, dtype=dtype, device=device) for _ in range(2)))
            for _ in range(config.n_layers)
        ]

    @classmethod
    def growing(cls, config: ModelConfig, dtype: torch.dtype, device: torch.device) -> "Window":
        """A window of one row without an end, through which gradients flow."""
        window = cls(config, 0, dtype, device)
        window.capacity = sys.maxsize
        window.layers = [LayerWindow(layer.keys, layer.values) for layer in window.layers]
        return window

    def branched(self, rows: int) -> "Window":
        """So many rows (from a growing window of one) that all begin with what this one holds."""

        def spread(held: Tensor) -> Tensor:
            return held.expand(rows, *held.shape[1:])

        window = object.__new__(Window)
        window.capacity = self.capacity
        window.layers = [LayerWindow(spread(layer.keys), spread(layer.values)) for layer in self.layers]
        for layer, held in zip(window.layers, self.layers, strict=True):
            layer.words = None if held.words is None else spread(held.words)
            layer.begun = None if held.begun is None else spread(held.begun)
        return window

    @property
    def length(self) -> int:
        """Tokens held."""
        return self.layers[0].length
