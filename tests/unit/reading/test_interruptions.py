"""The same memory however often reading was interrupted, by Ctrl-C, a kill or a failure."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from infini_cli.documents import Page
from infini_cli.documents.model import BLANK
from infini_cli.errors import DeviceMemoryError, Interrupted
from infini_cli.reading import library
from infini_cli.reading import writer as writer_module
from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE
from infini_cli.reading.options import Progress
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.plan import Source
from infini_cli.reading.segments import CHUNK_SEGMENTS
from tests.unit.reading.desk import Desk, shelf_of_two
from tests.unit.reading.fakes import CountingEngine, book, interrupt


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
        kill_at(patch, library, "replace", after=False, survived=0, copy=lambda: None)
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
