"""A memory that is replaced: killed or failing between the two renames, the old one or the new one has its name."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infini_cli import paths
from infini_cli.reading import library
from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE
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
    assert library.names() == ["book"]
    assert told("book") == old
    assert not left.exists()
