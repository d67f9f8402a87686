"""Base models from Hugging Face folders and GGUF files into an InfiniTransformer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from infini_cli.errors import ModelError
from infini_cli.gguf_file import GGUFFile
from infini_cli.nn.attention import MemoryParameters
from infini_cli.nn.checkpoint.gguf_reading import GGUFTensors, hugging_face_config
from infini_cli.nn.checkpoint.safetensors_reading import FolderTensors
from infini_cli.nn.config import MemoryConfig, ModelConfig
from infini_cli.nn.hugging_face_config import config_from_hugging_face, read_folder_config
from infini_cli.nn.transformer import InfiniTransformer

_NAMED_IN_ERRORS = 3  # tensors; a wrong file misses hundreds


class TensorSource(Protocol):
    """Where the parameters of a network come from."""

    shapes: dict[str, tuple[int, ...]]  # by stored name

    def stored_name(self, name: str) -> str:
        """What a parameter of InfiniTransformer is called there."""

    def is_surplus(self, stored_name: str) -> bool:
        """Whether a tensor may be there although no parameter needs it."""

    def tensor(self, name: str) -> Tensor:
        """A parameter of InfiniTransformer, by its name here."""


def read_config(path: Path) -> ModelConfig:
    """The network, without memory, of a Hugging Face folder or a GGUF file.

    Raises:
        ModelError: nothing is there, or nothing that is supported.
    """
    if path.is_dir():
        return read_folder_config(path)
    return gguf_config(GGUFFile(path))


def gguf_config(file: GGUFFile) -> ModelConfig:
    """The network, without memory, of an open GGUF file."""
    return config_from_hugging_face(hugging_face_config(file), name=str(file.path))


def load_base(
    path: Path,
    *,
    memory: MemoryConfig | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.bfloat16,
) -> InfiniTransformer:
    """A base model with its own weights, frozen, and an untrained memory.

    On the CPU, weights of a folder that are stored in `dtype` share the file's memory: nothing is read before
    it is used. A GGUF file is dequantized to float32 each time; `convert_to_cache` does that once.

    Args:
        path: a Hugging Face folder (config.json and safetensors) or a GGUF file.
        memory: which layers carry a memory; None loads the plain base model.
        device: where the weights go.
        dtype: of the weights; the parameters of the memory are float32 always.

    Raises:
        ModelError: files are missing, damaged or unsupported, or do not fit each other.
        torch.OutOfMemoryError: the device has no room for the weights.
    """
    source: TensorSource
    if path.is_dir():
        config = read_folder_config(path)
        source = FolderTensors(path)
    else:
        file = GGUFFile(path)
        config = gguf_config(file)
        source = GGUFTensors(file, config)
    model = empty_model(config, memory)
    names = base_parameters(model)
    check_tensors(source, names, str(path))
    weights = {name: source.tensor(name).to(device, dtype) for name in names}
    if memory is not None:
        for layer in memory.layers:
            model.layers[layer].memory = MemoryParameters(model.config, memory).to(device)
    model.load_state_dict(weights, strict=False, assign=True)
    for name in names:
        model.get_parameter(name).requires_grad_(False)
    return model.eval()


def empty_model(config: ModelConfig, memory: MemoryConfig | None) -> InfiniTransformer:
    """The network on PyTorch's meta device: shapes without values.

    Raises:
        ModelError: the memory does not fit the network.
    """
    try:
        config = config.with_memory(memory)
    except ValueError as error:
        raise ModelError(f"the memory does not fit the model: {error}") from None
    with torch.device("meta"):
        return InfiniTransformer(config)


def base_parameters(model: InfiniTransformer) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the parameters that a base model brings."""
    return {name: tuple(p.shape) for name, p in model.named_parameters() if ".memory." not in name}


def check_tensors(source: TensorSource, expected: Mapping[str, tuple[int, ...]], name: str) -> None:
    """Raise ModelError unless the source holds exactly the expected parameters in their shapes."""
    stored = {source.stored_name(parameter): shape for parameter, shape in expected.items()}
    if missing := [tensor for tensor in stored if tensor not in source.shapes]:
        raise ModelError(f"{name} lacks {_some(missing)}", hint="its config does not fit its weights")
    if extra := [t for t in source.shapes if t not in stored and not source.is_surplus(t)]:
        raise ModelError(
            f"{name} has weights that this network does not know: {_some(extra)}",
            hint="it is of another architecture than its config says, or of an unsupported variant",
        )
    for tensor, shape in stored.items():
        if source.shapes[tensor] != shape:
            raise ModelError(f"{name}: {tensor} has the shape {source.shapes[tensor]}, expected {shape}")


def _some(names: list[str]) -> str:
    """The first few of a list of names."""
    rest = len(names) - _NAMED_IN_ERRORS
    return ", ".join(names[:_NAMED_IN_ERRORS]) + (f" and {rest} more" if rest > 0 else "")
