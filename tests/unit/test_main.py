"""How every kind of failure ends: message, hint, exit code, in plain and in JSON form."""

import errno
import json
import sqlite3
import sys
import types
from pathlib import Path

import pytest

from infini_cli import errors, main, paths
from infini_cli.failures import SMALLER_HINT, asks_for, translate


@pytest.fixture
def run_failing(monkeypatch: pytest.MonkeyPatch, run_main):
    """Run a command that raises what it is given."""

    def run(error: BaseException, *arguments: str):
        def fail(*_: object) -> int:
            raise error

        monkeypatch.setattr(main, "_run_command", fail)
        return run_main(*arguments)

    return run


@pytest.mark.parametrize(
    "kind",
    [value for value in vars(errors).values() if isinstance(value, type)],
    ids=lambda kind: kind.__name__,
)
def test_an_error_ends_with_its_code_in_both_forms(run_failing, kind: type[errors.InfiniError]) -> None:
    plain = run_failing(kind("it broke", hint="mend it"), "ask")
    assert (plain.code, plain.out) == (kind.exit_code, "")
    assert plain.err == "error: it broke\nhint: mend it\n"

    as_json = run_failing(kind("it broke", hint="mend it"), "ask", "--json")
    assert (as_json.code, as_json.err) == (kind.exit_code, "")
    expected = {"code": kind.exit_code, "kind": kind.kind, "message": "it broke", "hint": "mend it"}
    assert json.loads(as_json.out) == {"schema": 1, "error": expected}


def test_ctrl_c_is_130(run_failing) -> None:
    outcome = run_failing(KeyboardInterrupt())
    assert (outcome.code, outcome.err) == (130, "error: interrupted\n")


@pytest.fixture
def fake_torch(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    torch = types.ModuleType("torch")
    torch.OutOfMemoryError = type("OutOfMemoryError", (RuntimeError,), {})
    monkeypatch.setitem(sys.modules, "torch", torch)
    return torch


def test_out_of_memory_names_the_smaller_settings(run_failing, fake_torch: types.ModuleType) -> None:
    for error in (
        MemoryError(),
        fake_torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: out of memory"),
    ):
        outcome = run_failing(error)
        assert outcome.code == 6
        assert outcome.err.endswith(f"hint: {SMALLER_HINT}\n")
        for option in ("--segment-length", "--window", "--dtype bfloat16", "--device cpu"):
            assert option in outcome.err


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/some/file"),
        OSError(errno.EDQUOT, "Disk quota exceeded", "/some/file"),
        OSError(errno.ENOSPC, "No space left on device"),
        sqlite3.OperationalError("database or disk is full"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ],
    ids=["enospc", "quota", "without-path", "sqlite", "safetensors"],
)
def test_a_full_disk_is_told_with_its_path(run_failing, error: Exception) -> None:
    outcome = run_failing(error)
    assert outcome.code == 5
    assert "no room left on the disk" in outcome.err
    named = "/some/file" if getattr(error, "filename", None) else str(paths.data_dir())
    assert named in outcome.err
    assert "INFINI_HOME" in outcome.err


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_without_access_is_told(run_failing, number: int) -> None:
    outcome = run_failing(OSError(number, "Not today", "/some/file"))
    assert outcome.code == 5
    assert outcome.err.startswith("error: no access to /some/file: Not today\n")


def test_a_bug_is_kept_in_a_file_and_named(run_failing) -> None:
    outcome = run_failing(ValueError("seven\nis odd"), "ask")
    file = paths.state_dir() / "last-error.txt"
    assert outcome.code == 1
    assert "Traceback" not in outcome.err
    assert "ValueError: seven is odd" in outcome.err
    assert f"please report it, with the file {file}" in outcome.err
    assert "Traceback" in file.read_text()


def test_a_bug_in_json(run_failing) -> None:
    outcome = run_failing(ValueError("seven"), "ask", "--json")
    assert outcome.err == ""
    assert json.loads(outcome.out)["error"]["kind"] == "bug"


def test_a_bug_that_cannot_be_kept_is_still_told(run_failing, home: Path) -> None:
    home.rmdir()
    home.write_text("a file in the place of the folder")
    outcome = run_failing(ValueError("seven"), "ask")
    assert outcome.code == 1
    assert "please report it" in outcome.err
    assert "--debug" in outcome.err


@pytest.mark.parametrize("way", ["flag", "environment", "file"])
def test_the_traceback_is_shown_when_asked_for(
    run_failing, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "environment":
        monkeypatch.setenv("INFINI_DEBUG", "1")
    if way == "file":
        paths.config_file().parent.mkdir(parents=True)
        paths.config_file().write_text("debug = true\n")
    outcome = run_failing(ValueError("seven"), *(["--debug"] if way == "flag" else []))
    assert outcome.code == 1
    assert "Traceback (most recent call last)" in outcome.err


def test_an_error_of_the_user_has_no_traceback_even_then(run_failing) -> None:
    outcome = run_failing(errors.DocumentError("empty"), "--debug")
    assert outcome.err == "error: empty\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["ask", "--json"], True),
        (["--json", "ask"], True),
        (["ask", "--", "--json"], False),
        (["ask", "what is --json"], False),
    ],
)
def test_a_flag_counts_anywhere_before_the_double_dash(arguments: list[str], expected: bool) -> None:
    assert asks_for("--json", arguments) is expected


def test_an_exception_that_is_nobodys_fault_is_a_bug() -> None:
    for error in (
        ValueError("x"),
        RuntimeError("x"),
        FileNotFoundError(errno.ENOENT, "x", "y"),
        KeyError("x"),
    ):
        assert translate(error, []) is None
