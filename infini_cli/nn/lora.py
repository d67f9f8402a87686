"""Low-rank adaptation (LoRA, arXiv 2106.09685): frozen weights W with a trained update scale * B A.

Shapes: I inputs, O outputs, r rank.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# modules of a layer that may be adapted
TARGETS = ("attn.q", "attn.k", "attn.v", "attn.o", "mlp.gate", "mlp.up", "mlp.down")


@dataclass(frozen=True, slots=True)
class LoRAConfig:
    """Which modules are adapted, and how strongly."""

    rank: int
    alpha: float  # the update is scaled by alpha / rank
    targets: tuple[str, ...]  # of TARGETS
    layers: tuple[int, ...] = ()  # in which they are adapted; empty: in every layer
    after_reading: bool = False  # only behind something that was read: before that the network is its base

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"rank is {self.rank}; it must be at least 1")
        if not self.targets or (unknown := sorted(set(self.targets) - set(TARGETS))):
            named = ", ".join(unknown) if self.targets else "none"
            raise ValueError(f"cannot adapt {named}; known: {', '.join(TARGETS)}")


class LoRALinear(nn.Module):
    """A linear layer with a low-rank update; its weight and bias keep their names and are frozen."""

    def __init__(self, base: nn.Linear, *, rank: int, alpha: float, after_reading: bool = False) -> None:
        super().__init__()
        base.requires_grad_(False)
        self.weight = base.weight  # (O, I)
        self.bias = base.bias
        self.scale = alpha / rank
        self.after_reading = after_reading
        outputs, inputs = base.weight.shape
        device = base.weight.device
        self.lora_a = nn.Parameter(torch.empty(rank, inputs, dtype=torch.float32, device=device))
        # zero, so that an untrained update changes nothing
        self.lora_b = nn.Parameter(torch.zeros(outputs, rank, dtype=torch.float32, device=device))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, x: Tensor, behind: Tensor | None = None) -> Tensor:
        """x (…, T, I) to (…, T, O), in x's dtype.

        behind (…) bool: whether anything was read before these tokens; by default it was.
        """
        low = F.linear(x, self.lora_a.to(x.dtype))  # (…, T, r)
        if self.after_reading and behind is not None:
            low = low * behind[..., None, None]
        return F.linear(x, self.weight, self.bias) + self.scale * F.linear(low, self.lora_b.to(x.dtype))

    def merged(self) -> nn.Linear:
        """A plain linear layer that computes the same, up to rounding to the weight's dtype."""
        outputs, inputs = self.weight.shape
        linear = nn.Linear(inputs, outputs, bias=self.bias is not None, device="meta")
        update = self.scale * self.lora_b @ self.lora_a  # (O, I)
        linear.weight = nn.Parameter((self.weight + update).to(self.weight.dtype), requires_grad=False)
        linear.bias = self.bias
        return linear


def inject(model: nn.Module, config: LoRAConfig) -> list[str]:
    """Put a LoRALinear in the place of every target; returns the names of those modules."""
    names = [name for name, module in model.named_modules() if _is_target(name, module, config)]
    for name in names:
        base = model.get_submodule(name)
        assert isinstance(base, nn.Linear)
        adapted = LoRALinear(base, rank=config.rank, alpha=config.alpha, after_reading=config.after_reading)
        _replace(model, name, adapted)
    return names


def linear(module: nn.Module, x: Tensor, behind: Tensor | None) -> Tensor:
    """What a linear layer, adapted or not, makes of x (…, T, I); behind: see LoRALinear.forward."""
    return module(x, behind) if isinstance(module, LoRALinear) else module(x)


def merge(model: nn.Module) -> None:
    """Put plain linear layers, with the updates added to their weights, in the place of every LoRALinear.

    Those that act only after reading stay as they are: their weights are those of the base as well.
    """
    with torch.no_grad():
        for name, module in list(adapted_modules(model)):
            if not module.after_reading:
                _replace(model, name, module.merged())


def adapted_modules(model: nn.Module) -> Iterator[tuple[str, LoRALinear]]:
    """Every LoRALinear with its name."""
    for name, module in model.named_modules():
        if isinstance(module, LoRALinear):
            yield name, module


def _is_target(name: str, module: nn.Module, config: LoRAConfig) -> bool:
    layer, _, within = name.removeprefix("layers.").partition(".")
    wanted = not config.layers or (layer.isdecimal() and int(layer) in config.layers)
    return isinstance(module, nn.Linear) and within in config.targets and wanted


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)
