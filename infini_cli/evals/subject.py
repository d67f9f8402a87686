"""The model under evaluation: with its adapter and memory, and beside it the plain base model."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from infini_cli.errors import ModelError
from infini_cli.nn.adapter_info import read_adapter_info
from infini_cli.nn.checkpoint import load_base
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.reading.engine import ModelEngine, load_resolved
from infini_cli.settings import Settings
from infini_cli.tokenizers import Tokenizer
from infini_cli.zoo import ResolvedModel, resolve
from infini_cli.zoo.hashing import remembered_sha256

UNTRAINED = "none"  # in place of an adapter's path: the base model with the paper's memory, untrained


@dataclass(slots=True)
class Subject:
    """What is evaluated.

    Attributes:
        engine: the model with its memory.
        resolved: its files.
        window: tokens that a plain model may attend to, in controls and baselines.
    """

    engine: ModelEngine
    resolved: ResolvedModel
    window: int
    _base: InfiniTransformer | None = field(default=None, repr=False)

    @property
    def model(self) -> InfiniTransformer:
        return self.engine.model

    @property
    def tokenizer(self) -> Tokenizer:
        return self.engine.tokenizer

    @property
    def segment_length(self) -> int:
        return self.engine.segment_length

    @property
    def base(self) -> InfiniTransformer:
        """The base model without adapter and memory, loaded when first asked for."""
        if self._base is None:
            dtype = getattr(torch, self.engine.dtype)
            self._base = load_base(
                self.resolved.folder, memory=None, device=torch.device(self.engine.device), dtype=dtype
            )
        return self._base


def load_subject(settings: Settings, adapter: str | None = None) -> Subject:
    """The model that the settings name.

    Args:
        settings: model, device, dtype, segment length and window.
        adapter: the path of another adapter than the model's own, or "none" for the untrained memory.

    Raises:
        ModelError: the model or the adapter is missing or damaged, or they do not fit.
        UsageError: the device is not there.
    """
    resolved = resolve(settings.model, offline=settings.offline)
    if adapter == UNTRAINED:
        resolved = replace(resolved, adapter=None, adapter_fingerprint=None)
    elif adapter is not None:
        file = Path(adapter).expanduser()
        if not file.is_file():
            raise ModelError(f"there is no adapter {adapter}", hint="give the path of an adapter.safetensors")
        memory = read_adapter_info(file).memory
        resolved = replace(resolved, adapter=file, adapter_fingerprint=remembered_sha256(file), memory=memory)
    return Subject(load_resolved(resolved, settings), resolved, settings.window)
