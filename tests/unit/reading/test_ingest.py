"""`infini ingest` from the command line to the files, with the tiny model."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infini_cli.documents.extraction import ExtractionProcess
from infini_cli.reading import library
from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.snapshot import read_snapshot
from tests.unit.reading.fakes import prose

TINY = ("--model", "for-tests-tiny")


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    """A text of three pages, the second blank."""
    file = tmp_path / "A Letter.txt"
    file.write_text(prose(1, 30) + "\f\n\f" + prose(2, 30))
    return file


def test_the_result_as_json_with_nothing_beside_it(run_main: Callable[..., Any], letter: Path) -> None:
    outcome = run_main("ingest", str(letter), *TINY, "--json")
    assert outcome.err == ""
    assert outcome.code == 0
    result = json.loads(outcome.out)
    (document,) = result["documents"]
    assert document["path"] == str(letter)
    assert document["format"] == "text"
    assert (document["pages_total"], document["pages_read"]) == (3, 2)
    assert document["pages_skipped"] == [{"page": 2, "reason": "blank"}]
    assert result["memory"] == "a-letter" == library.current()
    assert result["tokens"] == document["tokens"] > 500
    assert result["segments"] == -(-result["tokens"] // 32)
    assert result["memory_bytes"] == 3 * (2 * 16 * 16 + 2 * 16) * 4
    assert (result["device"], result["model"], result["resumed"]) == ("cpu", "for-tests-tiny", False)
    assert result["tokens_per_second"] > 0


def test_the_account_for_people(run_main: Callable[..., Any], letter: Path) -> None:
    outcome = run_main("ingest", str(letter), *TINY)
    assert outcome.code == 0
    assert outcome.out == "a-letter\n"
    said = outcome.err.splitlines()
    assert said[0].startswith("Loading the model")
    assert said[1].startswith(f"Reading {letter}")
    assert f"{letter}: read 2 of 3 pages" in outcome.err
    assert "not read, blank: page 2" in outcome.err
    assert "infini ask" in said[-1]


def test_quiet_says_nothing_but_the_result(run_main: Callable[..., Any], letter: Path) -> None:
    outcome = run_main("ingest", str(letter), *TINY, "--quiet")
    assert (outcome.code, outcome.out, outcome.err) == (0, "a-letter\n", "")


def test_the_same_document_again_needs_no_model(run_main: Callable[..., Any], letter: Path) -> None:
    run_main("ingest", str(letter), *TINY)
    checksum = library.show("a-letter").checksum
    outcome = run_main("ingest", str(letter), "--model", "no-such-model")
    assert outcome.code == 0
    assert "already read, unchanged" in outcome.err
    assert library.show("a-letter").checksum == checksum


def test_append_force_and_neither(run_main: Callable[..., Any], letter: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(prose(3, 20))
    run_main("ingest", str(letter), *TINY, "--segment-length", "64")
    refused = run_main("ingest", str(other), *TINY, "--memory", "a-letter")
    assert refused.code == 2
    assert "--append" in refused.err
    added = run_main("ingest", str(other), *TINY, "--append", "--json")
    assert added.code == 0
    result = json.loads(added.out)
    assert result["memory"] == "a-letter", "without a name, the memory read last is added to"
    assert [document["path"] for document in result["documents"]] == [str(other)]
    record = library.show("a-letter").record
    assert [document.path for document in record.documents] == [str(letter), str(other)]
    assert record.segment_length == 64, "it goes on in the segments it was begun with"
    assert result["tokens"] == record.tokens
    anew = run_main("ingest", str(other), *TINY, "--memory", "a-letter", "--force")
    assert anew.code == 0
    assert [document.path for document in library.show("a-letter").record.documents] == [str(other)]
    assert run_main("ingest", str(other), *TINY, "--append", "--force").code == 2


def test_a_wrong_segment_length_is_told(run_main: Callable[..., Any], letter: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(prose(3, 5))
    run_main("ingest", str(letter), *TINY)
    outcome = run_main("ingest", str(other), *TINY, "--append", "--segment-length", "128")
    assert outcome.code == 2
    assert "--segment-length 32" in outcome.err


def test_a_piped_document_is_called_stdin(run_process: Callable[..., Any]) -> None:
    outcome = run_process("ingest", "-", *TINY, "--json", stdin=prose(1, 20))
    assert outcome.code == 0, outcome.err
    result = json.loads(outcome.out)
    assert result["memory"] == "stdin"
    assert result["documents"][0]["path"] == "-"


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (None, 3, "does not exist"),
        (b"", 3, "is empty"),
        (b"\0\1\2" * 500, 3, "binary"),
        (b" \n\n ", 3, "white space"),
    ],
)
def test_bad_documents_have_their_exit_code_and_leave_nothing(
    run_main: Callable[..., Any], tmp_path: Path, content: bytes | None, code: int, words: str
) -> None:
    file = tmp_path / "bad.txt"
    if content is not None:
        file.write_bytes(content)
    outcome = run_main("ingest", str(file), *TINY)
    assert outcome.code == code
    assert words in outcome.err
    assert library.names() == []
    in_json = run_main("ingest", str(file), *TINY, "--json")
    assert json.loads(in_json.out)["error"]["code"] == code
    assert in_json.err == ""


def test_a_model_that_is_not_there_is_told_with_the_way_to_get_it(
    run_main: Callable[..., Any], letter: Path
) -> None:
    outcome = run_main("ingest", str(letter))
    assert outcome.code == 4
    assert "infini models pull" in outcome.err
    assert library.names() == []


def test_what_was_not_read_gives_exit_code_seven_and_a_usable_memory(
    run_main: Callable[..., Any], letter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"\0\1\2" * 500)
    outcome = run_main("ingest", str(letter), str(bad), *TINY)
    assert outcome.code == 7
    assert "binary" in outcome.err
    assert library.show("a-letter").record.complete
    in_json = run_main("ingest", str(letter), str(bad), *TINY, "--json")
    assert in_json.code == 7
    result = json.loads(in_json.out)
    assert [failed["path"] for failed in result["failed"]] == [str(bad)]
    assert result["unchanged"] == [str(letter)]

    def crash(self: ExtractionProcess) -> Any:
        from infini_cli.documents import Page

        yield Page(1, None, "Some text.")
        yield Page(2, None, "", skipped="could not be read: the parser crashed")

    monkeypatch.setattr(ExtractionProcess, "__iter__", crash)
    outcome = run_main("ingest", str(letter), *TINY, "--force")
    assert outcome.code == 7
    assert "pages 2-3 of 3" in outcome.err


def numbers_and_passages(name: str) -> object:
    directory = library.directory_of(name)
    arrays = {
        key: array.tobytes() for key, array in read_snapshot(directory / SNAPSHOT_FILE).arrays().items()
    }
    with PassageStore(directory / PASSAGES_FILE) as store:
        return arrays, list(store.passages_between(1, 10**6)), store.sections()


def test_ctrl_c_and_the_same_command_end_equal_to_an_unbroken_read(
    run_main: Callable[..., Any], tmp_path: Path
) -> None:
    book = tmp_path / "book.md"
    book.write_text("\n\n".join(f"# Chapter {n}\n\n{prose(n, 40)}" for n in range(1, 60)))
    running = subprocess.Popen(
        [sys.executable, "-m", "infini_cli", "ingest", str(book), "--memory", "broken", *TINY],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    while not (line := running.stderr.readline()).startswith("Reading"):
        assert line
    time.sleep(0.4)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=60)[1]
    assert running.returncode == 130, said
    assert f"infini ingest {book} --memory broken --model for-tests-tiny" in said
    assert not library.show("broken").record.complete
    goes_on = run_main("ingest", str(book), "--memory", "broken", *TINY)
    assert goes_on.code == 0
    assert "Going on with" in goes_on.err
    assert run_main("ingest", str(book), "--memory", "whole", *TINY).code == 0
    assert numbers_and_passages("broken") == numbers_and_passages("whole")
    assert library.show("broken").record.complete
