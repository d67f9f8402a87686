"""A training run in one TOML file: what is trained, on what, and for how long."""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infini_cli.errors import UsageError
from infini_cli.nn.config import MemoryConfig, build, memory_from_dict
from infini_cli.nn.lora import LoRAConfig
from infini_cli.training.mixture import parse_mixture

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True, slots=True)
class Optimizer:
    """AdamW, one learning rate per group of parameters."""

    lora_lr: float = 1e-3
    map_lr: float = 1e-2  # query and key maps
    gate_lr: float = 1e-2  # beta and the write gate
    weight_decay: float = 0.0  # on low-rank updates; never on maps and gates
    warmup_steps: int = 20
    final_share: float = 0.1  # of each rate, reached along a cosine at the last step
    clip_norm: float = 1.0


@dataclass(frozen=True, slots=True)
class Curriculum:
    """Documents grow stage by stage once the held-out exact match of the present stage is good enough."""

    segments: tuple[int, ...] = (2, 3, 5, 8, 16, 32)  # most segments of a document, stage by stage
    promote_at: float = 0.95  # held-out exact match
    patience_steps: int = 400  # go on to the next stage after so many steps at the latest
    steps: int = 1000
    batch_documents: int = 8
    evaluate_every: int = 50
    evaluation_samples: int = 32


@dataclass(frozen=True, slots=True)
class Losses:
    """Weights of the parts of the loss; an answer's cross-entropy has weight 1."""

    text: float = 0.1  # cross-entropy of text that goes on after a document
    distill: float = 0.0  # KL to the base model that sees the needed text in its window
    replay: float = 0.5  # KL to the base model on requests that have nothing to do with the document


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole training run."""

    name: str
    base: str
    memory: MemoryConfig
    mixture: dict[str, Any]  # see mixture.parse_mixture
    lora: LoRAConfig | None = None
    optimizer: Optimizer = Optimizer()
    curriculum: Curriculum = Curriculum()
    losses: Losses = Losses()
    seed: int = 1

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def load_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file. Raises UsageError naming the file and the key that is wrong."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the recipe {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a TOML file: {error}") from error
    try:
        return recipe_from_dict(values)
    except (ValueError, TypeError) as error:
        raise UsageError(f"recipe {path}: {error}") from error


def recipe_from_dict(values: dict[str, Any]) -> Recipe:
    """A Recipe from plain values. Raises ValueError for unknown or missing keys."""
    values = dict(values)
    if "memory" in values:
        values["memory"] = memory_from_dict(values["memory"])
    tables = {"lora": LoRAConfig, "optimizer": Optimizer, "curriculum": Curriculum, "losses": Losses}
    for name in tables.keys() & values.keys():
        table = {key: tuple(v) if isinstance(v, list) else v for key, v in values[name].items()}
        values[name] = build(tables[name], table)
    parse_mixture(values.get("mixture", {}))
    return build(Recipe, values)
