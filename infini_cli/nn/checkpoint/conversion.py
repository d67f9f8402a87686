"""A GGUF file dequantized once into a Hugging Face folder that loads by memory-mapping."""

import json
import os
import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from infini_cli.gguf_file import GGUFFile
from infini_cli.nn.checkpoint.gguf_reading import GGUFTensors, hugging_face_config
from infini_cli.nn.checkpoint.loading import base_parameters, check_tensors, empty_model, gguf_config
from infini_cli.nn.checkpoint.names import hugging_face_name
from infini_cli.nn.checkpoint.safetensors_reading import WEIGHTS
from infini_cli.nn.hugging_face_config import CONFIG

_ALIGNMENT = 64  # bytes; vector instructions like their operands aligned
_BFLOAT16_BYTES = 2


def convert_to_cache(
    file: GGUFFile, folder: Path, *, on_progress: Callable[[int, int], None] | None = None
) -> None:
    """Write config.json and model.safetensors of a GGUF file into an existing folder.

    The weights are dequantized in float32 and rounded to bfloat16, and that is what the model is from then
    on: loaded in float32 it computes with the rounded weights, which those of `load_base(file.path)` are not.
    One tensor is in memory at a time. Each file appears under its name only when it is complete.

    Args:
        file: the open GGUF file.
        folder: where to write.
        on_progress: called with the numbers of tensors done and of all.

    Raises:
        ModelError: the file is damaged or unsupported.
        OSError: the folder cannot be written.
    """
    config = gguf_config(file)
    source = GGUFTensors(file, config)
    shapes = base_parameters(empty_model(config, None))
    check_tensors(source, shapes, str(file.path))

    def tensors() -> Iterable[Tensor]:
        for done, name in enumerate(shapes, start=1):
            yield source.tensor(name).to(torch.bfloat16)
            if on_progress is not None:
                on_progress(done, len(shapes))

    stored = {hugging_face_name(name): shape for name, shape in shapes.items()}
    _write(folder / WEIGHTS, lambda stream: _write_safetensors(stream, stored, tensors()))
    text = json.dumps({**hugging_face_config(file), "dtype": "bfloat16"}, indent=1)
    _write(folder / CONFIG, lambda stream: stream.write(text.encode()))


def _write_safetensors(
    stream: BinaryIO, shapes: Mapping[str, tuple[int, ...]], tensors: Iterable[Tensor]
) -> None:
    """bfloat16 tensors in the format of safetensors, which its own library would write only from memory.

    The header's length in 8 bytes, a JSON header padded with spaces, then the tensors one after another.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, shape in shapes.items():
        end = position + _BFLOAT16_BYTES * torch.Size(shape).numel()
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": (position, end)}
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % _ALIGNMENT)
    stream.write(struct.pack("<Q", len(text)) + text)
    for tensor in tensors:
        # NumPy knows no bfloat16
        stream.write(tensor.contiguous().view(torch.int16).numpy().data)


def _write(file: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that it is there in full or not at all."""
    temporary = file.with_name(file.name + ".part")
    try:
        with temporary.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
