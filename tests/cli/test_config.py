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


def test_set_writes_the_users_file_and_unset_takes_it_back(run_main) -> None:
    assert run_main("config", "set", "window", "1024").code == 0
    assert run_main("config", "set", "device", "cpu").code == 0
    assert paths.config_file().read_text() == 'window = 1024\ndevice = "cpu"\n'
    lines = run_main("config", "show").out.splitlines()
    assert f"window\t1024\t{paths.config_file()}" in lines
    told = json.loads(run_main("config", "unset", "window", "--json").out)
    assert (told["value"], told["origin"], told["file"]) == (2048, "default", str(paths.config_file()))
    assert paths.config_file().read_text() == 'device = "cpu"\n'


def test_set_says_what_wins_over_it(run_main, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFINI_WINDOW", "512")
    outcome = run_main("config", "set", "window", "1024")
    assert outcome.code == 0
    assert "window is 512 all the same, from environment INFINI_WINDOW" in outcome.err


@pytest.mark.parametrize(
    "arguments", [["set", "window", "wide"], ["set", "colour", "red"], ["unset", "colour"]]
)
def test_set_changes_nothing_when_it_is_wrong(run_main, arguments: list[str]) -> None:
    assert run_main("config", *arguments).code == 2
    assert not paths.config_file().exists()


def test_set_keeps_a_link_to_the_file(run_main, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text("# mine\n")
    paths.config_file().parent.mkdir(parents=True)
    paths.config_file().symlink_to(real)
    assert run_main("config", "set", "offline", "true").code == 0
    assert real.read_text() == "# mine\noffline = true\n"
    assert paths.config_file().is_symlink()
