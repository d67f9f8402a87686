"""What is read, given what is there and what was asked for."""

from pathlib import Path

import pytest

from infini_cli.errors import UsageError
from infini_cli.reading.plan import Mode, Source, plan_reading
from infini_cli.reading.records import DocumentRecord, FailedDocument, MemoryRecord


def source(name: str, content: str | None = None) -> Source:
    return Source(Path(name), name, content or f"hash-{name}", 100)


def record(
    *documents: str, unfinished: str | None = None, complete: bool = True, failed: str | None = None
) -> MemoryRecord:
    made = [DocumentRecord(path=d, content_hash=f"hash-{d}", format="text", complete=True) for d in documents]
    if unfinished:
        made.append(DocumentRecord(path=unfinished, content_hash=f"hash-{unfinished}", format="text"))
    return MemoryRecord(
        created="",
        updated="",
        program="",
        model="m",
        fingerprints={},
        segment_length=16,
        device="cpu",
        dtype="float32",
        documents=made,
        failed=[FailedDocument(path=failed, content_hash=f"hash-{failed}", reason="scan")] if failed else [],
        complete=complete and not unfinished,
    )


def names(sources: tuple[Source, ...]) -> list[str]:
    return [s.shown for s in sources]


def test_a_new_memory_reads_all_in_order_and_the_same_content_once() -> None:
    plan = plan_reading("m", None, [source("b"), source("a"), source("copy of b", "hash-b")], "same")
    assert names(plan.to_read) == ["b", "a"]
    assert not plan.goes_on
    assert not plan.resumed


def test_the_same_documents_again_are_unchanged() -> None:
    plan = plan_reading("m", record("a", "b"), [source("b"), source("a")], "same")
    assert plan.to_read == ()
    assert names(plan.unchanged) == ["b", "a"]
    assert not plan.resumed


def test_an_interrupted_read_goes_on_with_the_unfinished_document_first() -> None:
    plan = plan_reading("m", record("a", unfinished="b"), [source("c"), source("a"), source("b")], "same")
    assert names(plan.to_read) == ["b", "c"]
    assert names(plan.unchanged) == ["a"]
    assert plan.resumed
    assert plan.goes_on


def test_a_read_interrupted_between_documents_goes_on() -> None:
    plan = plan_reading("m", record("a", complete=False), [source("a"), source("b")], "same")
    assert names(plan.to_read) == ["b"]
    assert plan.resumed


@pytest.mark.parametrize("asked", [["b"], ["a", "b"], ["b", "a"]])
def test_other_documents_are_not_mixed_in_unasked(asked: list[str]) -> None:
    with pytest.raises(UsageError, match="already holds a") as caught:
        plan_reading("m", record("a"), [source(name) for name in asked], "same")
    for way in ("--append", "--force", "--memory"):
        assert way in (caught.value.hint or "")


def test_append_adds_what_is_new() -> None:
    plan = plan_reading("m", record("a"), [source("a"), source("b"), source("c")], "append")
    assert names(plan.to_read) == ["b", "c"]
    assert names(plan.unchanged) == ["a"]
    assert plan.goes_on
    assert not plan.resumed


def test_an_interrupted_append_goes_on_with_the_same_command() -> None:
    plan = plan_reading("m", record("a", unfinished="b"), [source("b"), source("c")], "append")
    assert names(plan.to_read) == ["b", "c"]
    assert plan.resumed


@pytest.mark.parametrize("mode", ["same", "append"])
def test_an_unfinished_document_is_not_left_behind(mode: Mode) -> None:
    with pytest.raises(UsageError, match="a part of b") as caught:
        plan_reading("m", record("a", unfinished="b"), [source("c")], mode)
    assert "infini ingest b --memory m --append" in (caught.value.hint or "")


def test_force_reads_everything_anew() -> None:
    plan = plan_reading("m", record("a", unfinished="b"), [source("a"), source("c")], "anew")
    assert names(plan.to_read) == ["a", "c"]
    assert not plan.goes_on
    assert not plan.resumed


def test_a_document_that_failed_before_is_tried_again_by_the_same_command() -> None:
    plan = plan_reading("m", record("a", failed="scan"), [source("a"), source("scan")], "same")
    assert names(plan.to_read) == ["scan"]
    assert names(plan.unchanged) == ["a"]
    assert not plan.resumed
