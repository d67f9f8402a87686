"""Passages that belong to their snapshot: damage is found or mended, what came later is not seen."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from infini_cli.errors import SnapshotError
from infini_cli.reading import library
from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE
from infini_cli.reading.memory import OpenMemory, open_memory
from infini_cli.reading.packing import pack, unpack
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.snapshot import read_snapshot, write_snapshot
from tests.unit.reading.desk import Desk, shelf_of_two
from tests.unit.reading.fakes import CountingEngine, book

Make = Callable[..., Path]
OLD = Path(__file__).parents[2] / "data" / "memory-format-1.infini"


def told(memory: OpenMemory) -> object:
    """All that questions can get from the passages."""
    store = memory.passages
    return (
        list(store.passages_between(1, 10**6)),
        store.sections(),
        store.documents(),
        sorted((p.id, score) for p, score in store.search("heath OR chapter OR candle", 1000)),
        [store.term_document_frequency(word) for word in ("heath", "candle", "window")],
    )


def damaged_everywhere(file: Path, step: int) -> list[tuple[str, bytes]]:
    """The file with a byte flipped or cut off at many places, each with its name for messages."""
    raw = file.read_bytes()
    flips = [
        (f"flipped at {at}", raw[:at] + bytes([raw[at] ^ 1 << at % 8]) + raw[at + 1 :])
        for at in range(0, len(raw), step)
    ]
    cuts = [(f"cut at {at}", raw[:at]) for at in {0, 1, 16, 99, 100, 4095, 4096, len(raw) // 2, len(raw) - 1}]
    return flips + cuts


def test_no_damage_to_the_passages_gives_other_passages(make_memory: Make) -> None:
    directory = make_memory("book", pages=3)
    with open_memory(directory, CountingEngine()) as memory:
        assert not memory.passages.is_temporary
        whole = told(memory)
    file = directory / PASSAGES_FILE
    refused = mended = 0
    cases = damaged_everywhere(file, 101)
    for name, raw in cases:
        file.write_bytes(raw)
        try:
            with open_memory(directory, CountingEngine()) as memory:
                assert memory.passages.is_temporary, name
                assert told(memory) == whole, name
                mended += 1
        except SnapshotError as error:
            refused += str(file) in error.message
    assert refused + mended == len(cases), "every refusal names the file"
    assert refused > 40
    assert mended > 100


def test_a_read_goes_on_only_from_sound_passages(tmp_path: Path) -> None:
    whole = Desk(tmp_path / "whole")
    first, second = shelf_of_two(whole)
    whole.read(first)
    shutil.copytree(whole.target, tmp_path / "kept")
    whole.read(second, mode="append")
    whole_memory = whole.memory()
    refused = gone_on = 0
    for name, raw in damaged_everywhere(tmp_path / "kept" / PASSAGES_FILE, 1021):
        shutil.rmtree(whole.target)
        shutil.copytree(tmp_path / "kept", whole.target)
        (whole.target / PASSAGES_FILE).write_bytes(raw)
        try:
            whole.read(second, mode="append")
        except SnapshotError:
            refused += 1
            continue
        gone_on += 1
        assert whole.memory() == whole_memory, name
    assert refused > 10
    assert gone_on > 10


def test_what_a_killed_read_left_over_is_not_seen(tmp_path: Path) -> None:
    """Killed between its two steps, a checkpoint leaves passages that belong to no snapshot yet."""
    desk = Desk(tmp_path)
    first, second = shelf_of_two(desk)
    desk.read(first)
    with open_memory(desk.target, CountingEngine()) as memory:
        before = told(memory)
    snapshot = (desk.target / SNAPSHOT_FILE).read_bytes()
    desk.read(second, mode="append")
    (desk.target / SNAPSHOT_FILE).write_bytes(snapshot)
    with open_memory(desk.target, CountingEngine()) as memory:
        assert told(memory) == before
        assert memory.passages.count() == memory.record.passages


def test_an_opened_memory_stays_as_it_is_while_more_is_read(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    first, second = shelf_of_two(desk)
    desk.read(first)
    snapshot = read_snapshot(desk.target / SNAPSHOT_FILE)
    # an unfinished read: it may go on at any moment
    write_snapshot(
        desk.target / SNAPSHOT_FILE, snapshot.arrays(), {**snapshot.metadata, "passages_sha256": None}
    )
    with open_memory(desk.target, CountingEngine()) as memory:
        before = told(memory)
        desk.read(second, mode="append")
        assert told(memory) == before


def test_a_memory_replaced_while_it_is_opened_is_never_a_mixture(
    make_memory: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = make_memory("book", pages=2)
    other = make_memory("other", pages=5)
    pack("other", tmp_path / "other.infini")
    from infini_cli.reading import memory as module

    original, calls = module.open_passages, []

    def replaced_just_before(file: Path, record: object) -> PassageStore:
        calls.append(file)
        if len(calls) == 1:
            unpack(tmp_path / "other.infini", name="book", force=True)
        return original(file, record)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "open_passages", replaced_just_before)
    with open_memory(other, CountingEngine()) as memory:
        calls.clear()
        expected = told(memory)
    with open_memory(directory, CountingEngine()) as memory:
        assert told(memory) == expected
    assert len(calls) == 2


def test_a_memory_of_format_1_is_read_and_becomes_one_of_format_2(tmp_path: Path) -> None:
    """The file was written by the last version of the program that wrote format 1."""
    info = unpack(OLD)
    assert info.record.rows_digest is None
    assert b'"format_version":"1"' in (info.directory / SNAPSHOT_FILE).read_bytes()
    fresh = Desk(tmp_path / "fresh")
    source = fresh.shelf.add("book.pdf", book(2))
    fresh.read(source)
    with (
        open_memory(info.directory, CountingEngine()) as old,
        open_memory(fresh.target, CountingEngine()) as new,
    ):
        assert told(old) == told(new)
        assert all(
            a.tobytes() == b.tobytes()
            for x, y in zip(old.state, new.state, strict=True)
            for a, b in ((x.matrix.numpy(), y.matrix.numpy()), (x.norm.numpy(), y.norm.numpy()))
        )
    desk = Desk(tmp_path)
    desk.target.parent.mkdir(parents=True)
    shutil.copytree(info.directory, desk.target)
    more = book(4)
    desk.read(desk.shelf.add("more.pdf", more), mode="append")
    fresh.read(fresh.shelf.add("more.pdf", more), mode="append")
    assert desk.memory() == fresh.memory()
    assert b'"format_version":"2"' in (desk.target / SNAPSHOT_FILE).read_bytes()
    assert pack("book", tmp_path / "again.infini") > 0


def test_damage_to_a_memory_of_format_1_is_found_as_far_as_sqlite_can(make_memory: Make) -> None:
    directory = unpack(OLD).directory
    file = directory / PASSAGES_FILE
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM passages WHERE id = (SELECT max(id) FROM passages)")
    connection.close()
    with (
        pytest.raises(SnapshotError, match="damaged: it holds"),
        open_memory(directory, CountingEngine()),
    ):
        pytest.fail("opened")


def test_a_newer_format_of_any_file_asks_for_an_upgrade(make_memory: Make) -> None:
    directory = make_memory("book")
    with sqlite3.connect(directory / PASSAGES_FILE) as connection:
        connection.execute("PRAGMA user_version = 9")
    connection.close()
    with (
        pytest.raises(SnapshotError, match="has format 9") as caught,
        open_memory(directory, CountingEngine()),
    ):
        pytest.fail("opened")
    assert caught.value.hint == "upgrade infini"


@pytest.mark.parametrize(
    "pending", [[[1, 2]], [50_000], [-1], [2**40]], ids=["matrix", "unknown", "negative", "huge"]
)
def test_waiting_tokens_that_no_model_reads_are_refused(tmp_path: Path, pending: list[object]) -> None:
    import numpy as np

    desk = Desk(tmp_path)
    first, second = shelf_of_two(desk)
    desk.read(first)
    file = desk.target / SNAPSHOT_FILE
    snapshot = read_snapshot(file)
    write_snapshot(file, {**snapshot.arrays(), "pending_tokens": np.array(pending)}, snapshot.metadata)
    with pytest.raises(SnapshotError, match="tokens that are none of the model"):
        desk.read(second, mode="append")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(make_memory: Make, value: float) -> None:
    directory = make_memory("book")
    file = directory / SNAPSHOT_FILE
    snapshot = read_snapshot(file)
    arrays = {name: array.copy() for name, array in snapshot.arrays().items()}
    arrays["layers.0.matrix"][0, 0, 0, 0] = value
    write_snapshot(file, arrays, snapshot.metadata)
    with pytest.raises(SnapshotError, match="finite"), open_memory(directory, CountingEngine()):
        pytest.fail("opened")


def test_a_memory_made_on_cuda_in_bfloat16_opens_on_the_cpu(make_memory: Make, tmp_path: Path) -> None:
    directory = make_memory("book")
    file = directory / SNAPSHOT_FILE
    snapshot = read_snapshot(file)
    write_snapshot(file, snapshot.arrays(), {**snapshot.metadata, "device": "cuda:1", "dtype": "bfloat16"})
    pack("book", tmp_path / "book.infini")
    library.remove("book")
    with open_memory(unpack(tmp_path / "book.infini").directory, CountingEngine()) as memory:
        assert memory.record.device == "cuda:1"
        assert all(str(part.device) == "cpu" for layer in memory.state for part in layer)
