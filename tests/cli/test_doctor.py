"""`infini doctor`: what it finds, what it advises, and the code it ends with."""

import io
import json
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infini_cli import paths, zoo
from infini_cli.commands import checkups
from infini_cli.errors import ModelError
from infini_cli.reading import library
from infini_cli.settings import DEFAULT_MODEL, Settings
from tests.conftest import Outcome

NAMES = [
    "program",
    "settings",
    "terminal",
    "memories",
    "models",
    "settings folder",
    "cache",
    "state",
    "SQLite",
]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkups, "SPEED_S", 0.05)
    monkeypatch.setattr(checkups, "BUSY_BELOW", 0.0)  # whatever else runs beside the tests
    monkeypatch.setenv("INFINI_MODEL", "for-tests-tiny")


@pytest.fixture
def look(run_main: Callable[..., Outcome]) -> Callable[..., tuple[int, dict[str, Any]]]:
    """The exit code, and the findings by name."""

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        outcome = run_main("doctor", "--json", *arguments)
        assert outcome.err == ""
        told = json.loads(outcome.out)
        assert told["ok"] == (outcome.code == 0)
        return outcome.code, {finding["name"]: finding for finding in told["findings"]}

    return run


def test_where_all_is_well_the_code_is_0(look) -> None:
    code, found = look()
    assert code == 0
    assert list(found)[: len(NAMES)] == NAMES
    assert {finding["state"] for finding in found.values()} <= {"ok", "warning"}
    assert found["device"]["text"].startswith("cpu, ")
    assert found["dtype"]["text"] in ("float32", "bfloat16")
    assert "for-tests-tiny reads" in found["speed"]["text"]
    assert {"model for-tests-tiny", "memories kept", "PyTorch", "PDF"} <= set(found)


def test_in_words_each_finding_is_a_line(run_main) -> None:
    outcome = run_main("doctor")
    assert outcome.code == 0
    assert [line.split("\t")[1] for line in outcome.out.splitlines()][: len(NAMES)] == NAMES
    assert outcome.err.splitlines()[-1] == "everything works"
    assert not paths.data_dir().exists()  # nothing was changed


def test_a_model_that_is_not_here_is_4_and_says_how_to_get_it(look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INFINI_MODEL")
    code, found = look()
    assert code == 4
    missing = found[f"model {DEFAULT_MODEL}"]
    assert (missing["state"], missing["code"]) == ("error", 4)
    assert "infini models pull" in missing["hint"]
    assert f"({DEFAULT_MODEL} is not here to be measured)" in found["speed"]["text"]


def test_a_damaged_model_is_found(look, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(name: str) -> None:
        raise ModelError("model.safetensors is damaged", hint="get it again")

    monkeypatch.setattr(zoo, "verify_model", damaged)
    code, found = look()
    assert (code, found["model for-tests-tiny"]["hint"]) == (4, "get it again")


def test_wrong_settings_are_told_and_the_rest_is_looked_at(look) -> None:
    paths.config_file().parent.mkdir(parents=True)
    paths.config_file().write_text("colour = 1\n")
    code, found = look()
    assert code == 2
    assert "unknown setting 'colour'" in found["settings"]["text"]
    assert "the settings are" in found["settings"]["hint"]
    assert found["SQLite"]["state"] == "ok"


def test_a_device_that_is_not_there_is_2(look) -> None:
    code, found = look("--device", "cuda:99")
    assert (code, found["device"]["code"]) == (2, 2)
    assert "speed" not in found


def test_a_damaged_memory_is_named_and_an_unfinished_one_too(look, make_memory) -> None:
    make_memory("begun", complete=False)
    (make_memory("bad") / library.SNAPSHOT_FILE).write_bytes(b"junk")
    code, found = look()
    assert code == 5
    assert found["memory bad"]["state"] == "error"
    assert found["memory bad"]["hint"]
    assert found["memories kept"]["state"] == "warning"
    assert "begun" in found["memories kept"]["text"]


def test_a_place_that_cannot_be_written_is_5(look) -> None:
    paths.data_dir().write_text("a file")
    code, found = look()
    assert code == 5
    assert found["memories"]["text"].endswith("cannot be written: a file is in its place")
    assert "INFINI_HOME" in found["memories"]["hint"]
    assert found["memories kept"]["state"] == "error"
    assert found["cache"]["state"] == "ok"


def test_little_room_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10**8))
    assert {finding.state for finding in checkups.check_places()} == {"warning"}


@pytest.mark.parametrize(
    ("encoding", "state"), [("utf-8", "ok"), ("ascii", "warning"), ("latin-1", "warning")]
)
def test_a_terminal_that_lacks_characters_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, encoding: str, state: str
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    found = checkups.check_terminal()
    assert found.state == state
    assert (found.hint is None) == (state == "ok")


def test_sqlite_without_full_text_search_is_5(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        def __enter__(self) -> "Bare":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def execute(self, statement: str) -> None:
            raise sqlite3.OperationalError("no such module: fts5")

    monkeypatch.setattr(checkups.sqlite3, "connect", lambda path: Bare())
    found = checkups.check_sqlite()
    assert (found.state, found.code) == ("error", 5)
    assert "FTS5" in found.text


def test_a_fast_pdf_reader_that_is_missing_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkups.importlib.util, "find_spec", lambda name: None)
    assert checkups.check_pdf().hint == "pip install pypdfium2"


def test_pytorch_that_cannot_be_imported_is_4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = checkups.check_torch()
    assert (found.state, found.code) == ("error", 4)
    assert "pytorch.org" in str(found.hint)


def test_more_threads_than_processors_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch, "get_num_threads", lambda: 4096)
    assert "OMP_NUM_THREADS" in str(checkups.check_torch().hint)


def test_a_device_without_memory_for_the_model_is_6(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(engine: object) -> float:
        raise MemoryError

    monkeypatch.setattr(checkups, "measure_reading", fail)
    assert checkups.check_speed(Settings(model="for-tests-tiny")).code == 6


def test_a_speed_measured_beside_other_programs_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkups, "BUSY_BELOW", 1000.0)
    found = checkups.check_speed(Settings(model="for-tests-tiny", device="cpu"))
    assert found.state == "warning"
    assert "keep the processors busy" in found.text


def test_a_model_given_by_its_path_is_looked_at(tmp_path: Path) -> None:
    folder = paths.shipped_models_dir() / "for-tests-tiny"
    seen: list[str] = []
    found = {each.name: each for each in checkups.check_models(Settings(model=str(folder)), seen.append)}
    assert found[f"model {folder}"].state == "ok"
    missing = Settings(model=str(tmp_path / "none"))
    assert next(iter(checkups.check_models(missing, seen.append))).code == 4
