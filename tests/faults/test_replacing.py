"""A memory that is replaced: killed or failing between the two renames, the old one or the new one has its name."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infini_cli import paths
from infini_cli.errors import UsageError
from infini_cli.reading import library
from infini_cli.reading.engine import load_engine
from infini_cli.reading.keeping import keep
from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE
from infini_cli.reading.memory import open_memory
from infini_cli.reading.passages import PassageStore
from infini_cli.settings import Settings
from tests.conftest import Outcome
from tests.faults.test_kill import told

pytestmark = pytest.mark.timeout(600)
Here = Callable[..., Outcome]
ROOT = Path(__file__).parents[2]
# the program, killed just before or just after it renames a folder to NAME or from it
KILLED = """
import os, signal, sys
name, occurrence, when = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sys.argv[1:] = sys.argv[4:]
rename, seen = os.rename, 0

def killed(source, target):
    global seen
    ours = name in (os.path.basename(source), os.path.basename(target))
    seen += ours
    if ours and seen == occurrence and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)
    if ours and seen == occurrence and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)

os.rename = killed
from infini_cli.main import run
run()
"""


@pytest.fixture
def packed(run_main: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In a folder with old.md, new.md and `new.infini`, where the memory `book` holds old.md."""
    (tmp_path / "old.md").write_text("# One\n\nUlric kept 17 goats.")
    (tmp_path / "new.md").write_text("# Two\n\nMina kept 23 bees.")
    (tmp_path / "infini.toml").write_text('model = "for-tests-tiny"\ndtype = "float32"\n')
    monkeypatch.chdir(tmp_path)
    assert run_main("ingest", "new.md", "--memory", "book").code == 0
    assert run_main("save", "book", "-o", "new.infini").code == 0
    assert run_main("ingest", "old.md", "--memory", "book", "--force").code == 0
    return tmp_path / "new.infini"


REPLACING = {
    "ingest": ("ingest", "new.md", "--memory", "book", "--force"),
    "load": ("load", "new.infini", "--force"),
}


def killed(occurrence: str, when: str, command: tuple[str, ...]) -> int:
    """The exit code of a command that is killed around its rename number `occurrence`."""
    program = [sys.executable, "-c", KILLED, "book", occurrence, when, *command]
    return subprocess.run(
        program, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True
    ).returncode


@pytest.mark.parametrize("occurrence", [1, 2])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("command", REPLACING)
def test_killed_between_the_renames_one_of_the_two_has_the_name(
    run_main: Here, packed: Path, command: str, when: str, occurrence: int
) -> None:
    old = told("book")
    assert killed(str(occurrence), when, REPLACING[command]) == -signal.SIGKILL
    stands = (when, occurrence) == ("after", 2)
    # whichever command comes first puts things right
    shown = run_main("memories", "list")
    assert (shown.code, shown.out.count("book")) == (0, 1), shown
    assert (told("book") == old) != stands
    assert run_main(*REPLACING[command]).code == 0
    assert told("book") != old
    assert [name for name in os.listdir(paths.memories_dir()) if name != ".locks"] == ["book"]


def test_killed_again_and_again_the_old_one_is_still_there(run_main: Here, packed: Path) -> None:
    old = told("book")
    for command in REPLACING.values():
        assert killed("1", "after", command) == -signal.SIGKILL
    assert run_main("memories", "show", "book").code == 0
    assert told("book") == old


FIRST = {
    "ingest": (("ingest", "old.md", "--memory", "book"), 0),
    "append": (("ingest", "new.md", "--append", "--memory", "book"), 0),
    "load": (("load", "new.infini"), 2),
    "rename": (("memories", "rename", "other", "book"), 2),
    "save": (("save", "book", "-o", "out.infini"), 0),
}


@pytest.mark.parametrize("first", FIRST)
def test_whatever_command_comes_first_finds_the_old_one(run_main: Here, packed: Path, first: str) -> None:
    """No other command looks before it."""
    assert run_main("load", "new.infini", "--name", "other").code == 0
    old = told("book")
    assert killed("1", "after", REPLACING["ingest"]) == -signal.SIGKILL
    command, code = FIRST[first]
    assert run_main(*command).code == code
    with PassageStore(library.directory_of("book") / PASSAGES_FILE, read_only=True) as store:
        assert "17 goats" in " ".join(passage.text for passage in store.passages_between(1, 10**6))
    if first != "append":
        assert told("book") == old


def test_a_memory_kept_from_a_conversation_does_not_take_the_name_either(
    run_main: Here, packed: Path
) -> None:
    old = told("book")
    assert run_main("load", "new.infini", "--name", "other").code == 0
    assert killed("1", "after", REPLACING["ingest"]) == -signal.SIGKILL
    engine = load_engine(Settings(model="for-tests-tiny", dtype="float32"))
    with (
        open_memory(library.directory_of("other"), engine) as memory,
        pytest.raises(UsageError, match="already a memory 'book'"),
    ):
        keep(memory, memory.state, "book")
    assert told("book") == old


@pytest.mark.parametrize("command", REPLACING)
def test_when_the_new_one_cannot_take_the_name_the_old_one_keeps_it(
    run_main: Here, packed: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = told("book")
    rename = os.rename

    def failing(source: Path, target: Path) -> None:
        if Path(source).name in (".new-book", ".loading-book"):
            raise OSError(5, "Input/output error", str(target))
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", failing)
        outcome = run_main(*REPLACING[command])
    assert outcome.code != 0
    assert "error: " in outcome.err
    assert told("book") == old
    assert [name for name in os.listdir(paths.memories_dir()) if name != ".locks"] == ["book"]


def test_a_folder_set_aside_never_takes_the_place_of_a_memory(run_main: Here, packed: Path) -> None:
    old = told("book")
    left = library.directory_of("book").with_name(".replaced-book")
    left.mkdir()
    (left / SNAPSHOT_FILE).write_bytes(b"half")
    (left / PASSAGES_FILE).write_bytes(b"half")
    left.with_name(".replaced-").mkdir()  # whatever made it, it is no memory, and no command ends over it
    assert library.names() == ["book"]
    assert told("book") == old
    assert not left.exists()
