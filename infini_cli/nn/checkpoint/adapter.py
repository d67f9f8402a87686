"""Adapters: the trained memory parameters and LoRA updates of a model, in one safetensors file.

Keys are those of PEFT: `base_model.model.` before Hugging Face's module names, then `lora_A.weight` (r, I)
and `lora_B.weight` (O, r). Memory parameters, which PEFT does not know, stand under `…layers.{i}.memory.`.
"""

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from infini_cli.errors import ModelError
from infini_cli.nn.adapter_info import METADATA_KEY, AdapterInfo, read_adapter_info
from infini_cli.nn.checkpoint.names import hugging_face_module
from infini_cli.nn.config import MemoryConfig
from infini_cli.nn.lora import LoRAConfig, adapted_modules, inject, merge
from infini_cli.nn.transformer import InfiniTransformer

_PREFIX = "base_model.model."


def save_adapter(
    model: InfiniTransformer,
    file: Path,
    *,
    base: str,
    lora: LoRAConfig | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a model's memory parameters and, with `lora`, its updates; the file appears only when complete.

    Args:
        model: with LoRALinear modules in place, not merged, when `lora` is given.
        file: where to write.
        base: fingerprint of the base model's file.
        lora: what `inject` was given.
        dtype: of the stored updates and word keys; the rest of the memory's parameters is stored in float32.

    Raises:
        ValueError: the model has no memory, or its LoRA modules are not those of `lora`.
        OSError: the file cannot be written.
    """
    if model.config.memory is None:
        raise ValueError("a model without memory has nothing to save")
    if (lora is not None) != any(True for _ in adapted_modules(model)):
        raise ValueError("the model's LoRA modules are not those of the configuration")
    tensors = {
        key: value.detach().to("cpu", dtype if _is_large(key) else torch.float32).contiguous()
        for key, value in _parameters(model).items()
    }
    info = AdapterInfo(base, model.config.memory, None if lora is None else asdict(lora))
    data = safetensors.torch.save(tensors, {"format": "pt", METADATA_KEY: info.to_json()})
    temporary = file.with_name(file.name + ".part")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def load_adapter(model: InfiniTransformer, file: Path, *, base: str, merged: bool = True) -> AdapterInfo:
    """Give a base model the memory parameters and LoRA updates of an adapter.

    Args:
        model: loaded with the adapter's memory configuration (`read_adapter_info(file).memory`), whose
            segment length alone may differ.
        file: the adapter.
        base: fingerprint of the model's file.
        merged: add the updates to the weights, for inference; otherwise they stay apart, for training.

    Raises:
        ModelError: the adapter is damaged, or belongs to another model or memory.
    """
    info = read_adapter_info(file)
    if info.base != base:
        raise ModelError(
            f"the adapter {file} was trained for another base model",
            hint=f"it needs the model with fingerprint {info.base[:12]}…, this one is {base[:12]}…",
        )
    if model.config.memory is None or _form(model.config.memory) != _form(info.memory):
        raise ModelError(f"the adapter {file} belongs to another form of memory: {info.memory}")
    try:
        stored = safetensors.torch.load_file(file)
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelError(f"the adapter {file} is damaged: {error}") from None
    if info.lora is not None:
        lora: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in info.lora.items()}
        try:
            inject(model, LoRAConfig(**lora))
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(f"the adapter {file} is damaged: {error}") from None
    parameters = _parameters(model)
    if parameters.keys() != stored.keys():
        odd = min(parameters.keys() ^ stored.keys())
        raise ModelError(f"{file} does not fit the model: {odd} is on one side only")
    with torch.no_grad():
        for key, parameter in parameters.items():
            if parameter.shape != stored[key].shape:
                found, expected = tuple(stored[key].shape), tuple(parameter.shape)
                raise ModelError(f"{file} does not fit the model: {key} is {found}, expected {expected}")
            parameter.copy_(stored[key])
    if merged:
        merge(model)
    return info


def _parameters(model: InfiniTransformer) -> dict[str, Tensor]:
    """Everything an adapter holds, by its key in the file."""
    parameters: dict[str, Tensor] = {
        f"{_PREFIX}model.{name}": value for name, value in model.named_parameters() if ".memory." in name
    }
    for name, module in adapted_modules(model):
        key = _PREFIX + hugging_face_module(name)
        parameters[f"{key}.lora_A.weight"] = module.lora_a
        parameters[f"{key}.lora_B.weight"] = module.lora_b
    return parameters


def _is_large(key: str) -> bool:
    return ".lora_" in key or ".memory.word" in key


def _form(memory: MemoryConfig) -> MemoryConfig:
    """What must agree between an adapter and a model: all but segment length and initial beta."""
    return replace(memory, segment_length=1, beta_init=0.0)
