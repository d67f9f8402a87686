"""A full disk and a read-only home: said in words, and the same command goes on when there is room again."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Outcome
from tests.faults.test_kill import told
from tests.unit.reading.fakes import prose

pytestmark = pytest.mark.timeout(600)
Here = Callable[..., Outcome]
TINY = ("--model", "for-tests-tiny")
SIZE_KIB = 4096


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of 4 MiB, with the home on it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_KIB}k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or os.name == "nt" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    monkeypatch.setenv("INFINI_HOME", str(folder))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def document(tmp_path: Path) -> Path:
    file = tmp_path / "book.md"
    file.write_text("\n\n".join(f"# Chapter {n}\n\n{prose(n, 20)}" for n in range(20)))
    return file


def fill(disk: Path, left_kib: int) -> Path:
    """Take the room on a disk but for so much; returns the file that does."""
    filler = disk / "filler"
    free = shutil.disk_usage(disk).free
    filler.write_bytes(bytes(max(0, free - left_kib * 1024)))
    return filler


def no_room(outcome: Outcome) -> None:
    assert (outcome.code, outcome.out) == (5, ""), outcome
    assert "error: no room" in outcome.err
    assert "hint: free some room" in outcome.err


@pytest.mark.parametrize("left_kib", [0, 8, 30, 70])
def test_a_read_onto_a_full_disk_goes_on_when_there_is_room(
    run_main: Here, small_disk: Path, document: Path, left_kib: int
) -> None:
    assert run_main("ingest", str(document), "--memory", "whole", *TINY).code == 0
    filler = fill(small_disk, left_kib)
    no_room(run_main("ingest", str(document), "--memory", "broken", *TINY))
    assert run_main("ask", "Which heath?", "--memory", "whole", "--quiet", *TINY).code == 0
    assert run_main("memories", "list").code == 0
    filler.unlink()
    assert run_main("ingest", str(document), "--memory", "broken", *TINY).code == 0
    assert told("broken") == told("whole")


def test_other_commands_on_a_full_disk(
    run_main: Here, small_disk: Path, document: Path, tmp_path: Path
) -> None:
    assert run_main("ingest", str(document), *TINY).code == 0
    before = told("book")
    packed = tmp_path / "book.infini"
    assert run_main("save", "book", "-o", str(packed)).code == 0
    filler = fill(small_disk, 0)
    no_room(run_main("save", "book", "-o", str(small_disk / "book.infini")))
    no_room(run_main("load", str(packed), "--name", "second"))
    no_room(run_main("load", str(packed), "--force"))
    outcome = run_main("ask", "Which heath?", "-o", str(small_disk / "answer.txt"), *TINY)
    assert (outcome.code, "No space left" in outcome.err) == (5, True), outcome
    assert sorted(os.listdir(small_disk / "data" / "memories")) == [".locks", "book"]
    assert not list(small_disk.glob("*.tmp"))
    assert told("book") == before
    filler.unlink()
    assert run_main("load", str(packed), "--name", "second").code == 0


def test_a_home_that_is_read_only(run_main: Here, small_disk: Path, document: Path, tmp_path: Path) -> None:
    assert run_main("ingest", str(document), *TINY).code == 0
    packed = tmp_path / "book.infini"
    assert run_main("save", "book", "-o", str(packed)).code == 0
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for command in (
        ("ask", "Which heath?", *TINY),
        ("summarize", "--length", "short", *TINY),
        ("memories", "list"),
        ("memories", "show"),
        ("config", "show"),
        ("models", "list"),
    ):
        outcome = run_main(*command, "--quiet")
        assert (outcome.code, outcome.err) == (0, ""), command
    for command in (
        ("ingest", str(document), "--force", *TINY),
        ("memories", "rm", "book", "--yes"),
        ("memories", "rename", "book", "novel"),
        ("load", str(packed), "--force"),
        ("config", "set", "window", "512"),
    ):
        outcome = run_main(*command)
        assert (outcome.code, outcome.out) == (5, ""), (command, outcome)
        assert "Read-only file system" in outcome.err
        assert "hint: " in outcome.err


def test_files_that_may_not_grow(document: Path, tmp_path: Path) -> None:
    """A quota by the system's limit on file sizes, which needs no root."""
    resource = pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-m", "infini_cli", "ingest", str(document), *TINY],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000)),
    )
    assert (done.returncode, done.stdout) == (5, ""), done.stderr
    assert "\nerror: " in f"\n{done.stderr}"
    assert "bug" not in done.stderr


def test_results_into_a_full_device(document: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "infini_cli", "models", "list"],
            cwd=Path(__file__).parents[2],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 5
    assert "error: no room left" in done.stderr
    assert "Traceback" not in done.stderr
