"""Memories opened for questions."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from infini_cli.errors import Interrupted, SnapshotError
from infini_cli.reading.library import SNAPSHOT_FILE
from infini_cli.reading.memory import open_memory, read_into_temporary
from infini_cli.reading.options import ReadingOptions
from infini_cli.reading.snapshot import read_snapshot, write_snapshot
from infini_cli.reading.state_arrays import from_arrays, to_arrays
from tests.unit.reading.fakes import FINGERPRINTS, CountingEngine, Shelf, book, interrupt


def test_an_opened_memory_has_its_numbers_and_its_passages(make_memory: Callable[..., Path]) -> None:
    directory = make_memory("book", pages=3)
    with open_memory(directory, CountingEngine()) as memory:
        assert memory.record.complete
        assert memory.passages.count() == memory.record.passages > 0
        assert memory.document_path(1) == "book.pdf"
        held = read_snapshot(directory / SNAPSHOT_FILE).arrays()
        for name, array in to_arrays(memory.state).items():
            assert array.tobytes() == held[name].tobytes()


def test_another_model_cannot_open_it(make_memory: Callable[..., Path]) -> None:
    directory = make_memory("book")
    other = CountingEngine(fingerprints={**FINGERPRINTS, "model": "m2"})
    with pytest.raises(SnapshotError, match="another base model"), open_memory(directory, other):
        pytest.fail("opened")


def test_numbers_of_other_shapes_are_refused(make_memory: Callable[..., Path]) -> None:
    directory = make_memory("book")
    snapshot = read_snapshot(directory / SNAPSHOT_FILE)
    arrays = snapshot.arrays()
    arrays["layers.1.matrix"] = arrays["layers.1.matrix"][:, :1]
    write_snapshot(directory / SNAPSHOT_FILE, arrays, snapshot.metadata)
    with pytest.raises(SnapshotError, match=r"layers\.1\.matrix"), open_memory(directory, CountingEngine()):
        pytest.fail("opened")


def test_a_state_does_not_share_the_bytes_of_the_snapshot() -> None:
    engine = CountingEngine()
    arrays = to_arrays(engine.empty_state())
    for array in arrays.values():
        array.setflags(write=False)
    state = from_arrays(arrays, engine.empty_state(), "m")
    state[0].norm.add_(1.0)
    assert arrays["layers.0.norm"].sum() == 0


def test_a_temporary_memory_answers_and_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shelf = Shelf()
    sources = [shelf.add("a.pdf", book(2)), shelf.add("b.pdf", book(3))]
    options = ReadingOptions(open_pages=shelf.open)
    with read_into_temporary(sources, CountingEngine(), options) as (memory, report):
        assert [document.path for document in report.read] == ["a.pdf", "b.pdf"]
        assert memory.passages.search("heath", 3)
        assert os.listdir(tmp_path)
    assert os.listdir(tmp_path) == []


def test_stopping_a_temporary_read_promises_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shelf = Shelf()
    sources = [shelf.add("a.pdf", book(6))]
    engine = CountingEngine(before_read=interrupt)
    reading = read_into_temporary(sources, engine, ReadingOptions(open_pages=shelf.open))
    with pytest.raises(Interrupted, match="not kept") as stopped, reading:
        pytest.fail("read")
    assert "infini ingest" in (stopped.value.hint or "")
    assert os.listdir(tmp_path) == []
