"""How the program starts and stops: quickly, in any folder, with any pipe."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).with_name("infini")
WAYS = {"script": (str(SCRIPT),), "module": (sys.executable, "-m", "infini_cli")}
# 0.3 s where the libraries alone take half of it; how fast a machine is must not decide
HELP_LIMIT = 2.0
LEAST = "import typer; app = typer.Typer(); app.command()(lambda: None); app(['--help'])"


@pytest.fixture(params=WAYS)
def command(request: pytest.FixtureRequest) -> tuple[str, ...]:
    if request.param == "script" and not SCRIPT.exists():
        pytest.skip("the infini command is not installed beside this Python")
    return WAYS[request.param]


def processor_seconds(command: tuple[str, ...], cwd: Path) -> float:
    """Processor time of one run; unlike the clock it does not grow when other tests run beside it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def test_help_is_quick(command: tuple[str, ...], tmp_path: Path) -> None:
    """Beside the smallest program that is made with the same libraries."""
    least = (sys.executable, "-c", LEAST)
    pairs = [
        (processor_seconds(least, tmp_path), processor_seconds((*command, "--help"), tmp_path))
        for _ in range(5)
    ]
    libraries, ours = map(min, zip(*pairs, strict=True))
    assert ours < HELP_LIMIT * libraries


HEAVY = {"torch", "numpy", "transformers", "tokenizers", "safetensors", "pypdf", "gguf", "sqlite3"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["ask", "--help"],
        ["chat", "--help"],
        ["doctor", "--help"],
        ["memories", "rm", "--help"],
    ],
)
def test_help_imports_nothing_heavy(arguments: list[str], run_process) -> None:
    probe = (
        "import sys, atexit; from infini_cli.main import main; code = main(sys.argv[1:]); "
        "sys.stderr.write(' '.join(sys.modules)); sys.exit(code)"
    )
    outcome = run_process(*arguments, command=(sys.executable, "-c", probe))
    assert outcome.code == 0
    assert HEAVY & set(outcome.err.split()) == set()


STRAY = (
    "models",
    "click",
    "typer",
    "rich",
    "torch",
    "json",
    "tokenizers",
    "settings",
    "paths",
    "app",
    "main",
    "commands",
)


def test_stray_files_in_the_users_folder_break_nothing(
    command: tuple[str, ...], run_process, make_memory, tmp_path: Path
) -> None:
    make_memory("book")
    for name in STRAY:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a stray file was imported')\n")
    (tmp_path / "models").mkdir()
    (tmp_path / "note.txt").write_text("The lighthouse keeper's name was Ulric.\n")
    ingest = ["ingest", "note.txt", "--model", "for-tests-tiny"]
    for arguments in (["--help"], ["memories", "show", "--json"], ["save", "book"], ingest):
        outcome = run_process(*arguments, command=command, cwd=tmp_path)
        assert outcome.code == 0, outcome.err
        assert "stray" not in outcome.out + outcome.err


def test_child_processes_do_not_see_stray_files_either(tmp_path: Path) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.10 cannot be told to leave the current folder off the path")
    (tmp_path / "queue.py").write_text("raise SystemExit('a stray file was imported')\n")
    (tmp_path / "probe.py").write_text("")
    probe = (
        "import subprocess, sys, infini_cli.main as m; m.main = lambda argv: "
        "subprocess.call([sys.executable, '-c', 'import queue; print(queue.Queue.__name__)']); m.run()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "Queue\n")


def test_a_checkout_that_is_not_installed_runs(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    (tmp_path / "infini_cli").symlink_to(root / "infini_cli")
    # -S leaves out site-packages with its link to the checkout; the dependencies are named instead
    packages = os.pathsep.join(entry for entry in sys.path if entry.endswith("site-packages"))
    done = subprocess.run(
        [sys.executable, "-S", "-m", "infini_cli", "config", "path", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": packages},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["schema"] == 1


def test_a_closed_pipe_ends_quietly(command: tuple[str, ...], make_memory, tmp_path: Path) -> None:
    make_memory("book")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*command, "memories", "show"], stdout=writing, stderr=subprocess.PIPE, cwd=tmp_path, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_stop_is_130(number: signal.Signals, tmp_path: Path) -> None:
    # a command that only waits, run through the real entry
    probe = (
        "import sys, time, infini_cli.main as m\n"
        "def wait(*_):\n    print('waiting', flush=True); time.sleep(60)\n"
        "m._run_command = wait; sys.argv[1:] = []; m.run()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", probe], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "error: interrupted\n")


def test_no_color_flag_is_an_alias_of_the_variable(run_process, make_memory) -> None:
    make_memory("book")
    env = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    assert "\x1b[1;31m" in run_process("memories", "show", "none", env=env).err
    assert "31m" not in run_process("memories", "show", "none", "--no-color", env=env).err


def test_a_name_that_the_terminal_cannot_show_is_no_crash(run_process) -> None:
    outcome = run_process("memories", "show", "雪", env={"PYTHONIOENCODING": "ascii"})
    assert outcome.code == 2
    assert outcome.err.startswith("error: there is no memory")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["plain", "json"])
def test_a_full_disk_under_stdout_is_told_on_stderr(
    command: tuple[str, ...], form: list[str], tmp_path: Path
) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*command, "config", "show", *form],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            check=False,
        )
    assert done.returncode == 5
    assert done.stderr.startswith("error: no room left on the disk")
    assert len(done.stderr.splitlines()) == 2
