"""Every file that the program writes, cut off as by a power cut: each command recovers or names the damage."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infini_cli import paths
from infini_cli.errors import SnapshotError
from infini_cli.reading import library
from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE
from infini_cli.reading.locking import lock
from infini_cli.reading.memory import open_memory
from infini_cli.reading.packing import pack, unpack
from tests.conftest import Outcome
from tests.unit.reading.desk import Desk, shelf_of_two
from tests.unit.reading.fakes import CountingEngine
from tests.unit.reading.test_verifying import told

Here = Callable[..., Outcome]
pytestmark = pytest.mark.timeout(600)  # each of many inputs is quick
TEXT = "\n\n".join(
    f"# Chapter {number}\n\nThe keeper of lighthouse {number} was called Ulric, and he kept {number} goats."
    for number in range(1, 20)
)
COMMANDS = {
    "list": ("memories", "list"),
    "show": ("memories", "show", "book"),
    "ask": ("ask", "Who kept 17 goats?", "--memory", "book"),
    "ask the last": ("ask", "Who kept 17 goats?"),
    "ingest again": ("ingest", "book.md"),
    "append": ("ingest", "more.md", "--append", "--memory", "book"),
    "save": ("save", "book", "-o", "out.infini", "--force"),
}
# what may differ between two runs that do the same
PASSING = ("warnings", "seconds", "tokens_per_second", "created", "updated", "disk_bytes", "bytes")


@pytest.fixture
def here(run_main: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    """The program in a folder with two documents and the tiny model in its settings."""
    (tmp_path / "book.md").write_text(TEXT)
    (tmp_path / "more.md").write_text(TEXT.replace("lighthouse", "castle"))
    (tmp_path / "infini.toml").write_text('model = "for-tests-tiny"\ndtype = "float32"\n')
    monkeypatch.chdir(tmp_path)
    return run_main


@pytest.fixture
def restore(here: Here, home: Path, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Read two memories; the function given brings the home back to how it was then."""
    assert here("ingest", "more.md", "--memory", "boo").code == 0
    assert here("ingest", "book.md").code == 0
    kept = tmp_path / "kept"
    shutil.copytree(home, kept)

    def restore() -> None:
        shutil.rmtree(home)
        shutil.copytree(kept, home)

    yield restore
    restore()


def result(outcome: Outcome) -> object:
    """What a command found out, without what differs from run to run."""

    def bare(value: object) -> object:
        if isinstance(value, dict):
            return {key: bare(item) for key, item in value.items() if key not in PASSING}
        return [bare(item) for item in value] if isinstance(value, list) else value

    return bare(json.loads(outcome.out))


def lengths(size: int) -> list[int]:
    return sorted({length for length in (0, 1, 7, size // 3, size // 2, size - 1) if 0 <= length < size})


def cut_everywhere(
    here: Here, restore: Callable[[], None], file: Path, names: list[str], codes: tuple[int, ...]
) -> dict[str, set[int]]:
    """Run commands after every cut; each gives its usual result, or an error that names something of the file."""
    usual = {}
    for name in names:
        restore()
        usual[name] = here(*COMMANDS[name], "--json")
        assert usual[name].code == 0, usual[name]
    restore()
    raw = file.read_bytes()
    seen: dict[str, set[int]] = {name: set() for name in names}
    for length in lengths(len(raw)):
        for name in names:
            restore()
            file.write_bytes(raw[:length])
            outcome = here(*COMMANDS[name], "--json")
            case = (name, length, outcome)
            assert outcome.err == "", case
            assert outcome.code in (0, *codes), case
            if outcome.code == 0 and name != "list":
                assert result(outcome) == result(usual[name]), case
            elif outcome.code:
                error = json.loads(outcome.out)["error"]
                assert error["kind"] != "bug", case
                assert file.name in error["message"] or error["hint"], case
            seen[name].add(outcome.code)
    return seen


def test_numbers_cut_off(here: Here, restore: Callable[[], None]) -> None:
    file = library.directory_of("book") / SNAPSHOT_FILE
    seen = cut_everywhere(here, restore, file, list(COMMANDS), (5,))
    assert seen == {name: {0} if name == "list" else {5} for name in COMMANDS}
    file.write_bytes(b"")
    listed = json.loads(here("memories", "list", "--json").out)["memories"]
    assert ["error" in memory and bool(memory["error"]) for memory in listed] == [False, True]
    anew = here("ingest", "book.md", "--force")
    assert anew.code == 0, "what the hint says"


def test_passages_cut_off(here: Here, restore: Callable[[], None]) -> None:
    file = library.directory_of("book") / PASSAGES_FILE
    names = ["show", "ask", "append", "save", "list", "ingest again"]
    seen = cut_everywhere(here, restore, file, names, (5,))
    assert seen["append"] == seen["save"] == {5}
    assert seen["ask"] == {0, 5}, "where only the index has suffered, it is made anew"
    restore()
    file.write_bytes(file.read_bytes()[:-1])
    plain = here(*COMMANDS["ask"])
    assert plain.code == 0
    assert f"warning: the file of passages of {file.parent.name!r} is not as it was" in plain.err


def test_the_pointer_at_the_last_memory_cut_off(here: Here, restore: Callable[[], None]) -> None:
    """Cut in the middle, "book" must not become the memory "boo", which is there too."""
    file = paths.state_dir() / "current-memory"
    seen = cut_everywhere(here, restore, file, ["list", "show", "ask", "ask the last"], (2,))
    assert seen == {"list": {0}, "show": {0}, "ask": {0}, "ask the last": {2}}
    file.write_bytes(file.read_bytes()[:3])
    assert "choose one with --memory" in here("ask", "Who?").err


def test_locks_and_their_owners_cut_off(here: Here, restore: Callable[[], None]) -> None:
    folder = paths.memories_dir() / ".locks"
    raw = b'{"process": 1, "since": "10:00", "command": ["ingest"]}'
    for length in range(0, len(raw), 9):
        (folder / "book.lock").write_bytes(raw[:length])
        (folder / "book.owner").write_bytes(raw[:length])
        assert here("ingest", "book.md", "--json").code == 0
    with lock("book"):
        for length in range(len(raw)):
            (folder / "book.owner").write_bytes(raw[:length])
            with pytest.raises(SnapshotError, match=r"'book' is in use by another command$"), lock("book"):
                pytest.fail("locked twice")


def test_settings_cut_off(here: Here, restore: Callable[[], None]) -> None:
    file = paths.config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    raw = b'# mine\ndevice = "cpu"\nwindow = 4096\noffline = true\nmemory = "book"\n'
    codes = set()
    for length in range(len(raw)):
        file.write_bytes(raw[:length])
        for command in (("config", "show"), ("memories", "list")):
            outcome = here(*command, "--json")
            assert outcome.code in (0, 2), (length, outcome)
            assert outcome.err == ""
            if outcome.code:
                assert str(file) in outcome.out, (length, outcome)
            codes.add(outcome.code)
    assert codes == {0, 2}


def test_hashes_of_models_cut_off(here: Here, restore: Callable[[], None]) -> None:
    file = paths.cache_dir() / "fingerprints.json"
    seen = cut_everywhere(here, restore, file, ["ask"], ())
    assert seen == {"ask": {0}}, "they are computed again"


def test_a_saved_memory_cut_off(here: Here, restore: Callable[[], None], tmp_path: Path) -> None:
    assert here("save", "book", "-o", "book.infini").code == 0
    raw = (tmp_path / "book.infini").read_bytes()
    for length in [*lengths(len(raw)), len(raw) - 30, len(raw) - 100]:
        (tmp_path / "cut.infini").write_bytes(raw[:length])
        outcome = here("load", "cut.infini", "--name", "cut", "--json")
        assert (outcome.code, outcome.err) == (5, ""), (length, outcome)
        assert "cut.infini" in json.loads(outcome.out)["error"]["message"]
    assert sorted(library.names()) == ["boo", "book"]


def hot_journal(directory: Path) -> None:
    """Leave the passages as a process does that is killed when a part of its changes is in the file."""
    file = directory / PASSAGES_FILE
    journal = Path(f"{file}-journal")
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA cache_size = 3")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE passages SET text = text || text || text")
    connection.execute("INSERT INTO sections SELECT id + 1000, 1, 'x', 1, 1, '', 1 FROM passages")
    assert journal.stat().st_size > 4096
    changed = {path: path.read_bytes() for path in (file, journal)}
    connection.close()
    for path, raw in changed.items():
        path.write_bytes(raw)


def test_a_journal_whole_or_cut_off(tmp_path: Path) -> None:
    """Whole, it takes the passages back; cut off, nothing else is ever shown than what was read."""
    desk = Desk(tmp_path)
    desk.read(*shelf_of_two(desk))
    with open_memory(desk.target, CountingEngine()) as memory:
        whole = told(memory)
    journal = desk.target / f"{PASSAGES_FILE}-journal"
    before = (desk.target / PASSAGES_FILE).read_bytes()
    hot_journal(desk.target)
    changed, raw = (desk.target / PASSAGES_FILE).read_bytes(), journal.read_bytes()
    assert changed != before
    with open_memory(desk.target, CountingEngine()) as memory:
        assert told(memory) == whole
    assert (desk.target / PASSAGES_FILE).read_bytes() == before
    outcomes = set()
    for length in [*range(0, len(raw), 997), 12, 28, 511, 512, 513, len(raw) - 1]:
        (desk.target / PASSAGES_FILE).write_bytes(changed)
        journal.write_bytes(raw[:length])
        try:
            with open_memory(desk.target, CountingEngine()) as memory:
                assert told(memory) == whole, length
            outcomes.add("recovered")
        except SnapshotError:
            outcomes.add("named")
    assert "named" in outcomes


def test_what_a_kill_leaves_beside_the_files_does_no_harm(here: Here, restore: Callable[[], None]) -> None:
    """Half-written files under temporary names, half-made and half-removed folders."""
    memories = paths.memories_dir()
    directory = library.directory_of("book")
    (directory / f"{SNAPSHOT_FILE}.1.tmp").write_bytes(b"half")
    for name in (".new-book", ".loading-book", ".removed-1-book"):
        (memories / name).mkdir()
        (memories / name / SNAPSHOT_FILE).write_bytes(b"half")
    (paths.state_dir() / "current-memory.1.tmp").write_bytes(b"bo")
    assert here("memories", "list").out.count("\n") >= 2
    assert json.loads(here(*COMMANDS["ask the last"], "--json").out)["found"] is True
    assert here(*COMMANDS["append"]).code == 0
    assert sorted(os.listdir(directory)) == [SNAPSHOT_FILE, PASSAGES_FILE]
    pack("book", Path("book.infini"))
    unpack(Path("book.infini"), force=True)
    assert here("ingest", "book.md", "--force", "--memory", "book").code == 0
    assert sorted(name for name in os.listdir(memories) if name != ".locks") == ["boo", "book"]
