"""The tensors of a Hugging Face folder: one safetensors file or several with an index, memory-mapped."""

from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import Tensor

from infini_cli.errors import ModelError
from infini_cli.nn.checkpoint.names import hugging_face_name
from infini_cli.nn.hugging_face_config import read_json

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"

_HEAD = "lm_head.weight"
_EMBEDDING = "model.embed_tokens.weight"
_ROTARY_BUFFER = ".rotary_emb.inv_freq"  # in old checkpoints; follows from the config
_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a folder's tensors. Raises ModelError when one is missing."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        names = set(map(str, dict(read_json(folder / INDEX).get("weight_map") or {}).values()))
        if outside := [name for name in names if Path(name).name != name]:
            raise ModelError(f"{folder / INDEX} names a file outside its folder: {outside[0]}")
        if missing := sorted(name for name in names if not (folder / name).is_file()):
            raise ModelError(f"{folder} lacks {', '.join(missing)}", hint="fetch the model again")
        return [folder / name for name in sorted(names)]
    hint = f"supported: {WEIGHTS}, or {INDEX} with the files it names"
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt*")):
        hint = "PyTorch's pickled .bin files can run code and are not read; convert them to safetensors"
    raise ModelError(f"{folder} has no {WEIGHTS}", hint=hint)


class FolderTensors:
    """A network's parameters in a Hugging Face folder, by the names of InfiniTransformer.

    Raises:
        ModelError: a file is missing, truncated or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, Any] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        for path in weight_files(folder):
            try:
                file = safetensors.safe_open(path, framework="pt", device="cpu")
                for name in file.keys():  # noqa: SIM118 (the file is no mapping)
                    self._files[name] = file
                    self.shapes[name] = tuple(file.get_slice(name).get_shape())
            except (safetensors.SafetensorError, OSError, ValueError) as error:
                raise ModelError(
                    f"{path} is not a complete safetensors file: {error}",
                    hint="fetch the file again and compare its size or hash",
                ) from None

    def stored_name(self, name: str) -> str:
        return hugging_face_name(name)

    def is_surplus(self, stored_name: str) -> bool:
        """Whether a tensor follows from others and may stand in a checkpoint without being used."""
        if stored_name == _HEAD and _EMBEDDING in self._files:  # tied, but stored all the same
            return torch.equal(self._stored(_HEAD), self._stored(_EMBEDDING))
        return stored_name.endswith(_ROTARY_BUFFER)

    def tensor(self, name: str) -> Tensor:
        """A parameter as stored, sharing the file's memory. Raises ModelError for quantized ones."""
        values = self._stored(self.stored_name(name))
        if values.dtype not in _DTYPES:
            raise ModelError(
                f"{self.folder}: {self.stored_name(name)} has the unsupported type {values.dtype}",
                hint=f"supported: {', '.join(map(str, _DTYPES))}",
            )
        return values

    def _stored(self, stored_name: str) -> Tensor:
        return self._files[stored_name].get_tensor(stored_name)
