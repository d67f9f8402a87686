"""What is told while reading, and what reading takes of this machine."""

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import Tensor

from infini_cli.documents import Heading, Page
from infini_cli.documents.extraction import DocumentInfo
from infini_cli.errors import Interrupted
from infini_cli.nn.memory import MemoryState
from infini_cli.reading.options import Progress, ReadingOptions
from infini_cli.reading.plan import Source, plan_reading
from infini_cli.reading.reader import read_documents
from tests.unit.reading.desk import Desk, shelf_of_two
from tests.unit.reading.fakes import CountingEngine, book, interrupt, prose


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
