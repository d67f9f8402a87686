"""The local window of generation: the keys and values of the tokens that are still attended to exactly.

Shapes: B batch, G key/value heads, P tokens held, T new tokens, D head size.
"""

import torch
from torch import Tensor

from infini_cli.nn.config import ModelConfig


class LayerWindow:
    """Rotated keys and values of one layer, in buffers of fixed capacity."""

    def __init__(self, shape: tuple[int, int, int, int], dtype: torch.dtype, device: torch.device) -> None:
        self.keys = torch.empty(shape, dtype=dtype, device=device)  # (B, G, capacity, D)
        self.values = torch.empty_like(self.keys)
        self.length = 0
        self.words: Tensor | None = None  # sums of the words so far: see WordKeys

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
        self.layers = [LayerWindow(shape, dtype, device) for _ in range(config.n_layers)]

    @property
    def length(self) -> int:
        """Tokens held."""
        return self.layers[0].length
