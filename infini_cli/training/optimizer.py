"""AdamW over groups of parameters that learn at different rates."""

import torch
from torch import nn

from infini_cli.training.recipe import Optimizer


def make_optimizer(model: nn.Module, settings: Optimizer) -> torch.optim.AdamW:
    """An optimizer of everything that requires a gradient, in groups "lora", "map", "gate" and "write".

    What has a rate of 0 is frozen: no gradient is computed for it.

    Raises:
        ValueError: nothing requires a gradient.
    """
    write_lr = settings.gate_lr if settings.write_lr is None else settings.write_lr
    rates = {"lora": settings.lora_lr, "map": settings.map_lr, "gate": settings.gate_lr, "write": write_lr}
    groups: dict[str, list[nn.Parameter]] = {kind: [] for kind in rates}
    for name, parameter in model.named_parameters():
        kind = _kind(name)
        if rates[kind] == 0:
            parameter.requires_grad_(False)
        if parameter.requires_grad:
            groups[kind].append(parameter)
    if not any(groups.values()):
        raise ValueError("nothing to train: no parameter requires a gradient")
    return torch.optim.AdamW(
        [
            {
                "name": kind,
                "params": parameters,
                "lr": rates[kind],
                "full_lr": rates[kind],
                "weight_decay": settings.weight_decay if kind == "lora" else 0.0,
            }
            for kind, parameters in groups.items()
            if parameters
        ],
        betas=(0.9, 0.95),
    )


def _kind(name: str) -> str:
    if ".lora_" in name:
        return "lora"
    if any(part in name for part in (".memory.write.", ".memory.ends.", ".memory.words.context.")):
        return "write"
    return "map" if name.endswith(("_map", "_offset")) else "gate"


def up_and_down(step: int, steps: int, warmup: int, final: float) -> float:
    """The share of the full rates at a step: rising for `warmup` steps, and falling in a line to nearly `final`."""
    return min(1.0, (step + 1) / warmup) * (1 - (1 - final) * step / steps)


def set_rate(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Set every group's rate to a share of its full one."""
    for group in optimizer.param_groups:
        group["lr"] = group["full_lr"] * share
