"""The main job through the real entry, each command a process of its own, with the tiny model."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infini_cli.reading import library
from infini_cli.reading.snapshot import read_snapshot
from tests.conftest import Outcome

TEXT = "\n\n".join(
    f"# Chapter {number}\n\nThe keeper of lighthouse {number} was called Ulric, and he kept {number} goats."
    for number in range(1, 30)
)
KEYS = {
    "ingest": {
        *("memory", "documents", "segments", "tokens", "memory_bytes", "seconds", "tokens_per_second"),
        *("device", "dtype", "model", "resumed"),
    },
    "ask": {"question", "answer", "found", "source", "citations", "memory", "model", "usage", "seconds"},
    "summarize": {
        *("summary", "length", "sections", "citations", "coverage", "memory", "model", "usage", "seconds"),
    },
    "citation": {"document", "page", "page_label", "section", "quote", "score"},
}


@pytest.fixture
def infini(run_process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """The program in a folder with one document and the tiny model in its settings."""
    (tmp_path / "book.md").write_text(TEXT)
    (tmp_path / "infini.toml").write_text('model = "for-tests-tiny"\ndtype = "float32"\n')
    return run_process


@pytest.fixture
def here(infini, run_main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """The same inside this process, which has to load torch only once."""
    monkeypatch.chdir(tmp_path)
    return run_main


def parsed(outcome: Outcome) -> dict[str, object]:
    """The one object of a successful command with --json."""
    assert outcome.code == 0, outcome.err
    assert outcome.err == ""
    value = json.loads(outcome.out)
    assert value["schema"] == 1
    return value


def test_read_save_remove_load(infini) -> None:
    read = parsed(infini("ingest", "book.md", "--json"))
    assert set(read) >= KEYS["ingest"]
    assert read["memory"] == "book"
    before = parsed(infini("memories", "show", "--json"))
    assert before["tokens"] == read["tokens"] > 0

    again = parsed(infini("ingest", "book.md", "--json"))
    assert again["tokens"] == read["tokens"]
    assert parsed(infini("memories", "show", "--json"))["updated"] == before["updated"]

    assert infini("save", "--quiet").out == "book.infini\n"
    assert infini("memories", "rm", "book", "--yes").code == 0
    assert infini("memories", "show").code == 2
    loaded = parsed(infini("load", "book.infini", "--json"))
    assert loaded == before


def test_ask_answers_with_quotes_that_are_in_the_document(here) -> None:
    parsed(here("ingest", "book.md", "--json"))
    told = parsed(here("ask", "Who kept 17 goats?", "--json"))
    assert set(told) >= KEYS["ask"]
    assert (told["question"], told["memory"], told["found"]) == ("Who kept 17 goats?", "book", True)
    assert set(told["usage"]) == {"prompt_tokens", "completion_tokens"}
    assert set(told["seconds"]) == {"load", "read", "first_token", "total"}
    assert told["citations"]
    for citation in told["citations"]:
        assert set(citation) >= KEYS["citation"]
        assert citation["quote"] in TEXT
    assert "17" in told["citations"][0]["quote"]

    plain = here("ask", "Who kept 17 goats?", "--quiet")
    assert (plain.code, plain.err) == (0, "")
    assert told["citations"][0]["quote"] in plain.out


def test_ask_of_files_or_a_pipe_keeps_no_memory(here, infini) -> None:
    for outcome in (
        here("ask", "Who kept 17 goats?", "book.md", "--json"),
        infini("ask", "Who kept 17 goats?", "--json", stdin=TEXT),
    ):
        told = parsed(outcome)
        assert told["memory"] is None
        assert "17" in told["citations"][0]["quote"]
    assert here("memories", "list").out == ""


def test_summarize_covers_the_document_in_order(here) -> None:
    parsed(here("ingest", "book.md", "--json"))
    told = parsed(here("summarize", "--length", "short", "--json"))
    assert set(told) >= KEYS["summarize"]
    assert (told["length"], told["memory"]) == ("short", "book")
    assert told["sections"]
    assert all(set(section) >= {"title", "pages", "text"} for section in told["sections"])
    for citation in told["citations"]:
        assert set(citation) >= KEYS["citation"]
        assert citation["quote"] in TEXT
    plain = here("summarize", "--length", "short", "--quiet")
    assert (plain.code, plain.err) == (0, "")
    assert told["sections"][-1]["text"] in plain.out


def test_what_the_document_does_not_say_is_8_when_asked_for(here) -> None:
    parsed(here("ingest", "book.md", "--json"))
    question = "Which submarine won the chess tournament?"
    assert parsed(here("ask", question, "--json"))["found"] is False
    plain = here("ask", question, "--fail-if-not-found", "--quiet")
    assert plain.code == 8
    assert "error: " in plain.err
    as_json = here("ask", question, "--fail-if-not-found", "--json")
    assert (as_json.code, as_json.err) == (8, "")
    assert json.loads(as_json.out)["found"] is False  # the one object is the result


@pytest.mark.parametrize(
    "command", [["ask", "Who?"], ["memories", "show"], ["save"]], ids=lambda words: words[0]
)
def test_without_any_memory_the_way_to_one_is_told(here, command: list[str]) -> None:
    outcome = here(*command)
    assert outcome.code == 2
    assert "hint: read a document first: infini ingest FILE" in outcome.err


def test_a_memory_of_another_model_is_refused(here, make_memory) -> None:
    make_memory("foreign")
    outcome = here("ask", "Who?", "--json")
    assert (outcome.code, outcome.err) == (5, "")
    assert json.loads(outcome.out)["error"]["kind"] == "snapshot"


def test_a_flipped_byte_in_a_memory_is_found(here) -> None:
    parsed(here("ingest", "book.md", "--json"))
    file = library.directory_of("book") / library.SNAPSHOT_FILE
    raw = bytearray(file.read_bytes())
    raw[-5] ^= 1
    file.write_bytes(raw)
    for arguments in (["ask", "Who?"], ["memories", "show"], ["save"]):
        outcome = here(*arguments, "--json")
        assert (outcome.code, outcome.err) == (5, "")
        assert "damaged" in json.loads(outcome.out)["error"]["message"]


def test_piped_text_is_read(infini) -> None:
    read = parsed(infini("ingest", "-", "--json", stdin=TEXT))
    assert read["memory"] == "stdin"
    assert read["documents"][0]["characters"] > 0


def test_quiet_leaves_stderr_empty_and_stdout_is_the_result(infini) -> None:
    outcome = infini("ingest", "book.md", "--quiet")
    assert (outcome.code, outcome.out, outcome.err) == (0, "book\n", "")


@pytest.mark.parametrize(
    ("name", "content", "code", "kind"),
    [
        ("missing.txt", None, 3, "document"),
        ("empty.txt", b"", 3, "document"),
        ("program.bin", bytes(range(256)) * 20, 3, "document"),
        ("cut.pdf", b"%PDF-1.7\n1 0 obj\n<<", 3, "document"),
    ],
)
def test_a_document_that_cannot_be_read(
    here, tmp_path: Path, name: str, content: bytes | None, code: int, kind: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    plain = here("ingest", name)
    assert plain.code == code
    assert plain.out == ""
    assert "\nerror: " in "\n" + plain.err
    assert "Traceback" not in plain.err
    as_json = here("ingest", name, "--json")
    assert (as_json.code, as_json.err) == (code, "")
    assert json.loads(as_json.out)["error"]["kind"] == kind
    assert json.loads(here("memories", "list", "--json").out)["memories"] == []


def test_a_model_that_is_not_here(here) -> None:
    outcome = here("ingest", "book.md", "--model", "smollm2-135m-instruct")
    assert outcome.code == 4
    assert "infini models pull smollm2-135m-instruct" in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_read_that_is_stopped_goes_on_and_ends_the_same(
    infini, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "long.txt").write_text("\n\n".join(f"{n}. {TEXT}" for n in range(150)))
    unbroken = infini("ingest", "long.txt", "--memory", "unbroken", "--quiet")
    assert unbroken.code == 0

    process = subprocess.Popen(
        [sys.executable, "-m", "infini_cli", "ingest", "long.txt"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stderr is not None
    while not process.stderr.readline().startswith("Reading"):
        assert process.poll() is None
    time.sleep(2)  # a part has been read by then, but not all
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "to go on: infini ingest long.txt" in err
    assert parsed(infini("memories", "show", "long", "--json"))["complete"] is False

    resumed = parsed(infini("ingest", "long.txt", "--json"))
    assert resumed["resumed"] is True
    first, second = (library.directory_of(name) / library.SNAPSHOT_FILE for name in ("unbroken", "long"))
    arrays = [read_snapshot(file).arrays() for file in (first, second)]
    assert arrays[0].keys() == arrays[1].keys()
    assert all((arrays[0][name] == arrays[1][name]).all() for name in arrays[0])
