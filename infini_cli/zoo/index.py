"""The index of known models: models/index.toml as values."""

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infini_cli import paths
from infini_cli.nn.config import MemoryConfig, memory_from_dict

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FILE = "index.toml"
_BFLOAT16_BYTES = 2


@dataclass(frozen=True, slots=True)
class Source:
    """A GGUF file inside a wheel of a Python package index."""

    package: str
    version: str
    wheel_bytes: int
    wheel_sha256: str
    member: str  # the file's path inside the wheel
    gguf_bytes: int
    gguf_sha256: str


@dataclass(frozen=True, slots=True)
class MemoryDefaults:
    """The form of a memory, for a network whose number of layers is not known yet."""

    values: Mapping[str, Any]

    def config(self, n_layers: int) -> MemoryConfig:
        values = dict(self.values)
        if values.get("layers") == "all":
            values["layers"] = range(n_layers)
        return memory_from_dict(values)


@dataclass(frozen=True, slots=True)
class Entry:
    """One known model: shipped with the program, got from a source, or an adapter shipped for another model."""

    name: str
    description: str
    licence: str
    parameters: int
    context: int  # tokens
    memory: MemoryDefaults
    shipped: bool = False
    source: Source | None = None  # of the base model, where there is one
    base: str | None = None  # the model whose files it shares

    @property
    def files(self) -> str:
        """The name under which its pulled files lie."""
        return self.base or self.name

    @property
    def converted_bytes(self) -> int:
        """About how large the model is when its weights are stored in bfloat16."""
        return _BFLOAT16_BYTES * self.parameters


@dataclass(frozen=True, slots=True)
class Index:
    """All known models by name, and the memory of models that are given by their path."""

    models: Mapping[str, Entry]
    memory: MemoryDefaults


@functools.cache
def load_index() -> Index:
    """The index that comes with the program."""
    values = tomllib.loads((paths.shipped_models_dir() / _FILE).read_text(encoding="utf-8"))
    models = {name: _entry(name, entry, values["models"]) for name, entry in values["models"].items()}
    return Index(models, MemoryDefaults(values["memory"]))


def _entry(name: str, values: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]) -> Entry:
    shared = models[values["base"]] if "base" in values else {}
    values = {**{key: shared[key] for key in ("context", "source", "memory") if key in shared}, **values}
    source = values.pop("source", None)
    memory = MemoryDefaults(values.pop("memory"))
    return Entry(name, **values, memory=memory, source=None if source is None else Source(**source))


def source_in_words(source: Source) -> str:
    """Where a model comes from, for people."""
    return f"package {source.package} {source.version} of the Python package index"
