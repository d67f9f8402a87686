"""Files that a run is gone on from: what it has learned so far, and the recipe it belongs to."""

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from infini_cli.errors import UsageError
from infini_cli.nn.transformer import InfiniTransformer


def write(file: Path, recipe: str, parameters: dict[str, Tensor], **others: Any) -> None:
    """Keep parameters, by their names in the model, and other values; the old file stays until the new one is whole."""
    temporary = file.with_name(file.name + ".part")
    torch.save({"recipe": recipe, "parameters": parameters, **others}, temporary)
    os.replace(temporary, file)


def read(file: Path, recipe: str, model: InfiniTransformer) -> dict[str, Any] | None:
    """Give a model the parameters that were kept, and return the other values; None where there is no file.

    Raises:
        UsageError: it belongs to another recipe.
    """
    if not file.exists():
        return None
    kept: dict[str, Any] = torch.load(file, map_location=model.device, weights_only=True)
    if kept.pop("recipe") != recipe:
        raise UsageError(
            f"{file.parent} holds a run of another recipe",
            hint="choose another --output, or remove that folder",
        )
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in kept.pop("parameters").items():
            parameters[name].copy_(value)
    return kept
