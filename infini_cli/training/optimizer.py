"""AdamW over groups of parameters that learn at different rates."""

import math

import torch
from torch import nn

from infini_cli.training.recipe import Optimizer


def make_optimizer(model: nn.Module, settings: Optimizer) -> torch.optim.AdamW:
    """An optimizer of everything that requires a gradient, in groups "lora", "map" and "gate".

    Raises:
        ValueError: nothing requires a gradient.
    """
    groups: dict[str, list[nn.Parameter]] = {"lora": [], "map": [], "gate": []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            kind = "lora" if ".lora_" in name else "map" if name.endswith("_map") else "gate"
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


def schedule(optimizer: torch.optim.Optimizer, step: int, steps: int, settings: Optimizer) -> None:
    """Set every group's rate for a step (from 0): a linear warm-up, then a cosine down to `final_share`."""
    if step < settings.warmup_steps:
        share = (step + 1) / settings.warmup_steps
    else:
        done = (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        share = settings.final_share + (1 - settings.final_share) * cosine
    for group in optimizer.param_groups:
        group["lr"] = group["full_lr"] * share
