"""Reading: everything in order, once; and the same memory however often it was interrupted."""

import gc
import os
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor

from infini_cli.documents import Heading, Page
from infini_cli.documents.extraction import DocumentInfo
from infini_cli.documents.model import BLANK, IMAGE_ONLY
from infini_cli.errors import DeviceMemoryError, DocumentError, Interrupted, SnapshotError, UsageError
from infini_cli.nn.memory import MemoryState
from infini_cli.reading import writer as writer_module
from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE
from infini_cli.reading.mending import mend_lines
from infini_cli.reading.options import Progress, ReadingOptions
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.plan import Mode, Source, plan_reading
from infini_cli.reading.reader import read_documents
from infini_cli.reading.records import MemoryRecord, parse_record
from infini_cli.reading.report import ReadingReport
from infini_cli.reading.segments import CHUNK_SEGMENTS
from infini_cli.reading.snapshot import read_snapshot
from infini_cli.reading.writer import PENDING
from tests.unit.reading.fakes import CountingEngine, Shelf, WordTokenizer, book, interrupt, prose


class Desk:
    """A place to read at: a folder, a shelf of documents, an engine."""

    def __init__(self, folder: Path) -> None:
        self.target = folder / "memories" / "m"
        self.shelf = Shelf()
        self.options = ReadingOptions(open_pages=self.shelf.open)

    def read(
        self, *sources: Source, engine: CountingEngine | None = None, mode: Mode = "same", **options: object
    ) -> ReadingReport:
        plan = plan_reading("m", self.record() if self.target.exists() else None, sources, mode)
        engine = engine if engine is not None else CountingEngine()
        return read_documents(plan, self.target, engine, replace(self.options, **options))  # type: ignore[arg-type]

    def record(self) -> MemoryRecord:
        return parse_record(read_snapshot(self.target / SNAPSHOT_FILE).metadata, "m")

    def memory(self) -> dict[str, object]:
        """All of a memory that must not depend on interruptions."""
        snapshot = read_snapshot(self.target / SNAPSHOT_FILE)
        record = parse_record(snapshot.metadata, "m")
        with PassageStore(self.target / PASSAGES_FILE) as store:
            return {
                "arrays": {name: array.tobytes() for name, array in snapshot.arrays().items()},
                "record": record.model_dump(exclude={"created", "updated", "seconds"}),
                "passages": list(store.passages_between(1, 10**6)),
                "sections": store.sections(),
                "documents": store.documents(),
                "found": store.search("heath OR chapter", 1000),
            }


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_every_passage_reaches_the_model_once_in_order(desk: Desk) -> None:
    engine = CountingEngine()
    source = desk.shelf.add("book.pdf", book(7))
    report = desk.read(source, engine=engine)
    with PassageStore(desk.target / PASSAGES_FILE) as store:
        passages = list(store.passages_between(1, store.count()))
    words = WordTokenizer()
    expected = [token for passage in passages for token in words.encode(mend_lines(passage.text))]
    breaks = set(words.encode("\n"))
    assert [t for t in engine.tokens if t not in breaks] == [t for t in expected if t not in breaks]
    assert sum(passage.tokens for passage in passages) == len(engine.tokens) == report.record.tokens
    assert [p.id for p in passages] == list(range(1, len(passages) + 1))
    for passage in passages:
        page = desk.shelf.documents["book.pdf"][passage.page - 1]
        assert isinstance(page, Page)
        assert page.text[passage.start : passage.end] == passage.text
        assert passage.page_label == page.label


def test_segments_are_read_in_whole_chunks_and_the_rest_at_the_end(desk: Desk) -> None:
    engine = CountingEngine()
    report = desk.read(desk.shelf.add("book.pdf", book(4)), engine=engine)
    tokens = report.record.tokens
    chunk = CHUNK_SEGMENTS * engine.segment_length
    left = tokens % chunk
    expected = [(CHUNK_SEGMENTS, 16)] * (tokens // chunk)
    expected += [(left // 16, 16)] * bool(left // 16) + [(1, left % 16)] * bool(left % 16)
    assert engine.reads == expected
    assert report.record.segments == -(-tokens // 16)


def test_a_document_starts_a_segment_of_its_own(desk: Desk) -> None:
    engine = CountingEngine()
    sources = [desk.shelf.add(f"{n}.txt", [Page(1, None, prose(n, 3))]) for n in (1, 2)]
    desk.read(*sources, engine=engine)
    lengths = [segments * length for segments, length in engine.reads]
    first = desk.record().documents[0].tokens
    assert first in [sum(lengths[:n]) for n in range(len(lengths))]


def test_the_account_of_a_document_is_exact(desk: Desk) -> None:
    pages = book(5)
    pages[1] = Page(2, "ii", "", skipped=BLANK)
    pages[3] = Page(4, "iv", "", skipped=IMAGE_ONLY)
    report = desk.read(desk.shelf.add("book.pdf", pages))
    (document,) = report.read
    assert document.coverage() == {
        "path": "book.pdf",
        "format": "pdf",
        "pages_total": 5,
        "pages_read": 3,
        "pages_skipped": [{"page": 2, "reason": BLANK}, {"page": 4, "reason": IMAGE_ONLY}],
        "characters": sum(len(page.text) for page in pages if isinstance(page, Page)),
        "tokens": report.record.tokens,
    }
    assert [page.page for page in document.faults] == [4]
    assert report.partial


def test_blank_pages_are_no_fault(desk: Desk) -> None:
    pages = [*book(2), Page(3, None, "", skipped=BLANK)]
    assert not desk.read(desk.shelf.add("book.pdf", pages)).partial


def test_pages_that_extraction_never_gave_are_accounted_for(desk: Desk) -> None:
    pages = book(4)
    source = desk.shelf.add("book.pdf", pages)
    desk.shelf.documents["book.pdf"] = pages

    def open_short(source: Source, start: int) -> object:
        opened = desk.shelf.open(source, start)
        opened._pages = pages[:2]  # type: ignore[attr-defined]
        return opened

    report = desk.read(source, open_pages=open_short)
    assert [page.page for page in report.read[0].faults] == [3, 4]
    assert report.read[0].pages_read == 2


def test_a_failure_in_the_middle_of_a_document_is_accounted_for(desk: Desk) -> None:
    pages = [*book(2), DocumentError("the parser crashed")]
    desk.shelf.totals_known = False
    report = desk.read(desk.shelf.add("book.txt", pages))
    assert report.partial
    assert [(page.page, page.reason) for page in report.read[0].faults] == [(3, "the parser crashed")]
    assert report.record.complete


def test_sections_labels_and_lines_reach_the_passages(desk: Desk) -> None:
    pages = [
        Page(1, "i", "Before.\nONE\nFirst part.", (Heading(8, "One", 1),), first_line=1),
        Page(2, "ii", "Still one.", first_line=4),
        Page(
            3, "iii", "TWO\n\nSUB\nSecond part.", (Heading(0, "Two", 1), Heading(5, "Sub", 2)), first_line=5
        ),
        Page(4, "iv", "", skipped=BLANK),
        Page(5, "v", "More of sub.", first_line=9),
    ]
    desk.read(desk.shelf.add("book.md", pages))
    with PassageStore(desk.target / PASSAGES_FILE) as store:
        seen = [(p.section, p.page_label, p.line, p.text) for p in store.passages_between(1, 99)]
        spans = [(s.title, s.first_passage, s.last_passage) for s in store.sections()]
    assert seen == [
        (None, "i", 1, "Before."),
        ("One", "i", 2, "ONE\nFirst part."),
        ("One", "ii", 4, "Still one."),
        ("Two", "iii", 5, "TWO"),
        ("Sub", "iii", 7, "SUB\nSecond part."),
        ("Sub", "v", 9, "More of sub."),
    ]
    assert spans == [("One", 2, 3), ("Two", 4, 6), ("Sub", 5, 6)]


def test_the_first_token_of_a_document_is_the_models_own(desk: Desk) -> None:
    engine = CountingEngine()
    engine.tokenizer.bos_id = 7
    sources = [desk.shelf.add(f"{n}.txt", [Page(1, None, "One word.")]) for n in "ab"]
    report = desk.read(*sources, engine=engine)
    assert [t for t in engine.tokens if t == 7] == [7, 7]
    assert engine.tokens[0] == 7
    assert report.record.tokens == len(engine.tokens)


def test_halves_of_characters_do_not_stop_reading(desk: Desk) -> None:
    desk.read(desk.shelf.add("a.txt", [Page(1, None, "A \ud800 b.", (Heading(0, "\udfff", 1),))]))
    with PassageStore(desk.target / PASSAGES_FILE) as store:
        assert store.get([1])[0].text == "A \ufffd b."


# interruptions


def read_with_stops(desk: Desk, sources: list[Source], stop_at: Callable[[int], bool]) -> int:
    """Read to the end although Ctrl-C comes before chosen reads of the engine; how often it did."""
    reads = stops = 0

    def before_read() -> None:
        nonlocal reads, stops
        reads += 1
        if stop_at(reads):
            stops += 1
            interrupt()

    for _ in range(1000):
        try:
            desk.read(*sources, engine=CountingEngine(before_read=before_read), checkpoint_seconds=1e9)
        except Interrupted:
            assert desk.record().complete is False
        else:
            return stops
    raise AssertionError("reading never came to an end")


def long_page() -> Page:
    """A page of many chunks, so that stops also fall in its middle."""
    return Page(4, "p4", prose(99, 60))


def shelf_of_two(desk: Desk) -> list[Source]:
    pages = book(6, sentences=10)
    pages[3] = long_page()
    pages[4] = Page(5, "p5", "", skipped=IMAGE_ONLY)
    return [desk.shelf.add("a.pdf", pages), desk.shelf.add("b.pdf", book(3))]


def test_interrupted_at_every_chunk_ends_equal_to_unbroken(tmp_path: Path) -> None:
    whole, broken = Desk(tmp_path / "whole"), Desk(tmp_path / "broken")
    engine = CountingEngine()
    whole.read(*shelf_of_two(whole), engine=engine)
    stops = read_with_stops(broken, shelf_of_two(broken), lambda number: True)
    assert stops >= len(engine.reads) - 2 > 15
    assert broken.memory() == whole.memory()


@pytest.mark.parametrize("chosen", [1, 2, 3, 5, 8, 13])
def test_interrupted_once_ends_equal_to_unbroken(tmp_path: Path, chosen: int) -> None:
    whole, broken = Desk(tmp_path / "whole"), Desk(tmp_path / "broken")
    whole.read(*shelf_of_two(whole))
    assert read_with_stops(broken, shelf_of_two(broken), lambda number: number == chosen) == 1
    assert broken.memory() == whole.memory()


class Killed(BaseException):
    """Nothing may run after it."""


def kill_at(
    patch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    *,
    after: bool,
    survived: int,
    copy: Callable[[], object],
) -> None:
    """Let the call number `survived` + 1 of a function kill; what is on the disk then is copied first."""
    original = getattr(owner, name)
    count = 0

    def killing(*arguments: object) -> object:
        nonlocal count
        count += 1
        if after:
            result = original(*arguments)
        if count > survived:
            copy()
            raise Killed
        return result if after else original(*arguments)

    patch.setattr(owner, name, killing)


@pytest.mark.parametrize("survived", [0, 1, 4])
@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [
        (PassageStore, "commit", False),
        (PassageStore, "commit", True),
        (writer_module, "write_snapshot", True),
    ],
)
def test_killed_at_any_step_of_a_checkpoint_ends_equal_to_unbroken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, after: bool, survived: int
) -> None:
    whole, broken = Desk(tmp_path / "whole"), Desk(tmp_path / "broken")
    whole.read(*shelf_of_two(whole))
    sources = shelf_of_two(broken)
    memories, left = broken.target.parent, tmp_path / "left"
    with monkeypatch.context() as patch:
        copy = lambda: shutil.copytree(memories, left)  # noqa: E731
        kill_at(patch, owner, name, after=after, survived=survived, copy=copy)
        with pytest.raises(Killed):
            broken.read(*sources, checkpoint_seconds=0.0)
    shutil.rmtree(memories)
    shutil.copytree(left, memories)
    assert broken.target.exists() is (survived > 0), "the first checkpoint gives the memory its name"
    broken.read(*sources)
    assert broken.memory() == whole.memory()
    assert os.listdir(memories) == ["m"]
    assert sorted(os.listdir(broken.target)) == [SNAPSHOT_FILE, PASSAGES_FILE]


def test_killed_while_replacing_keeps_the_old_memory(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = shelf_of_two(desk)
    desk.read(first)
    before = desk.memory()
    with monkeypatch.context() as patch:
        kill_at(patch, writer_module, "discard", after=False, survived=0, copy=lambda: None)
        with pytest.raises(Killed):
            desk.read(second, mode="anew")
    assert desk.memory() == before
    desk.read(second, mode="anew")
    assert [document.path for document in desk.record().documents] == ["b.pdf"]
    assert os.listdir(desk.target.parent) == ["m"]


def test_a_crash_leaves_the_last_checkpoint(desk: Desk) -> None:
    source = desk.shelf.add("a.pdf", book(6))
    reads = 0

    def fail() -> None:
        nonlocal reads
        reads += 1
        if reads == 6:
            raise DeviceMemoryError("out of memory")

    with pytest.raises(DeviceMemoryError):
        desk.read(source, engine=CountingEngine(before_read=fail), checkpoint_seconds=0.0)
    record = desk.record()
    assert record.tokens == 5 * CHUNK_SEGMENTS * 16
    assert not record.complete


def test_checkpoints_come_by_the_clock(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    written: list[float] = []
    original = writer_module.write_snapshot
    monkeypatch.setattr(writer_module, "write_snapshot", lambda *a: (written.append(now), original(*a))[1])

    def pass_time() -> None:
        nonlocal now
        now += 1.0

    desk.read(
        desk.shelf.add("a.pdf", book(10)),
        engine=CountingEngine(before_read=pass_time),
        clock=lambda: now,
        checkpoint_seconds=5.0,
    )
    *regular, last = written
    assert regular == [5.0 * number for number in range(1, len(regular) + 1)]
    assert len(regular) > 2
    assert last == now


def test_the_second_ctrl_c_stops_at_once(desk: Desk) -> None:
    def twice() -> None:
        interrupt()
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        desk.read(desk.shelf.add("a.pdf", book(6)), engine=CountingEngine(before_read=twice))
    assert not desk.target.exists()


def test_ctrl_c_ends_the_wait_for_a_page(desk: Desk) -> None:
    pages = book(3)

    class Slow(list):  # type: ignore[type-arg]
        def __getitem__(self, key: object) -> object:
            return (self.give(page) for page in list.__getitem__(self, key))  # type: ignore[index]

        def give(self, page: Page) -> Page:
            if page.index == 3:
                interrupt()
                raise AssertionError("the wait went on")
            return page

    source = desk.shelf.add("a.pdf", pages)
    desk.shelf.documents["a.pdf"] = Slow(pages)
    said: list[str] = []
    with pytest.raises(Interrupted, match=r"after page 2 of 3 of a\.pdf") as stopped:
        desk.read(
            source, on_stop_request=lambda: said.append("stopping"), go_on_hint="again: infini ingest a.pdf"
        )
    assert said == ["stopping"]
    assert stopped.value.hint == "again: infini ingest a.pdf"
    assert desk.record().documents[0].pages_read == 2


def test_ctrl_c_before_any_text_leaves_nothing(desk: Desk) -> None:
    def stop(progress: Progress) -> None:
        interrupt()

    source = desk.shelf.add("a.pdf", [Page(1, None, "", skipped=BLANK), Page(2, None, "Text.")])
    with pytest.raises(Interrupted, match="nothing was saved"):
        desk.read(source, on_progress=stop)
    assert os.listdir(desk.target.parent) == []


# several documents, and reading again


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


# what is told on the way


def test_progress_rises_to_the_end_and_knows_the_pages(desk: Desk) -> None:
    told: list[Progress] = []
    desk.read(*shelf_of_two(desk), on_progress=told.append)
    shares = [progress.share for progress in told]
    assert shares == sorted(shares)
    assert shares[0] < 0.3
    assert shares[-1] == pytest.approx(1.0)
    assert {progress.pages_total for progress in told} == {6, 3}
    assert told[-1].page == 3
    assert len({progress.memory_bytes for progress in told}) == 1


def test_progress_of_a_resumed_read_counts_its_own_work(desk: Desk) -> None:
    source = desk.shelf.add("a.pdf", book(10))
    reads = 0

    def stop() -> None:
        nonlocal reads
        reads += 1
        if reads == 8:
            interrupt()

    with pytest.raises(Interrupted):
        desk.read(source, engine=CountingEngine(before_read=stop))
    told: list[Progress] = []
    report = desk.read(source, on_progress=told.append)
    assert told[0].share < 0.2
    assert told[-1].share == pytest.approx(1.0)
    assert report.resumed
    assert 0 < report.tokens_read < report.record.tokens


def test_progress_without_known_pages_goes_by_the_size_of_the_text(desk: Desk) -> None:
    desk.shelf.totals_known = False
    told: list[Progress] = []
    desk.read(desk.shelf.add("a.txt", book(4)), on_progress=told.append)
    assert told[0].pages_total is None
    assert 0.1 < told[0].share < 0.5
    assert desk.record().documents[0].pages_total == 4


# memory of this process


class EndlessPages:
    """So many pages, made one by one."""

    def __init__(self, count: int) -> None:
        self.info = DocumentInfo("text", None)
        self._count = count

    def __enter__(self) -> "EndlessPages":
        return self

    def __exit__(self, *details: object) -> None:
        return None

    def __iter__(self) -> Iterator[Page]:
        text = prose(1, 12)
        for index in range(1, self._count + 1):
            headings = (Heading(0, f"Section {index}", 1),) if index % 10 == 1 else ()
            yield Page(index, str(index), f"{index} {text}", headings)


class ForgetfulEngine(CountingEngine):
    """Does not keep what it was given."""

    def read(self, tokens: Tensor, state: MemoryState) -> MemoryState:
        after = super().read(tokens, state)
        self.tokens.clear()
        self.reads.clear()
        return after


def test_memory_does_not_grow_with_the_document(tmp_path: Path) -> None:
    def peak_bytes(pages: int) -> int:
        plan = plan_reading("m", None, [Source(Path("x"), "x", str(pages), 1)], "same")
        options = ReadingOptions(open_pages=lambda source, start: EndlessPages(pages))
        gc.collect()
        tracemalloc.start()
        read_documents(plan, tmp_path / str(pages) / "m", ForgetfulEngine(), options)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(20)  # whatever is made once
    # the text alone would be 800 kB more
    assert peak_bytes(1100) - peak_bytes(100) < 200_000
