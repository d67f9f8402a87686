"""A clock that goes back: times are written down for people, and nothing is decided by them."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import infini_cli
from infini_cli.errors import Interrupted
from infini_cli.reading import writer
from tests.conftest import Outcome
from tests.unit.reading.desk import Desk, shelf_of_two
from tests.unit.reading.fakes import CountingEngine, interrupt

WALL_CLOCK = re.compile(
    r"\btime\.time(?:_ns)?\(|\bdatetime\.(?:now|today|utcnow)\(|\blocaltime\(|\bst_[mca]time|getmtime"
)
# for people to read, or compared for equality only
KNOWN = {
    "reading/writer.py": "when a memory was begun and last written",
    "reading/locking.py": "since when another command is at work",
    "tokenizers/chat.py": "the date that a chat template may ask for",
    "zoo/hashing.py": "whether a file is still the one that was hashed: equal or not",
}


def test_the_wall_clock_is_read_only_where_nothing_depends_on_its_order() -> None:
    package = Path(infini_cli.__file__).parent
    users = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if WALL_CLOCK.search(file.read_text())
    }
    assert users == set(KNOWN)


class Falling(datetime):
    """A clock that goes back a day at every look."""

    looks = 0

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        cls.looks += 1
        return datetime(2030, 1, 1, tzinfo=timezone.utc) - timedelta(days=cls.looks)


def test_a_read_whose_clock_goes_back_ends_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, broken = Desk(tmp_path / "whole"), Desk(tmp_path / "broken")
    whole.read(*shelf_of_two(whole))
    monkeypatch.setattr(writer, "datetime", Falling)
    sources = shelf_of_two(broken)
    for _ in range(3):
        with pytest.raises(Interrupted):
            broken.read(*sources, engine=CountingEngine(before_read=interrupt), checkpoint_seconds=0.0)
    broken.read(*sources, checkpoint_seconds=0.0)
    record = broken.record()
    assert record.updated < record.created
    assert broken.memory() == whole.memory()


def test_commands_take_a_memory_of_tomorrow(
    run_main: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "book.md").write_text("# One\n\nUlric kept 17 goats.")
    tiny = ("--model", "for-tests-tiny", "--quiet")
    # not undone by monkeypatch.undo(), which would undo the home of the tests as well
    with monkeypatch.context() as patched:
        patched.setattr(writer, "datetime", Falling)
        assert run_main("ingest", str(tmp_path / "book.md"), *tiny).code == 0
    assert "unchanged" in run_main("ingest", str(tmp_path / "book.md"), *tiny[:2], "--json").out
    for command in (("memories", "list"), ("memories", "show"), ("ask", "How many goats?", *tiny)):
        assert run_main(*command).code == 0
