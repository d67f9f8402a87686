"""AdamW over groups of parameters that learn at different rates."""

import torch
from torch import nn

from infini_cli.training.recipe import Optimizer


def make_optimizer(model: nn.Module, settings: Optimizer) -> torch.optim.AdamW:
    """An optimizer of everything that requires a gradient, in groups "lora", "map" and "gate".

    Raises:
        ValueError: nothing requires a gradient.
    """
    groups: dict[str, list[nn.Parameter]] = {"lora": [], "map": [], "gate": []}
    mapping = ("_map", "_offset")
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            kind = "lora" if ".lora_" in name else "map" if name.endswith(mapping) else "gate"
            groups[kind].append(parameter)
    if not any(groups.values()):
        raise ValueError("nothing to train: no parameter requires a gradient")
    rates = {"lora": settings.lora_lr, "map": settings.map_lr, "gate": settings.gate_lr}
    decays = {"lora": settings.weight_decay, "map": 0.0, "gate": 0.0}
    return torch.optim.AdamW(
        [
            {
                "name": kind,
                "params": parameters,
                "lr": rates[kind],
                "full_lr": rates[kind],
                "weight_decay": decays[kind],
            }
            for kind, parameters in groups.items()
            if parameters
        ],
        betas=(0.9, 0.95),
    )


def set_rate(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Set every group's rate to a share of its full one."""
    for group in optimizer.param_groups:
        group["lr"] = group["full_lr"] * share
