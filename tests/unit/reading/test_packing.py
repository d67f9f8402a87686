"""Saved memories: whole or not at all, and nothing from elsewhere is trusted."""

import hashlib
import json
import os
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infini_cli import paths
from infini_cli.errors import SnapshotError, UsageError
from infini_cli.reading import library, packing
from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE
from infini_cli.reading.locking import lock
from infini_cli.reading.packing import MANIFEST_FILE, pack, unpack
from tests.unit.reading.fakes import FINGERPRINTS

Make = Callable[..., Path]


@pytest.fixture
def saved(make_memory: Make, tmp_path: Path) -> Path:
    make_memory("book")
    file = tmp_path / "book.infini"
    pack("book", file)
    return file


def left_behind() -> list[str]:
    return sorted(name for name in os.listdir(paths.memories_dir()) if name != ".locks")


def test_saved_removed_and_loaded_is_the_same(saved: Path) -> None:
    before = {name: (library.directory_of("book") / name).read_bytes() for name in library.FILES}
    checksum = library.show("book").checksum
    library.remove("book")
    info = unpack(saved, expected=FINGERPRINTS)
    assert info.name == "book"
    assert info.checksum == checksum
    assert {name: (info.directory / name).read_bytes() for name in library.FILES} == before
    assert library.current() == "book"
    assert left_behind() == ["book"]


def test_a_name_that_is_taken_is_kept(saved: Path) -> None:
    with pytest.raises(UsageError, match="already a memory 'book'") as caught:
        unpack(saved)
    assert "--name" in (caught.value.hint or "")
    assert unpack(saved, name="second").name == "second"
    marker = library.directory_of("book") / "marker"
    marker.write_text("old")
    unpack(saved, force=True)
    assert not marker.exists()
    assert left_behind() == ["book", "second"]


def test_a_file_that_is_there_is_kept(saved: Path) -> None:
    saved.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        pack("book", saved)
    assert saved.read_text() == "mine"
    assert pack("book", saved, force=True) == saved.stat().st_size
    assert zipfile.is_zipfile(saved)


def test_a_failed_save_leaves_nothing(
    make_memory: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_memory("book")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packing.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        pack("book", tmp_path / "book.infini")
    assert not list(tmp_path.glob("book*"))


def test_a_memory_that_is_being_written_or_damaged_is_not_saved(make_memory: Make, tmp_path: Path) -> None:
    directory = make_memory("book")
    with lock("book"), pytest.raises(SnapshotError, match="in use"):
        pack("book", tmp_path / "a.infini")
    (directory / PASSAGES_FILE).write_bytes(b"x" * 5000)
    with pytest.raises(SnapshotError, match="damaged"):
        pack("book", tmp_path / "a.infini")
    assert not (tmp_path / "a.infini").exists()


def test_another_model_is_refused_with_the_reason(saved: Path) -> None:
    library.remove("book")
    with pytest.raises(SnapshotError, match=r"another tokenizer \(model 'counting'\)"):
        unpack(saved, expected={**FINGERPRINTS, "tokenizer": "other"})
    assert left_behind() == []


def rebuilt(saved: Path, change: Callable[[dict[str, bytes], dict[str, Any]], None]) -> None:
    """Pack the members anew after `change(members, manifest)`; hashes stay as they were unless changed."""
    with zipfile.ZipFile(saved) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members.pop(MANIFEST_FILE))
    change(members, manifest)
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        if manifest:
            archive.writestr(MANIFEST_FILE, json.dumps(manifest))
        for name, data in members.items():
            archive.writestr(name, data)


def describe_again(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    for name in library.FILES:
        data = members[name]
        manifest["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def foreign_sqlite(members: dict[str, bytes], manifest: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "foreign.sqlite"
    file.write_bytes(members[PASSAGES_FILE])
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON passages BEGIN DELETE FROM sections; END")
    connection.close()
    members[PASSAGES_FILE] = file.read_bytes()
    describe_again(members, manifest)


def fewer_passages(members: dict[str, bytes], manifest: dict[str, Any], tmp_path: Path) -> None:
    from infini_cli.reading.passages import PassageStore

    with PassageStore(tmp_path / "empty.sqlite", create=True):
        pass
    members[PASSAGES_FILE] = (tmp_path / "empty.sqlite").read_bytes()
    describe_again(members, manifest)


def flipped_number(members: dict[str, bytes], manifest: dict[str, Any], tmp_path: Path) -> None:
    data = members[SNAPSHOT_FILE]
    members[SNAPSHOT_FILE] = data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]
    describe_again(members, manifest)


CHANGES: dict[str, Callable[[dict[str, bytes], dict[str, Any], Path], object]] = {
    "extra member": lambda m, f, t: m.update({"extra.txt": b"x"}),
    "path outside": lambda m, f, t: m.update({"../evil": b"x"}),
    "absolute path": lambda m, f, t: m.update({"/evil": b"x"}),
    "member missing": lambda m, f, t: m.pop(PASSAGES_FILE),
    "no manifest": lambda m, f, t: f.clear(),
    "another format": lambda m, f, t: f.update(format="other"),
    "no hashes": lambda m, f, t: f.pop("files"),
    "hash of nothing": lambda m, f, t: f["files"].update({SNAPSHOT_FILE: None}),
    "size of text": lambda m, f, t: f["files"][SNAPSHOT_FILE].update(bytes="12"),
    "wrong hash": lambda m, f, t: f["files"][SNAPSHOT_FILE].update(sha256="0" * 64),
    "wrong size": lambda m, f, t: f["files"][SNAPSHOT_FILE].update(bytes=5),
    "changed passages": lambda m, f, t: m.update(
        {PASSAGES_FILE: m[PASSAGES_FILE].replace(b"heath", b"death")}
    ),
    "foreign sqlite": foreign_sqlite,
    "fewer passages": fewer_passages,
    "flipped number": flipped_number,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_tampered_file_is_refused_and_leaves_nothing(saved: Path, tmp_path: Path, change: str) -> None:
    library.remove("book")
    rebuilt(saved, lambda members, manifest: CHANGES[change](members, manifest, tmp_path))
    with pytest.raises(SnapshotError):
        unpack(saved)
    assert left_behind() == []
    assert library.current() is None


def test_the_untampered_rebuilt_file_is_accepted(saved: Path) -> None:
    """What the test above changes is what makes the difference."""
    library.remove("book")
    rebuilt(saved, describe_again)
    assert unpack(saved).name == "book"


def test_a_newer_format_is_named(saved: Path) -> None:
    rebuilt(saved, lambda members, manifest: manifest.update(format_version=2))
    with pytest.raises(SnapshotError, match="format version 2"):
        unpack(saved, name="x")


def test_every_cut_is_found(saved: Path) -> None:
    library.remove("book")
    raw = saved.read_bytes()
    for length in [*range(0, len(raw), 997), len(raw) - 1]:
        saved.write_bytes(raw[:length])
        with pytest.raises(SnapshotError):
            unpack(saved)
    assert left_behind() == []


def test_flipped_bytes_never_give_another_memory(saved: Path) -> None:
    """A flip in a field of the zip that carries nothing is harmless; any other is refused."""
    checksum = library.show("book").checksum
    library.remove("book")
    raw = saved.read_bytes()
    refused = 0
    for position in range(0, len(raw), 37):
        saved.write_bytes(raw[:position] + bytes([raw[position] ^ 4]) + raw[position + 1 :])
        try:
            info = unpack(saved, name="book")
        except SnapshotError:
            refused += 1
            assert left_behind() == []
        else:
            assert info.checksum == checksum
            library.remove("book")
    assert refused > 50


def test_a_bomb_is_refused_before_it_grows(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library.remove("book")

    def bomb(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
        members[PASSAGES_FILE] = bytes(30_000_000)
        describe_again(members, manifest)

    rebuilt(saved, bomb)
    monkeypatch.setattr(packing, "SMALL_BYTES", 10_000_000)
    with pytest.raises(SnapshotError, match="would grow to 30000000 bytes"):
        unpack(saved)


def test_a_member_that_holds_more_than_it_says_is_stopped(saved: Path) -> None:
    library.remove("book")
    rebuilt(saved, describe_again)
    raw = bytearray(saved.read_bytes())
    size = json.loads(zipfile.ZipFile(saved).read(MANIFEST_FILE))["files"][PASSAGES_FILE]["bytes"]
    # both headers of the zip and the manifest promise less than is there
    lying = raw.replace(struct.pack("<I", size), struct.pack("<I", 100))
    saved.write_bytes(lying)
    rewritten = zipfile.ZipFile(saved)
    assert rewritten.getinfo(PASSAGES_FILE).file_size == 100
    rewritten.close()
    with pytest.raises(SnapshotError):
        unpack(saved)
    assert left_behind() == []


@pytest.mark.parametrize("name", ["../../evil", "/abs", "", ".hidden", 5, None, "a/b"])
def test_a_name_with_tricks_in_the_manifest_is_not_used(saved: Path, name: object) -> None:
    library.remove("book")
    rebuilt(saved, lambda members, manifest: manifest.update(name=name))
    assert unpack(saved.rename(saved.with_name("My Book.infini"))).name == "my-book"


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        unpack(tmp_path / "none.infini")
    with pytest.raises(UsageError, match="cannot be read"):
        unpack(tmp_path)
