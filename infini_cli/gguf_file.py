"""A GGUF file opened for reading: metadata as plain values, tensors by name, every fault a ModelError."""

from pathlib import Path
from typing import Any

from infini_cli.errors import ModelError

_MISSING = object()


class GGUFFile:
    """Metadata and memory-mapped tensors of one GGUF file.

    Raises:
        ModelError: the file is missing, not GGUF, truncated or damaged.
    """

    def __init__(self, path: Path) -> None:
        import gguf

        self.path = path
        try:
            reader = gguf.GGUFReader(path)
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror or error}") from None
        except Exception as error:
            # the reader indexes into the file without bounds checks: damage shows as almost any exception
            raise ModelError(
                f"{path} is not a complete GGUF file: {error}",
                hint="fetch the file again and compare its size or hash",
            ) from None
        self._fields = reader.fields
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}

    @property
    def architecture(self) -> str:
        return str(self.value("general.architecture"))

    def value(self, key: str, default: Any = _MISSING) -> Any:
        """The metadata under `key` as Python values. Raises ModelError when it and a default are missing."""
        field = self._fields.get(key)
        if field is None:
            if default is _MISSING:
                raise ModelError(f"{self.path} has no metadata {key!r}")
            return default
        try:
            return field.contents()
        except (ValueError, IndexError) as error:
            raise ModelError(f"{self.path} is damaged: metadata {key!r} cannot be read: {error}") from None

    def setting(self, key: str, default: Any = _MISSING) -> Any:
        """The architecture's own metadata, such as "block_count" for "llama.block_count"."""
        return self.value(f"{self.architecture}.{key}", default)
