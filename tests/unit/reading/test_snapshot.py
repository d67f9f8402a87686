"""The snapshot file: exact, atomic, and no damage goes unnoticed."""

import json
import os
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from infini_cli.errors import SnapshotError
from infini_cli.reading import atomic
from infini_cli.reading.snapshot import read_snapshot, write_snapshot

METADATA = {"model": "tiny", "documents": ['a "quoted" näme 文.pdf'], "sha256": "0" * 64, "pages": 3}


def arrays() -> dict[str, np.ndarray]:
    return {
        "layers.0.matrix": np.linspace(-1, 1, 24, dtype=np.float32).reshape(1, 2, 3, 4),
        "layers.0.norm": np.array([[0.0, np.pi, -0.0]], dtype=np.float32),
        "pending_tokens": np.array([5, 0, 2**40], dtype=np.int64),
        "nothing": np.zeros((0, 4), dtype=np.float32),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "memory.safetensors"
    write_snapshot(file, arrays(), METADATA)
    return file


def test_what_is_written_is_read_bit_for_bit(path: Path) -> None:
    snapshot = read_snapshot(path)
    assert snapshot.metadata == METADATA
    read = snapshot.arrays()
    assert list(read) == list(arrays())
    for name, array in arrays().items():
        assert read[name].dtype == array.dtype
        assert read[name].shape == array.shape
        assert read[name].tobytes() == array.tobytes()


def test_the_checksum_depends_on_numbers_and_metadata_only(path: Path, tmp_path: Path) -> None:
    again = write_snapshot(tmp_path / "again", arrays(), METADATA)
    assert again == read_snapshot(path).checksum
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    other = arrays()
    other["layers.0.norm"] = other["layers.0.norm"] + np.float32(1)
    assert write_snapshot(tmp_path / "other", other, METADATA) != again


def test_the_safetensors_library_reads_it_too(path: Path) -> None:
    for name, array in load_file(path).items():
        np.testing.assert_array_equal(array, arrays()[name])


def test_every_flipped_byte_is_found(path: Path) -> None:
    raw = path.read_bytes()
    for position in range(len(raw)):
        path.write_bytes(raw[:position] + bytes([raw[position] ^ (1 << position % 8)]) + raw[position + 1 :])
        with pytest.raises(SnapshotError):
            read_snapshot(path)


def test_every_cut_and_every_added_byte_is_found(path: Path) -> None:
    raw = path.read_bytes()
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(SnapshotError):
            read_snapshot(path)
    path.write_bytes(raw + b"\0")
    with pytest.raises(SnapshotError):
        read_snapshot(path)


def test_damage_is_named(path: Path) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(SnapshotError, match="checksum does not match") as caught:
        read_snapshot(path)
    assert "--force" in (caught.value.hint or "")
    path.write_bytes(raw[:5])
    with pytest.raises(SnapshotError, match="cut off after 5 bytes"):
        read_snapshot(path)
    path.write_bytes(raw[:100])
    with pytest.raises(SnapshotError, match="its header should be"):
        read_snapshot(path)
    path.unlink()
    with pytest.raises(SnapshotError, match="is missing"):
        read_snapshot(path)


def with_header(header: Any, data: bytes = b"") -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def sealed(tensors: dict[str, Any], data: bytes, **described: Any) -> bytes:
    """A file with a right checksum around whatever is in it."""
    import hashlib

    values = {
        "format": "infini-memory",
        "format_version": "1",
        "sha256": "0" * 64,
        "memory": "{}",
        **described,
    }
    header = json.dumps({"__metadata__": values, **tensors}, separators=(",", ":"))
    digest = hashlib.sha256(with_header(header.encode(), data)).hexdigest()
    return with_header(header.replace("0" * 64, digest).encode(), data)


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_a_sealed_file_is_read(path: Path) -> None:
    """The hostile files below differ from this one in one thing each."""
    path.write_bytes(sealed({"a": entry()}, bytes(8)))
    assert read_snapshot(path).arrays()["a"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "tensors",
    [
        {"a": entry(offsets=(-8, 0))},
        {"a": entry(offsets=(0, 2**62))},
        {"a": entry(shape=(2**62,))},
        {"a": entry(shape=(-1, -2))},
        {"a": entry(shape=(2**40, 2**40, 0))},
        {"a": entry(shape=[1] * 9 + [2])},
        {"a": entry(dtype="F64")},
        {"a": entry(dtype=["F32"])},
        {"a": entry(shape=(2.0,))},
        {"a": entry(shape=(True, 2))},
        {"a": entry(offsets=(0, 4, 8))},
        {"a": entry(offsets=(4, 8), shape=(1,))},
        {"a": entry(), "b": entry()},
        {"a": entry(shape=(1,), offsets=(0, 4))},
        {"a": 5},
        {"a": None},
    ],
)
def test_hostile_descriptions_of_arrays_are_refused(path: Path, tensors: dict[str, Any]) -> None:
    path.write_bytes(sealed(tensors, bytes(8)))
    with pytest.raises(SnapshotError):
        read_snapshot(path)


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2**64 - 1) + b"{}",
        with_header(b"[" * 100_000),
        with_header(b'{"a": ' + b"9" * 10_000 + b"}"),
        with_header(b"\xff\xfe"),
        with_header([1, 2]),
        with_header({}),
        with_header({"__metadata__": "x"}),
        with_header({"__metadata__": {"format": "infini-memory"}}),
        with_header({"__metadata__": {"format": "infini-memory", "sha256": 5}}),
        with_header({"__metadata__": {"format": "infini-memory", "sha256": ""}}),
        with_header({"__metadata__": {"format": "pt"}}),
        sealed({}, b"", memory="[]"),
        sealed({}, b"", memory="{"),
        sealed({}, b"", memory=5),
        sealed({}, b"", memory="[" * 100_000),
    ],
)
def test_hostile_headers_are_refused(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    with pytest.raises(SnapshotError):
        read_snapshot(path)


def test_a_huge_promise_takes_no_memory(path: Path) -> None:
    path.write_bytes(sealed({"a": entry(shape=(2**40,), offsets=(0, 2**42))}, bytes(64)))
    tracemalloc.start()
    with pytest.raises(SnapshotError):
        read_snapshot(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything_else(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "fuzz"
    file.write_bytes(with_header(data))
    with pytest.raises(SnapshotError):
        read_snapshot(file)
    file.write_bytes(data)
    with pytest.raises(SnapshotError):
        read_snapshot(file)


def test_a_newer_format_is_named(path: Path) -> None:
    path.write_bytes(sealed({}, b"", format_version="3"))
    with pytest.raises(SnapshotError, match="format version 3") as caught:
        read_snapshot(path)
    assert "upgrade" in (caught.value.hint or "")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_snapshot(path, {}, {"new": True})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_the_new_file_is_on_the_disk_before_it_takes_the_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(atomic.os, "fsync", lambda d: (steps.append("sync"), fsync(d))[1])
    monkeypatch.setattr(atomic.os, "replace", lambda a, b: (steps.append("rename"), replace(a, b))[1])
    write_snapshot(path, {}, {"new": True})
    assert steps == ["sync", "rename", "sync"]
