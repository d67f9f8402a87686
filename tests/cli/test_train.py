"""`infini train`."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from infini_cli.training import loop
from tests.cli.corpus_files import make_corpus

RECIPE = """
name = "small"
base = "for-tests-tiny"
[memory]
layers = [1, 2]
feature_map = "elu-map"
write_gate = true
segment_length = 256
beta_init = -1.0
[lora]
rank = 2
alpha = 4.0
targets = ["attn.q"]
[optimizer]
warmup_steps = 1
[evaluation]
every = 2
samples = 2
[[stages]]
steps = 4
segments = [2]
batch_documents = 2
mixture = { passkey = 1.0 }
"""
WITH_WORDS = (
    RECIPE.replace('"elu-map"', '"hedgehog"\nword_keys = 8')
    + """
[word_lookup]
steps = 2
segments = 1
mixture = { passkey = 1.0 }
[write_gates]
steps = 2
batches = 1
batch_documents = 2
mixture = { passkey = 1.0 }
"""
)


@pytest.fixture
def recipe(home: Path, tmp_path: Path) -> Path:
    make_corpus(tmp_path)
    file = tmp_path / "recipe.toml"
    file.write_text(RECIPE)
    return file


def train(run: Any, recipe: Path, output: Path, *options: str) -> Any:
    return run("train", str(recipe), "--output", str(output), "--device", "cpu", *options)


def test_a_recipe_is_trained_and_goes_on_after_a_stop(run_main, recipe: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    first = train(run_main, recipe, output, "--steps", "1")
    assert first.code == 0
    assert first.out == f"{output / loop.ADAPTER}\n"
    assert "stopped after step 1 of 4; the same command goes on" in first.err
    rest = train(run_main, recipe, output)
    assert rest.code == 0
    assert "step 2:" in rest.err
    assert "held-out questions right" in rest.err
    assert [json.loads(line)["step"] for line in (output / loop.LOG).read_text().splitlines()] == [1, 2, 3, 4]
    assert "finished before" in train(run_main, recipe, output).err


def test_json_is_one_object(run_main, recipe: Path, tmp_path: Path) -> None:
    outcome = train(run_main, recipe, tmp_path / "run", "--steps", "2", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    result = json.loads(outcome.out)
    assert result["adapter"] == str(tmp_path / "run" / loop.ADAPTER)
    assert (result["schema"], result["step"], result["steps"]) == (1, 2, 4)
    assert result["tokens"] > 2 * 2 * 512
    assert set(result["recall"]) >= {"exact", "without_memory", "other_memory", "by_task", "questions"}


def test_training_can_begin_from_an_adapter(run_main, recipe: Path, tmp_path: Path) -> None:
    assert train(run_main, recipe, tmp_path / "one", "--steps", "2").code == 0
    adapter = tmp_path / "one" / loop.ADAPTER
    began = train(run_main, recipe, tmp_path / "two", "--steps", "1", "--adapter", str(adapter))
    assert began.code == 0
    logs = [(tmp_path / name / loop.LOG).read_text().splitlines()[0] for name in ("one", "two")]
    assert json.loads(logs[0])["loss"] != json.loads(logs[1])["loss"]


def test_the_trained_adapter_can_be_evaluated(run_main, recipe: Path, tmp_path: Path) -> None:
    assert train(run_main, recipe, tmp_path / "run", "--steps", "1").code == 0
    adapter = tmp_path / "run" / loop.ADAPTER
    arguments = ("--model", "for-tests-tiny", "--adapter", str(adapter), "--lengths", "512", "--samples", "1")
    outcome = run_main("eval", "passkey", *arguments, "--depths", "0.5", "--json")
    assert outcome.code == 0
    identity = json.loads(outcome.out)["run"]["identity"]
    assert len(identity["adapter"]) == 64
    assert identity["segment_length"] == 256


def test_ctrl_c_says_how_to_go_on(
    run_main, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, draw = tmp_path / "run", loop.draw_batch
    assert train(run_main, recipe, output, "--steps", "1").code == 0

    def interrupted(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "draw_batch", interrupted)
    stopped = train(run_main, recipe, output)
    assert stopped.code == 130
    assert f"the same command goes on from the last checkpoint in {output}" in stopped.err
    monkeypatch.setattr(loop, "draw_batch", draw)
    assert train(run_main, recipe, output).code == 0
    assert len((output / loop.LOG).read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("steps = 4", "steps = 4\ncolour = 1"), "unknown StageConfig keys: colour"),
        (('name = "small"', ""), "missing Recipe keys: name"),
        (("passkey = 1.0", "riddle = 1.0"), "no task 'riddle'"),
        (("[memory]", "[memory"), "not a TOML file"),
        (("steps = 4", "steps = 5"), "another recipe"),
    ],
)
def test_a_recipe_that_is_wrong_or_another_is_told(
    run_main, recipe: Path, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    assert train(run_main, recipe, tmp_path / "run", "--steps", "1").code == 0
    recipe.write_text(RECIPE.replace(*change))
    outcome = train(run_main, recipe, tmp_path / "run")
    assert outcome.code == 2
    assert message in outcome.err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("missing.toml", "--output", "run"), 2, "cannot read the recipe"),
        (("{recipe}", "--output", "{recipe}"), 2, "needs a folder"),
        (("{recipe}",), 2, "--output"),
        (("{recipe}", "--output", "run", "--adapter", "nowhere"), 4, "there is no adapter"),
        (("{recipe}", "--output", "run", "--steps", "0"), 2, "--steps"),
        (("{recipe}", "--output", "run", "--device", "cuda:99"), 2, "there is no device"),
    ],
)
def test_what_cannot_be_trained_is_told(
    run_main, recipe: Path, options: tuple[str, ...], code: int, message: str
) -> None:
    outcome = run_main("train", *(option.format(recipe=recipe) for option in options))
    assert outcome.code == code
    assert message in outcome.err


def test_without_texts_it_says_how_to_get_them(run_main, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    outcome = train(run_main, recipe, tmp_path / "run")
    assert outcome.code == 3
    assert "make data" in outcome.err


@pytest.mark.slow
def test_torchrun_trains_on_several_processes(run_process, recipe: Path, tmp_path: Path) -> None:
    """The first of them learns word keys and gates for all."""
    recipe.write_text(WITH_WORDS)
    output = tmp_path / "run"
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    outcome = train(
        lambda *arguments: run_process(*arguments, command=(*torchrun, "-m", "infini_cli")),
        recipe,
        output,
        "--steps",
        "2",
        "--json",
    )
    assert outcome.code == 0, outcome.err
    # one of the two speaks, and writes the log
    result = json.loads(outcome.out)
    assert result["step"] == 2
    assert result["tokens"] > 2 * 2 * 512
    assert len((output / loop.LOG).read_text().splitlines()) == 2
