"""Named memories: list, show, rename, remove, the current one, the lock."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infini_cli import paths
from infini_cli.errors import SnapshotError, UsageError
from infini_cli.reading import library
from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE
from infini_cli.reading.locking import lock

Make = Callable[..., Path]


def test_there_is_nothing_at_first() -> None:
    assert library.list_memories() == []
    assert library.current() is None
    with pytest.raises(UsageError, match="no memory yet") as caught:
        library.resolve(None)
    assert "infini ingest" in (caught.value.hint or "")


def test_memories_are_listed_and_shown(make_memory: Make) -> None:
    make_memory("zebra")
    directory = make_memory("äpfel 日本", pages=4)
    listed = library.list_memories()
    assert [memory.name for memory in listed] == ["zebra", "äpfel 日本"]
    info = library.show("äpfel 日本")
    assert info.directory == directory
    assert info.record.documents[0].pages_read == 4
    assert info.disk_bytes == sum(file.stat().st_size for file in directory.iterdir())
    assert info.record.memory_bytes == 2 * (24 + 6) * 4


def test_a_damaged_memory_is_listed_with_its_reason(make_memory: Make) -> None:
    make_memory("good")
    file = make_memory("bad") / SNAPSHOT_FILE
    file.write_bytes(file.read_bytes()[:-3])
    (make_memory("half") / PASSAGES_FILE).unlink()
    listed = {memory.name: memory for memory in library.list_memories()}
    assert listed["good"].error is None
    assert "damaged" in str(listed["bad"].error)
    assert PASSAGES_FILE in str(listed["half"].error)
    with pytest.raises(SnapshotError):
        library.show("bad")


def test_hidden_folders_and_files_are_no_memories(make_memory: Make) -> None:
    make_memory("book")
    (paths.memories_dir() / ".new-other").mkdir()
    (paths.memories_dir() / "file").write_text("x")
    assert library.names() == ["book"]


def test_a_wrong_name_gets_the_nearest(make_memory: Make) -> None:
    make_memory("northanger")
    with pytest.raises(UsageError, match="no memory 'northangr'") as caught:
        library.show("northangr")
    assert caught.value.hint == "did you mean 'northanger'?"
    with pytest.raises(UsageError, match="cannot be the name"):
        library.show("../memories/northanger")


def test_the_current_memory_is_kept_and_follows_a_rename(make_memory: Make) -> None:
    make_memory("a")
    make_memory("b")
    with pytest.raises(UsageError, match="which memory"):
        library.resolve(None)
    library.set_current("a")
    assert library.resolve(None) == "a"
    assert library.resolve("b") == "b"
    library.rename("a", "c")
    assert library.names() == ["b", "c"]
    assert library.current() == "c"
    library.rename("b", "d")
    assert library.current() == "c"
    with pytest.raises(UsageError):
        library.set_current("gone")


def test_renaming_never_replaces(make_memory: Make) -> None:
    make_memory("a")
    make_memory("b")
    with pytest.raises(UsageError, match="already a memory 'b'"):
        library.rename("a", "b")
    with pytest.raises(UsageError):
        library.rename("a", "../b")
    assert library.names() == ["a", "b"]
    library.rename("a", "a")
    assert library.names() == ["a", "b"]


def test_removing_takes_everything(make_memory: Make) -> None:
    make_memory("a")
    library.set_current("a")
    library.remove("a")
    assert library.names() == []
    assert library.current() is None
    left = [name for name in os.listdir(paths.memories_dir()) if name != ".locks"]
    assert left == []
    with pytest.raises(UsageError):
        library.remove("a")


def test_a_current_file_with_nonsense_is_ignored(make_memory: Make) -> None:
    make_memory("a")
    paths.state_dir().mkdir(parents=True)
    (paths.state_dir() / "current-memory").write_bytes(b"\xff../..")
    assert library.current() is None


HOLD = """
import sys
from infini_cli.reading.locking import lock
with lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder():
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, "book"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with process:
        yield process
        process.kill()


def test_a_second_writer_is_refused_at_once_and_told_who_writes(
    make_memory: Make, holder: "subprocess.Popen[str]"
) -> None:
    make_memory("book")
    with (
        pytest.raises(SnapshotError, match=f"in use by another command .*process {holder.pid}"),
        lock("book"),
    ):
        pytest.fail("two writers")
    for change in (lambda: library.rename("book", "other"), lambda: library.remove("book")):
        with pytest.raises(SnapshotError, match="in use"):
            change()
    with lock("another"):
        assert library.names() == ["book"]


def test_a_killed_writer_holds_nothing(holder: "subprocess.Popen[str]") -> None:
    holder.kill()
    holder.wait()
    with lock("book"):
        pass
    with lock("book"):
        pass
