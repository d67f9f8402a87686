"""`infini eval`."""

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from infini_cli.evals import recall
from tests.cli.corpus_files import make_corpus

MODEL = ("--model", "for-tests-tiny", "--segment-length", "128", "--dtype", "float32")
PASSKEY = ("eval", "passkey", *MODEL, "--lengths", "1K,2K", "--depths", "0,1", "--samples", "2")


@pytest.fixture
def corpus(home: Path, tmp_path: Path) -> None:
    make_corpus(tmp_path)


def test_passkey_needs_no_texts_and_prints_a_row_for_each_length(run_main) -> None:
    outcome = run_main(*PASSKEY, "-q")
    assert (outcome.code, outcome.err) == (0, "")
    rows = [line.split("\t") for line in outcome.out.splitlines()]
    assert [row[:3] for row in rows] == [["filler", "1K", "4"], ["filler", "2K", "4"]]
    # share, interval, and a share for each depth
    assert all(len(row) == 7 for row in rows)


def test_json_has_the_run_the_cells_and_the_controls(run_main) -> None:
    outcome = run_main(*PASSKEY, "--controls", "--baselines", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    result = json.loads(outcome.out)
    assert (result["schema"], result["evaluation"]) == (1, "passkey")
    run = result["run"]
    assert run["identity"]["segment_length"] == 128
    assert run["identity"]["adapter"] == "none"
    assert len(run["identity"]["model"]) == 64
    assert 0 < run["tokens_read"] <= 4 * (1024 + 2048)
    assert run["seconds"] > 0
    assert run["machine"]
    assert [(cell["length"], cell["depth"], cell["n"]) for cell in result["cells"]] == [
        (1024, 0.0, 2),
        (1024, 1.0, 2),
        (2048, 0.0, 2),
        (2048, 1.0, 2),
    ]
    for cell in result["cells"]:
        low, high = cell["interval"]
        assert 0 <= low <= cell["exact"] <= high <= 1
        assert list(cell["controls"]) == [
            "memory_off",
            "other_memory",
            "local_window",
            "truncation",
            "plain_window",
            "xl_cache",
        ]
    assert "records" not in result


def test_results_go_to_a_file_and_the_same_command_has_nothing_left_to_do(
    run_main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "eval.json"
    first = run_main(*PASSKEY, "--output", str(file), "--json")
    entry = json.loads(file.read_text())["evaluations"]["passkey"]
    assert len(entry["records"]) == 8

    def unit(*arguments: Any) -> Any:
        raise AssertionError("nothing is to be measured again")

    monkeypatch.setattr(recall, "_run_unit", unit)
    again = run_main(*PASSKEY, "--output", str(file), "--json")
    assert again.code == 0
    assert json.loads(again.out)["cells"] == json.loads(first.out)["cells"]


def test_a_stopped_evaluation_says_how_to_go_on(
    run_main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure, file = recall._run_unit, tmp_path / "eval.json"
    units: list[Any] = []

    def unit(*arguments: Any) -> Any:
        units.append(arguments)
        if len(units) == 3:
            raise KeyboardInterrupt
        return measure(*arguments)

    monkeypatch.setattr(recall, "_run_unit", unit)
    stopped = run_main(*PASSKEY, "--output", str(file))
    assert stopped.code == 130
    assert f"the same command goes on with what is in {file}" in stopped.err
    assert len(json.loads(file.read_text())["evaluations"]["passkey"]["records"]) == 4
    monkeypatch.setattr(recall, "_run_unit", measure)
    assert run_main(*PASSKEY, "--output", str(file)).code == 0
    assert len(json.loads(file.read_text())["evaluations"]["passkey"]["records"]) == 8
    without = run_main(*PASSKEY)
    monkeypatch.setattr(recall, "_run_unit", unit)
    units[:] = [None, None]
    assert "--output" in run_main(*PASSKEY).err
    assert without.code == 0


def test_results_of_another_segment_length_are_not_mixed_in(run_main, tmp_path: Path) -> None:
    file = tmp_path / "eval.json"
    assert run_main(*PASSKEY, "-o", str(file)).code == 0
    other = run_main(*PASSKEY, "--segment-length", "64", "-o", str(file))
    assert other.code == 2
    assert "another segment length" in other.err


def test_a_heat_map_is_drawn(run_main, tmp_path: Path) -> None:
    file = tmp_path / "map.png"
    assert run_main(*PASSKEY, "--plot", str(file)).code == 0
    assert file.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_a_plot_is_refused_at_once(
    run_main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *arguments: Any, **options: Any) -> Any:
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    outcome = run_main(*PASSKEY, "--plot", str(tmp_path / "map.png"))
    assert outcome.code == 2
    assert "infini-attention-cli[train]" in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--lengths", "4X"), 2, "'4X' is not a length"),
        (("--lengths", "100"), 2, "less than one segment of 128"),
        (("--lengths", "32", "--segment-length", "32"), 2, "too few for a pass key"),
        (("--depths", "0,2"), 2, "'2' is not a depth"),
        (("--samples", "0"), 2, "--samples"),
        (("--kinds", "straw"), 2, "allowed: filler, prose"),
        (("--form", "poem"), 2, "--form"),
        (("--adapter", "nowhere.safetensors"), 4, "there is no adapter"),
        (("--adapter", __file__), 4, "damaged"),
        (("--model", "nobody"), 4, "there is no model 'nobody'"),
        (("--output", "no-such-folder/eval.json"), 2, "cannot be written"),
        (("--plot", "no-such-folder/map.png"), 2, "cannot be written"),
        (("--kinds", "prose"), 3, "make data"),
    ],
)
def test_what_cannot_be_measured_is_told(
    run_main, arguments: tuple[str, ...], code: int, message: str
) -> None:
    outcome = run_main(*PASSKEY, *arguments)
    assert outcome.code == code
    assert message in outcome.err
    assert outcome.out == ""


@pytest.mark.usefixtures("corpus")
@pytest.mark.parametrize(
    ("command", "columns"),
    [
        (
            ("needle", "--lengths", "2K", "--kinds", "number,word", "--samples", "1"),
            [["number", "2K", "4"], ["word", "2K", "4"]],
        ),
        (("babilong", "--lengths", "2K", "--tasks", "qa4", "--samples", "1"), [["qa4", "2K"]]),
        (("perplexity", "--lengths", "1K", "--samples", "1"), [["1K", "1", "889"]]),
        (("reading", "--samples", "1"), [["model", "1"], ["memory off", "1"], ["base", "1"]]),
    ],
    ids=["needle", "babilong", "perplexity", "reading"],
)
def test_each_evaluation_prints_its_table(
    run_main, tmp_path: Path, command: tuple[str, ...], columns: list[list[str]]
) -> None:
    file = tmp_path / "eval.json"
    outcome = run_main("eval", *command, *MODEL, "-q", "-o", str(file))
    assert (outcome.code, outcome.err) == (0, "")
    rows = [line.split("\t") for line in outcome.out.splitlines()]
    assert [row[: len(wanted)] for row, wanted in zip(rows, columns, strict=True)] == columns
    assert json.loads(file.read_text())["evaluations"][command[0]]["records"]


@pytest.mark.usefixtures("corpus")
def test_perplexity_needs_more_than_a_segment(run_main) -> None:
    outcome = run_main("eval", "perplexity", *MODEL, "--lengths", "128")
    assert outcome.code == 2
    assert "nothing beyond the first segment" in outcome.err


@pytest.mark.usefixtures("corpus")
def test_all_measures_everything_into_one_file(
    run_main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infini_cli.evals.short_text.load_requests", lambda: ["Who are you?"])
    file = tmp_path / "eval.json"
    outcome = run_main("eval", "all", *MODEL, "--lengths", "4K", "--samples", "1", "--json", "-o", str(file))
    assert (outcome.code, outcome.err) == (0, "")
    names = ["passkey", "needle", "babilong", "perplexity", "reading", "short-text"]
    assert list(json.loads(outcome.out)["evaluations"]) == names
    assert list(json.loads(file.read_text())["evaluations"]) == names
    shown = run_main("eval", "all", *MODEL, "--lengths", "4K", "--samples", "1", "-o", str(file))
    assert [line[:-1] for line in shown.out.splitlines() if line.endswith(":")] == names
