"""A memory's numbers in one safetensors file, with a checksum over every byte of it; no pickle, no torch.

Layout (github.com/huggingface/safetensors, "Format"): the header's length in 8 bytes, the header as JSON,
then the arrays back to back. In the header's `__metadata__` stand the kind and version of the format, one
JSON text for whoever wrote the snapshot, and the SHA-256 of the whole file as it is with 64 zeros in the
place of that digest.
"""

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infini_cli.errors import SnapshotError
from infini_cli.reading.atomic import write_atomically

if TYPE_CHECKING:
    import numpy as np

FORMAT = "infini-memory"
# 2 added digests of the passages to the metadata; files of version 1 lack them and are read all the same
FORMAT_VERSION = 2
READABLE_VERSIONS = frozenset({"1", "2"})
MAX_HEADER_BYTES = 16 * 2**20  # parsed, a hostile header may take some 25 times as much
MAX_FILE_BYTES = 2**30  # the memory of the largest models takes some tens of megabytes

_MAX_DIMENSIONS = 8
_NO_DIGEST = "0" * 64
_DTYPES = {"F32": "<f4", "I64": "<i8"}  # safetensors' names and numpy's
_ANEW = "read the documents anew with --force, or load a saved copy"


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one array lies in the data of a snapshot."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot read and verified."""

    metadata: dict[str, Any]
    checksum: str  # SHA-256, hex
    entries: dict[str, Entry]
    data: memoryview

    def arrays(self) -> "dict[str, np.ndarray]":
        """The arrays by name; read-only views of the file's bytes."""
        import numpy as np

        return {
            name: np.frombuffer(self.data[entry.start : entry.end], dtype=_DTYPES[entry.dtype]).reshape(
                entry.shape
            )
            for name, entry in self.entries.items()
        }


def write_snapshot(path: Path, arrays: "Mapping[str, np.ndarray]", metadata: Mapping[str, Any]) -> str:
    """Write a snapshot atomically and return its checksum.

    Args:
        path: the file; the one there is replaced only when the new one is safe on the disk.
        arrays: float32 or int64 arrays by name.
        metadata: anything JSON can hold.

    Raises:
        OSError: the file cannot be written; the old one stands.
    """
    import numpy as np

    names = {np.dtype(ours): name for name, ours in _DTYPES.items()}
    tensors: dict[str, Any] = {}
    pieces: list[bytes] = []
    position = 0
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        end = position + len(raw)
        tensors[name] = {
            "dtype": names[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [position, end],
        }
        pieces.append(raw)
        position = end
    text = json.dumps(metadata, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    header = _header(tensors, text, _NO_DIGEST)
    digest = hashlib.sha256(header)
    for piece in pieces:
        digest.update(piece)
    checksum = digest.hexdigest()
    write_atomically(path, [_header(tensors, text, checksum), *pieces])
    return checksum


def _header(tensors: Mapping[str, Any], text: str, digest: str) -> bytes:
    """Length and JSON; padded with spaces so that the arrays are aligned."""
    described = {"format": FORMAT, "format_version": str(FORMAT_VERSION), "sha256": digest, "memory": text}
    raw = json.dumps({"__metadata__": described, **tensors}, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw)) + raw


def read_snapshot(path: Path) -> Snapshot:
    """Read and verify a snapshot. Never takes more memory than a small multiple of the file's size.

    Raises:
        SnapshotError: the file is missing, cut off, changed in any byte, of another kind or of a newer
        version.
    """
    raw, header_end, header = _parse(path)
    described = header.pop("__metadata__", None)
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise SnapshotError(f"{path} is not a memory of infini, or is damaged", hint=_ANEW)
    checksum = described.get("sha256")
    if not isinstance(checksum, str) or _digest(raw, header_end, checksum) != checksum:
        raise SnapshotError(
            f"{path} is damaged: its checksum does not match; a part of it was changed since it was written",
            hint=_ANEW,
        )
    version = described.get("format_version")
    if version not in READABLE_VERSIONS:
        raise SnapshotError(
            f"{path} has format version {version}; this version of infini reads up to {FORMAT_VERSION}",
            hint="upgrade infini, or read the documents anew with --force",
        )
    entries = _entries(path, header, len(raw) - header_end)
    try:
        metadata = json.loads(described["memory"])
    except (KeyError, TypeError, ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise SnapshotError(f"{path} is damaged: its description is not readable", hint=_ANEW)
    return Snapshot(metadata, checksum, entries, memoryview(raw)[header_end:])


def _parse(path: Path) -> tuple[bytes, int, dict[str, Any]]:
    """The file's bytes, where its header ends, and the header."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise SnapshotError(f"{path} is too large for a memory: {size} bytes")
        raw = path.read_bytes()
    except FileNotFoundError:
        raise SnapshotError(f"the memory file {path} is missing", hint=_ANEW) from None
    except OSError as error:
        raise SnapshotError(f"the memory file {path} cannot be read: {error.strerror}") from None
    if len(raw) < 8:
        raise SnapshotError(f"{path} is damaged: it is cut off after {len(raw)} bytes", hint=_ANEW)
    (length,) = struct.unpack("<Q", raw[:8])
    if length > MAX_HEADER_BYTES or 8 + length > len(raw):
        raise SnapshotError(
            f"{path} is damaged: its header should be {length} bytes long, but the file has {len(raw)}",
            hint=_ANEW,
        )
    try:
        header = json.loads(raw[8 : 8 + length].decode())
    except (ValueError, RecursionError):
        raise SnapshotError(f"{path} is damaged: its header is not readable", hint=_ANEW) from None
    if not isinstance(header, dict):
        raise SnapshotError(f"{path} is damaged: its header is not readable", hint=_ANEW)
    return raw, 8 + length, header


def _digest(raw: bytes, header_end: int, checksum: str) -> str:
    """SHA-256 of the file with zeros in the place of its own digest; empty when that place is not plain."""
    held = f'"sha256":"{checksum}"'.encode()
    header = raw[:header_end]
    if len(checksum) != len(_NO_DIGEST) or header.count(held) != 1:
        return ""
    digest = hashlib.sha256(header.replace(held, f'"sha256":"{_NO_DIGEST}"'.encode()))
    digest.update(memoryview(raw)[header_end:])
    return digest.hexdigest()


def _entries(path: Path, header: dict[str, Any], data_bytes: int) -> dict[str, Entry]:
    """The arrays described in the header, which must fill the data without gap or overlap."""
    entries: dict[str, Entry] = {}
    position = 0
    for name, described in header.items():
        entry = _entry(described)
        if entry is None or entry.start != position or entry.end > data_bytes:
            raise SnapshotError(
                f"{path} is damaged: the array {name!r} does not fit its description", hint=_ANEW
            )
        entries[name] = entry
        position = entry.end
    if position != data_bytes:
        raise SnapshotError(
            f"{path} is damaged: it holds {data_bytes} bytes of numbers, not {position}", hint=_ANEW
        )
    return entries


def _entry(described: Any) -> Entry | None:
    """One array's place and shape, or None when they contradict each other."""
    try:
        dtype, shape = described["dtype"], described["shape"]
        start, end = described["data_offsets"]
        plain = all(type(number) is int and number >= 0 for number in (start, end, *shape))
        if not plain or len(shape) > _MAX_DIMENSIONS:
            return None
        count = math.prod(shape) * int(_DTYPES[dtype][-1])
        return Entry(dtype, tuple(shape), start, end) if end - start == count else None
    except (KeyError, TypeError, ValueError):
        return None
