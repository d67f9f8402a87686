"""What an adapter file says about itself, readable without torch."""

import dataclasses
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infini_cli.errors import ModelError
from infini_cli.nn.config import MemoryConfig, memory_from_dict

METADATA_KEY = "infini_adapter"
FORMAT_VERSION = 1
_MAX_HEADER_BYTES = 100_000_000  # the limit of the safetensors library


@dataclass(frozen=True, slots=True)
class AdapterInfo:
    """What an adapter was trained on and what it holds.

    base: fingerprint of the base model's file.
    memory: the memory that its parameters belong to.
    lora: keyword arguments of a LoRAConfig, or None for an adapter without LoRA.
    """

    base: str
    memory: MemoryConfig
    lora: dict[str, Any] | None = None

    def to_json(self) -> str:
        return json.dumps({"version": FORMAT_VERSION, **dataclasses.asdict(self)}, sort_keys=True)


def read_adapter_info(file: Path) -> AdapterInfo:
    """The metadata of an adapter file.

    Raises:
        ModelError: the file is missing, no adapter, of a newer format, or damaged.
    """
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > _MAX_HEADER_BYTES:
                raise ValueError("its header is too long")
            header = json.loads(stream.read(length))
        text = header.get("__metadata__", {}).get(METADATA_KEY)
        if text is None:
            raise ModelError(f"{file} is not an adapter of this program")
        values = json.loads(text)
        if values["version"] != FORMAT_VERSION:
            raise ModelError(
                f"{file} has adapter format {values['version']}, this program reads {FORMAT_VERSION}",
                hint="update the program, or train the adapter again",
            )
        return AdapterInfo(values["base"], memory_from_dict(values["memory"]), values["lora"])
    except OSError as error:
        raise ModelError(f"the adapter {file} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise ModelError(f"the adapter {file} is damaged: {error}") from None
