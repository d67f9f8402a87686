"""`infini config`."""

import json
from pathlib import Path

import pytest

from infini_cli import paths


def test_show_names_the_origin_of_every_value(
    run_main, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INFINI_WINDOW", "1024")
    (tmp_path / "infini.toml").write_text('device = "cpu"\n')
    outcome = run_main("config", "show", "--dtype", "float32", "--json")
    settings = json.loads(outcome.out)["settings"]
    assert settings["window"] == {"value": 1024, "origin": "environment INFINI_WINDOW"}
    assert settings["device"] == {"value": "cpu", "origin": str(tmp_path / "infini.toml")}
    assert settings["dtype"] == {"value": "float32", "origin": "command line"}
    assert settings["memory"] == {"value": None, "origin": "default"}

    lines = run_main("config", "show").out.splitlines()
    assert "window\t1024\tenvironment INFINI_WINDOW" in lines
    assert "memory\t-\tdefault" in lines
    assert "offline\tfalse\tdefault" in lines


def test_path_names_every_place(run_main, home: Path) -> None:
    places = json.loads(run_main("config", "path", "--json").out)
    assert places["config"] == str(paths.config_file())
    assert all(
        Path(places[name]).is_relative_to(home) for name in ("config", "memories", "models", "cache", "state")
    )
    assert f"config\t{paths.config_file()}\n" in run_main("config", "path").out


def test_a_bad_settings_file_is_a_usage_error(
    run_main, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "infini.toml").write_text("colour = 1\n")
    outcome = run_main("config", "show", "--json")
    assert (outcome.code, outcome.err) == (2, "")
    error = json.loads(outcome.out)["error"]
    assert error["message"] == f"unknown setting 'colour' in {tmp_path / 'infini.toml'}"
