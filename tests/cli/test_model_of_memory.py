"""Which model a memory that is there goes on with."""

import json
from pathlib import Path

TEXT = "The mill stands by the river. Its wheel has not turned since the flood of the year before. " * 12


def test_a_memory_goes_on_with_the_model_it_was_read_with_unless_one_is_chosen(
    run_main, home: Path, tmp_path: Path
) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(f"{name}: {TEXT}")
    first = ("ingest", str(tmp_path / "one.txt"), "--memory", "mill", "--model", "for-tests-tiny")
    assert run_main(*first, "--dtype", "float32").code == 0

    asked = run_main("ask", "Where does the mill stand?", "--memory", "mill", "--dtype", "float32", "--json")
    assert (asked.code, json.loads(asked.out)["model"]) == (0, "for-tests-tiny")
    more = (
        "ingest",
        str(tmp_path / "two.txt"),
        "--memory",
        "mill",
        "--append",
        "--dtype",
        "float32",
        "--json",
    )
    added = run_main(*more)
    assert (added.code, json.loads(added.out)["model"]) == (0, "for-tests-tiny")

    chosen = run_main("ask", "Where?", "--memory", "mill", "--model", "smollm2-135m-instruct")
    assert chosen.code == 4  # it is not on this machine
