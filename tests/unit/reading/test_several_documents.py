"""Several documents in one memory: added, read again, replaced, failing."""

import os
from pathlib import Path

import pytest

from infini_cli.documents import Page
from infini_cli.documents.model import BLANK, IMAGE_ONLY
from infini_cli.errors import DocumentError, SnapshotError, UsageError
from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.snapshot import read_snapshot
from infini_cli.reading.writer import PENDING
from tests.unit.reading.desk import Desk, shelf_of_two
from tests.unit.reading.fakes import CountingEngine


def test_appended_equals_read_together(tmp_path: Path) -> None:
    together, later = Desk(tmp_path / "together"), Desk(tmp_path / "later")
    together.read(*shelf_of_two(together))
    first, second = shelf_of_two(later)
    later.read(first)
    report = later.read(second, mode="append")
    assert later.memory() == together.memory()
    assert [document.path for document in report.read] == ["b.pdf"]
    assert not report.resumed


def test_unchanged_documents_are_not_read_again(desk: Desk) -> None:
    sources = shelf_of_two(desk)
    desk.read(*sources)
    before = desk.memory()
    engine = CountingEngine()
    report = desk.read(*sources, engine=engine)
    assert engine.reads == []
    assert [document.path for document in report.unchanged] == ["a.pdf", "b.pdf"]
    assert report.tokens_read == 0
    assert desk.memory() == before


def test_reading_anew_replaces_the_memory(desk: Desk) -> None:
    first, second = shelf_of_two(desk)
    desk.read(first)
    desk.read(second, mode="anew")
    assert [document.path for document in desk.record().documents] == ["b.pdf"]
    with PassageStore(desk.target / PASSAGES_FILE) as store:
        assert [document.path for document in store.documents()] == ["b.pdf"]


def test_reading_anew_a_document_without_text_keeps_the_old_memory(desk: Desk) -> None:
    first, _ = shelf_of_two(desk)
    desk.read(first)
    before = desk.memory()
    scan = desk.shelf.add("scan.pdf", [Page(1, None, "", skipped=IMAGE_ONLY)])
    with pytest.raises(DocumentError):
        desk.read(scan, mode="anew")
    assert desk.memory() == before
    assert os.listdir(desk.target.parent) == ["m"]


def test_a_document_without_text_leaves_nothing_behind(desk: Desk) -> None:
    scan = desk.shelf.add("scan.pdf", [Page(n, None, "", skipped=IMAGE_ONLY) for n in (1, 2)])
    with pytest.raises(DocumentError, match=r"scan\.pdf") as caught:
        desk.read(scan)
    assert "ocrmypdf" in (caught.value.hint or "")
    assert os.listdir(desk.target.parent) == []


def test_a_document_of_broken_pages_says_what_broke(desk: Desk) -> None:
    broken = desk.shelf.add(
        "x.pdf", [Page(1, None, "", skipped=BLANK), Page(2, None, "", skipped="the parser crashed")]
    )
    with pytest.raises(DocumentError, match="page 2: the parser crashed"):
        desk.read(broken)


def test_one_bad_document_does_not_stop_the_others(desk: Desk) -> None:
    good, other = shelf_of_two(desk)
    bad = desk.shelf.add("bad.pdf", [DocumentError("it is encrypted")])
    report = desk.read(good, bad, other)
    assert [document.path for document in report.read] == ["a.pdf", "b.pdf"]
    assert [(failure.path, failure.error.message) for failure in report.failures] == [
        ("bad.pdf", "it is encrypted")
    ]
    assert report.partial
    assert report.record.complete
    again = desk.read(good, bad, other)
    assert [failure.path for failure in again.failures] == ["bad.pdf"]
    assert [document.path for document in again.unchanged] == ["a.pdf", "b.pdf"]


def test_a_memory_of_another_model_is_refused(desk: Desk) -> None:
    first, second = shelf_of_two(desk)
    desk.read(first)
    before = desk.memory()
    other = CountingEngine(fingerprints={"model": "m1", "adapter": "a2", "tokenizer": "t1", "memory": "f1"})
    with pytest.raises(SnapshotError, match="another version of the trained adapter"):
        desk.read(second, engine=other, mode="append")
    with pytest.raises(UsageError, match="segments of 16 tokens, not 32"):
        desk.read(second, engine=CountingEngine(segment_length=32), mode="append")
    assert desk.memory() == before


def test_passages_that_are_missing_are_found_before_reading_goes_on(desk: Desk) -> None:
    first, second = shelf_of_two(desk)
    desk.read(first)
    with PassageStore(desk.target / PASSAGES_FILE) as store:
        store.truncate(passages=3, sections=1, documents=1)
        store.commit()
    with pytest.raises(SnapshotError, match="3 passages of"):
        desk.read(second, mode="append")


def test_a_finished_memory_has_nothing_pending(desk: Desk) -> None:
    desk.read(*shelf_of_two(desk))
    assert read_snapshot(desk.target / SNAPSHOT_FILE).arrays()[PENDING].size == 0
