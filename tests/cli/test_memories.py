"""`infini memories`, `infini save` and `infini load`."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from infini_cli.reading import engine, library
from infini_cli.reading.locking import lock


def test_list_is_empty_at_first(run_main) -> None:
    outcome = run_main("memories", "list")
    assert (outcome.code, outcome.out) == (0, "")
    assert "infini ingest" in outcome.err
    assert json.loads(run_main("memories", "list", "--json").out) == {
        "schema": 1,
        "current": None,
        "memories": [],
    }


def test_list_off_a_terminal_is_a_line_per_memory(run_main, make_memory) -> None:
    make_memory("second", complete=False)
    make_memory("first")
    outcome = run_main("memories", "list")
    rows = [line.split("\t") for line in outcome.out.splitlines()]
    assert [(row[0], row[2], row[4], row[5]) for row in rows] == [
        ("first", "18", "2026-01-02", "whole"),
        ("second", "18", "2026-01-02", "unfinished"),
    ]
    listed = json.loads(run_main("memories", "list", "--json").out)
    assert listed["current"] == "first"
    assert [memory["name"] for memory in listed["memories"]] == ["first", "second"]


def test_a_damaged_memory_does_not_hide_the_others(run_main, make_memory) -> None:
    make_memory("good")
    (make_memory("bad") / library.SNAPSHOT_FILE).write_bytes(b"junk")
    outcome = run_main("memories", "list")
    assert outcome.code == 0
    assert [line.split("\t")[-1] for line in outcome.out.splitlines()] == ["damaged", "whole"]
    assert outcome.err.startswith("warning: ")
    listed = json.loads(run_main("memories", "list", "--json").out)
    assert listed["memories"][0]["error"]["kind"] == "snapshot"
    assert run_main("memories", "show", "bad").code == 5


SHOW_KEYS = {
    "name",
    "created",
    "documents",
    "tokens",
    "segments",
    "memory_bytes",
    "passages",
    "model",
    "fingerprint",
}
DOCUMENT_KEYS = {"path", "format", "pages_total", "pages_read", "pages_skipped", "characters", "tokens"}


def test_show_has_the_documented_keys(run_main, make_memory) -> None:
    make_memory("book")
    shown = json.loads(run_main("memories", "show", "--json").out)
    assert shown["schema"] == 1
    assert set(shown) >= SHOW_KEYS
    assert set(shown["documents"][0]) >= DOCUMENT_KEYS
    assert shown["documents"][0]["pages_skipped"] == [{"page": 3, "reason": "no text on it"}]


def test_show_in_words(run_main, make_memory) -> None:
    make_memory("book")
    outcome = run_main("memories", "show", "book")
    assert (outcome.code, outcome.err) == (0, "")
    assert "name\tbook\n" in outcome.out
    assert "2 of 3 pages" in outcome.out
    assert "skipped\tpage 3: no text on it\n" in outcome.out


def test_show_of_a_wrong_name_suggests_the_right_one(run_main, make_memory) -> None:
    make_memory("northanger-abbey")
    outcome = run_main("memories", "show", "northanger-abby")
    assert outcome.code == 2
    assert "did you mean 'northanger-abbey'?" in outcome.err


def test_the_memory_option_and_variable_choose(
    run_main, make_memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_memory("one")
    make_memory("two")
    assert json.loads(run_main("memories", "show", "--json").out)["name"] == "two"
    assert json.loads(run_main("memories", "show", "--json", "--memory", "one").out)["name"] == "one"
    assert json.loads(run_main("--memory", "one", "--json", "memories", "show").out)["name"] == "one"
    monkeypatch.setenv("INFINI_MEMORY", "one")
    assert json.loads(run_main("memories", "show", "--json").out)["name"] == "one"


def test_rename(run_main, make_memory) -> None:
    make_memory("old")
    outcome = run_main("memories", "rename", "old", "new")
    assert (outcome.code, outcome.out) == (0, "")
    assert library.names() == ["new"]
    assert library.current() == "new"


@pytest.mark.parametrize("name", ["../outside", "a/b", "", ".hidden"])
def test_rename_to_a_name_that_is_not_allowed(run_main, make_memory, name: str) -> None:
    make_memory("old")
    assert run_main("memories", "rename", "old", name).code == 2
    assert library.names() == ["old"]


def test_rm_without_a_terminal_refuses_and_names_the_flag(run_process, make_memory) -> None:
    make_memory("book")
    for arguments in (["memories", "rm", "book"], ["memories", "rm", "book", "--json"]):
        outcome = run_process(*arguments, stdin="y\n")
        assert outcome.code == 2
        assert "--yes" in outcome.out + outcome.err
        assert library.names() == ["book"]


def test_rm_with_yes(run_main, make_memory) -> None:
    make_memory("one")
    make_memory("two")
    outcome = run_main("memories", "rm", "one", "two", "--yes", "--json")
    assert json.loads(outcome.out)["removed"] == ["one", "two"]
    assert outcome.err == ""
    assert library.names() == []
    assert run_main("memories", "show").code == 2


def test_rm_of_a_wrong_name_among_others_removes_none(run_main, make_memory) -> None:
    make_memory("one")
    assert run_main("memories", "rm", "one", "other", "--yes").code == 2
    assert library.names() == ["one"]


@pytest.mark.parametrize(("typed", "left"), [(b"y\n", []), (b"n\n", ["book"]), (b"\n", ["book"])])
def test_rm_on_a_terminal_asks(make_memory, typed: bytes, left: list[str], tmp_path: Path) -> None:
    make_memory("book")
    master, slave = pty.openpty()
    os.write(master, typed)
    done = subprocess.run(
        [sys.executable, "-m", "infini_cli", "memories", "rm", "book"],
        stdin=slave,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    os.close(slave)
    os.close(master)
    assert (done.returncode, done.stdout) == (0, "")
    assert "Remove the memory 'book' for good? [y/N]" in done.stderr
    assert library.names() == left


def test_a_memory_in_use_is_not_removed(run_process, make_memory) -> None:
    make_memory("book")
    with lock("book"):
        outcome = run_process("memories", "rm", "book", "--yes")
    assert outcome.code == 5
    assert "in use" in outcome.err
    assert library.names() == ["book"]


def test_save_remove_load_brings_back_the_same_memory(
    run_main, make_memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_memory("book")
    before = library.show("book")
    saved = run_main("save")
    assert (saved.code, saved.out) == (0, "book.infini\n")
    assert run_main("memories", "rm", "book", "--yes").code == 0
    loaded = run_main("load", "book.infini")
    assert (loaded.code, loaded.out) == (0, "book\n")
    after = library.show("book")
    assert (after.checksum, after.record) == (before.checksum, before.record)
    assert library.current() == "book"


def test_save_names_its_file_in_every_way(
    run_main, make_memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_memory("book")
    make_memory("other")
    assert run_main("save", "book", "-o", "a.infini").out == "a.infini\n"
    assert run_main("save", "-o", "b.infini", "--memory", "book").out == "b.infini\n"
    assert run_main("save", "c.infini").out == "c.infini\n"
    saved = json.loads(run_main("save", "book", "--output", "d.infini", "--json").out)
    assert (saved["memory"], saved["file"], saved["bytes"]) == (
        "book",
        "d.infini",
        Path("d.infini").stat().st_size,
    )
    names = [
        json.loads(run_main("load", file, "--force", "--json").out)["name"]
        for file in ("a.infini", "c.infini")
    ]
    assert names == ["book", "other"]


def test_save_does_not_overwrite_unless_told(run_main, make_memory, tmp_path: Path) -> None:
    make_memory("book")
    file = tmp_path / "book.infini"
    file.write_text("precious")
    outcome = run_main("save", "book", "-o", str(file))
    assert (outcome.code, file.read_text()) == (2, "precious")
    assert "--force" in outcome.err
    assert run_main("save", "book", "-o", str(file), "--force").code == 0
    assert file.read_bytes()[:2] == b"PK"


def test_save_into_a_folder_that_is_not_there(run_main, make_memory, tmp_path: Path) -> None:
    make_memory("book")
    outcome = run_main("save", "book", "-o", str(tmp_path / "no" / "book.infini"))
    assert outcome.code == 2
    assert f"there is no folder {tmp_path / 'no'}" in outcome.err


def test_load_under_another_name(run_main, make_memory, tmp_path: Path) -> None:
    make_memory("book")
    file = str(tmp_path / "book.infini")
    run_main("save", "book", "-o", file)
    assert run_main("load", file).code == 2
    assert run_main("load", file, "--name", "copy").out == "copy\n"
    assert library.names() == ["book", "copy"]


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda raw: raw[: len(raw) // 2], 5),
        (lambda raw: raw[:200] + bytes([raw[200] ^ 1]) + raw[201:], 5),
        (lambda raw: b"not a zip at all", 5),
        (lambda raw: b"", 5),
    ],
    ids=["truncated", "flipped", "other", "empty"],
)
def test_load_refuses_a_damaged_file_and_leaves_nothing(
    run_main, make_memory, tmp_path: Path, damage, code: int
) -> None:
    make_memory("book")
    file = tmp_path / "book.infini"
    run_main("save", "book", "-o", str(file))
    run_main("memories", "rm", "book", "--yes")
    file.write_bytes(damage(file.read_bytes()))
    plain = run_main("load", str(file))
    assert plain.code == code
    assert f"\nerror: {file} cannot be loaded: " in plain.err
    as_json = run_main("load", str(file), "--json")
    assert (as_json.code, as_json.err) == (code, "")
    assert json.loads(as_json.out)["error"]["kind"] == "snapshot"
    assert library.names() == []


def test_load_refuses_a_memory_of_another_model(
    run_main, make_memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_memory("book")
    file = str(tmp_path / "book.infini")
    run_main("save", "book", "-o", file)
    held = library.show("book").record.fingerprints
    run_main("memories", "rm", "book", "--yes")

    monkeypatch.setattr(engine, "expected_fingerprints", lambda settings: {**held, "adapter": "another"})
    outcome = run_main("load", file)
    assert outcome.code == 5
    assert "adapter" in outcome.err
    assert library.names() == []

    monkeypatch.setattr(engine, "expected_fingerprints", lambda settings: held)
    assert run_main("load", file).code == 0


def test_load_without_the_model_says_what_was_not_checked(run_main, make_memory, tmp_path: Path) -> None:
    make_memory("book")
    file = str(tmp_path / "book.infini")
    run_main("save", "book", "-o", file)
    loaded = json.loads(run_main("load", file, "--force", "--json").out)
    assert "cannot be checked" in loaded["warnings"][0]
    assert run_main("load", file, "--force", "--model", "smollm2-135m-instruct").code == 4


def test_load_of_a_missing_file(run_main, tmp_path: Path) -> None:
    outcome = run_main("load", str(tmp_path / "none.infini"))
    assert outcome.code == 2
    assert "there is no file" in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["memories", "list"],
        ["memories", "show"],
        ["memories", "rename", "book", "new"],
        ["memories", "rm", "book", "-y"],
    ],
    ids=lambda arguments: arguments[1],
)
def test_quiet_leaves_stderr_empty(run_main, make_memory, arguments: list[str]) -> None:
    make_memory("book")
    outcome = run_main(*arguments, "--quiet")
    assert (outcome.code, outcome.err) == (0, "")
