"""Shares with their intervals, and results files."""

import json

import pytest

from infini_cli.errors import UsageError
from infini_cli.evals.results import Ledger, Record, ResultsFile, cells, wilson


def record(right: bool, depth: float = 0.0, **controls: bool | None) -> Record:
    return Record("number", 1024, depth, depth, 0, "7", "7" if right else "8", right, right, controls)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    # E. B. Wilson's interval as R's prop.test(correct = FALSE) gives it
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (95, 100, 0.8882, 0.9785)],
)
def test_wilsons_interval(right, n, low, high):
    assert wilson(right, n) == pytest.approx((low, high), abs=1e-4)


def test_cells_have_shares_intervals_and_controls():
    records = [record(True, off=False), record(False, off=True), record(True, off=None), record(True, 1.0)]
    first, second = cells(records, lambda each: (each.length, each.bin), ("length", "depth"))
    assert (first["length"], first["depth"], first["n"], first["exact"]) == (1024, 0.0, 3, 0.6667)
    assert first["controls"] == {"off": {"n": 2, "exact": 0.5}}
    assert second["interval"] == pytest.approx([0.2065, 1.0], abs=1e-4)
    assert "controls" not in second


def test_entries_of_several_evaluations_share_a_file(subject, tmp_path):
    file = tmp_path / "eval.json"
    for name in ("needle", "passkey"):
        ledger = Ledger(ResultsFile(file, name), subject, 1)
        ledger.add([{"name": name}], 100)
        ledger.save({"totals": []})
    written = json.loads(file.read_text())
    assert written["schema"] == 1
    assert {name: entry["records"] for name, entry in written["evaluations"].items()} == {
        "needle": [{"name": "needle"}],
        "passkey": [{"name": "passkey"}],
    }


def test_a_ledger_goes_on_where_it_stopped(subject, tmp_path):
    first = Ledger(ResultsFile(tmp_path / "eval.json", "needle"), subject, 1, form="chat")
    first.add([{"n": 1}], 100)
    first.save({})
    second = Ledger(ResultsFile(tmp_path / "eval.json", "needle"), subject, 1, form="chat")
    second.add([{"n": 2}], 50)
    assert second.records == [{"n": 1}, {"n": 2}]
    assert second.run["tokens_read"] == 150


@pytest.mark.parametrize("other", [{"seed": 2, "form": "chat"}, {"seed": 1, "form": "continuation"}])
def test_results_of_another_run_are_refused(subject, tmp_path, other):
    first = Ledger(ResultsFile(tmp_path / "eval.json", "needle"), subject, 1, form="chat")
    first.save({})
    with pytest.raises(UsageError, match=r"another (seed|form)"):
        Ledger(ResultsFile(tmp_path / "eval.json", "needle"), subject, **other)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 1}', "not json"])
def test_a_file_without_results_is_left_alone(subject, tmp_path, content):
    file = tmp_path / "eval.json"
    file.write_text(content)
    with pytest.raises(UsageError, match="no results"):
        Ledger(ResultsFile(file, "needle"), subject, 1)
    assert file.read_text() == content


def test_results_of_another_schema_are_refused(subject, tmp_path):
    file = tmp_path / "eval.json"
    file.write_text('{"schema": 99, "evaluations": {}}')
    with pytest.raises(UsageError, match="schema 99"):
        Ledger(ResultsFile(file, "needle"), subject, 1)
