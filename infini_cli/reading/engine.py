"""The model that reads and answers, built from the user's settings."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from infini_cli.errors import UsageError
from infini_cli.nn.checkpoint import load_adapter, load_base
from infini_cli.nn.config import MemoryConfig
from infini_cli.nn.memory import MemoryState, empty_state
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.settings import Settings
from infini_cli.tokenizers import Tokenizer, load_tokenizer
from infini_cli.zoo import ResolvedModel, resolve

NO_ADAPTER = "none"


@dataclass(slots=True)
class ModelEngine:
    """A loaded model with its tokenizer; an `Engine` for reading, and all that answering needs.

    Attributes:
        model: on its device, ready for inference.
        tokenizer: of the model.
        model_name: as the user called it.
        device: where it runs, such as "cpu" or "cuda:0".
        dtype: of its weights, such as "bfloat16".
        segment_length: tokens.
        fingerprints: of "model", "adapter", "tokenizer" and "memory".
    """

    model: InfiniTransformer
    tokenizer: Tokenizer
    model_name: str
    device: str
    dtype: str
    segment_length: int
    fingerprints: dict[str, str]

    def empty_state(self) -> MemoryState:
        """A memory of nothing, for one document (B = 1)."""
        return empty_state(self.model.config, device=self.model.device)

    @torch.inference_mode()
    def read(self, tokens: Tensor, state: MemoryState) -> MemoryState:
        """The memory after token ids (1, S, T)."""
        return self.model.read(tokens.to(self.model.device), state)


def load_engine(settings: Settings, *, segment_length: int | None = None) -> ModelEngine:
    """Load the model that the settings name; nothing is downloaded.

    Args:
        settings: model, device, dtype and segment length.
        segment_length: tokens, instead of the settings' or the model's own.

    Raises:
        ModelError: the model is unknown, not on this machine, or damaged.
        UsageError: the device is not there.
        torch.OutOfMemoryError: the device has no room for it.
    """
    return load_resolved(
        resolve(settings.model, offline=settings.offline), settings, segment_length=segment_length
    )


def load_resolved(
    resolved: ResolvedModel, settings: Settings, *, segment_length: int | None = None
) -> ModelEngine:
    """Load a model whose files are known; arguments and errors as those of `load_engine`."""
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    length = segment_length or settings.segment_length or resolved.memory.segment_length
    memory = dataclasses.replace(resolved.memory, segment_length=length)
    model = load_base(resolved.folder, memory=memory, device=device, dtype=dtype)
    if resolved.adapter is not None:
        load_adapter(model, resolved.adapter, base=resolved.fingerprint)
    tokenizer = load_tokenizer(resolved.folder)
    return ModelEngine(
        model=model,
        tokenizer=tokenizer,
        model_name=settings.model,
        device=str(device),
        dtype=str(dtype).removeprefix("torch."),
        segment_length=length,
        fingerprints=_fingerprints(resolved, tokenizer),
    )


def expected_fingerprints(settings: Settings) -> dict[str, str]:
    """What a memory must carry to be used by the model that the settings name; its weights are not loaded.

    Raises:
        ModelError: the model is unknown, not on this machine, or damaged.
    """
    resolved = resolve(settings.model, offline=settings.offline)
    return _fingerprints(resolved, load_tokenizer(resolved.folder))


def _fingerprints(resolved: ResolvedModel, tokenizer: Tokenizer) -> dict[str, str]:
    return {
        "model": resolved.fingerprint,
        "adapter": resolved.adapter_fingerprint or NO_ADAPTER,
        "tokenizer": tokenizer.fingerprint,
        "memory": memory_fingerprint(resolved.memory),
    }


# parts of a form that came later, with the values under which they do nothing: memories made before keep their print
_LATER_ADDITIONS = {
    "write_threshold": 0.0,
    "read_gate": False,
    "map_factor": 1,
    "map_groups": 1,
    "word_keys": 0,
    "word_values": False,
    "key_shift": 0,
    "write_hidden": 0,
    "word_parts": 1,
    "write_layer": None,
    "word_context": 0,
    "write_ends": False,
    "read_layer": None,
    "read_threshold": 0.0,
    "read_in_turn": False,
}


def memory_fingerprint(memory: MemoryConfig) -> str:
    """SHA-256 of what decides the meaning of a memory's numbers; the segment length does not."""
    values: dict[str, Any] = dataclasses.asdict(memory)
    del values["segment_length"]
    for name, neutral in _LATER_ADDITIONS.items():
        if values[name] == neutral:
            del values[name]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def choose_device(name: str) -> torch.device:
    """The device to run on; "auto" is a CUDA device where there is one, else the CPU.

    Raises:
        UsageError: the device asked for is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }[device.type]
    if not available:
        raise UsageError(f"there is no device {name!r} here", hint="use --device auto, or --device cpu")
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The number format of the weights; "auto" is bfloat16 where the device computes in it, else float32."""
    if name != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]
    if device.type == "cuda" or (device.type == "cpu" and _cpu_computes_in_bfloat16()):
        return torch.bfloat16
    return torch.float32


def _cpu_computes_in_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself; elsewhere it is slower than float32."""
    # private names of torch.cpu, present since 2.4 on x86; absent names mean "no"
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, bool)()) for probe in probes)
