"""`infini chat`, through a pipe and at a prompt, with the tiny model."""

import io
import json
import os
import pty
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infini_cli import paths
from infini_cli.answering.conversation import Conversation
from infini_cli.commands import line_input
from infini_cli.console import Reporter
from infini_cli.reading import library
from tests.conftest import Outcome

TEXT = (
    "# The lighthouse\n\nThe lighthouse at Cape Morrow was built in 1874 by Edmund Hale.\n\n"
    "# The farm\n\nThe farm behind the hill belongs to Ruth Pell, who keeps forty goats and a dog.\n"
)
BUILT = "Who built the lighthouse?"
QUOTED = "The document says: “The lighthouse at Cape Morrow was built in 1874 by Edmund Hale.”"


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("INFINI_MODEL", "for-tests-tiny")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.md").write_text(TEXT)
    return "report.md"


@pytest.fixture
def piped(run_main: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """`piped(["question", "/command"], "report.md")` chats through a pipe."""

    def run(lines: list[str], *arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        return run_main("chat", *arguments, "--max-tokens", "8")

    return run


def objects(outcome: Outcome) -> list[dict[str, Any]]:
    return [json.loads(line) for line in outcome.out.splitlines()]


def test_a_question_a_line_is_answered_with_its_place(piped, report: str) -> None:
    outcome = piped([BUILT, "", "Who keeps goats?"], report, "-q")
    assert outcome.code == 0
    assert outcome.err == ""
    first, second = outcome.out.split("\n\nThe document says", 1)
    assert first.startswith(f"{QUOTED}\n\nline 3 (The lighthouse)  “The lighthouse at")
    assert "Ruth Pell" in second


def test_json_is_an_object_a_line(piped, report: str) -> None:
    outcome = piped([BUILT, "And how old was he?", "/memory", "/summarize short", "/help"], report, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    first, second, held, summary, commands = objects(outcome)
    assert (first["answer"], first["searched_with"], first["memory"]) == (QUOTED, None, None)
    assert second["searched_with"] == BUILT
    assert (held["turns"], held["turns_in_memory"], held["documents"]) == (2, 0, [report])
    assert [section["title"] for section in summary["sections"]] == ["The lighthouse", "The farm"]
    assert "/quit" in commands["commands"]


def test_json_can_stream(piped, report: str) -> None:
    *pieces, last = objects(piped([BUILT], report, "--json", "--stream"))
    assert "".join(piece["text"] for piece in pieces) == last["answer"]


def test_it_is_the_memory_read_last_or_the_one_named(piped, run_main, report: str) -> None:
    assert run_main("ingest", report, "--memory", "one").code == 0
    Path("other.md").write_text("The bakery opened in 1901.\n")
    assert run_main("ingest", "other.md").code == 0
    assert objects(piped([BUILT], "--json"))[0]["found"] is False
    assert objects(piped([BUILT], "--json", "--memory", "one"))[0]["answer"] == QUOTED


def test_a_conversation_leaves_the_memory_on_disk_as_it_is(piped, run_main, report: str) -> None:
    run_main("ingest", report, "--memory", "one")
    before = library.show("one").checksum
    # a window too small for the conversation: it is read into the memory at once
    outcome = piped([BUILT, BUILT, "/memory"], "--window", "256", "--json")
    held = objects(outcome)[-1]
    assert (held["turns"], held["turns_in_memory"]) == (2, 1)
    assert held["conversation_tokens"] > 0
    assert library.show("one").checksum == before


def test_save_keeps_the_conversation_in_a_memory_of_its_own(piped, run_main, report: str) -> None:
    run_main("ingest", report, "--memory", "one")
    saved = objects(piped([BUILT, "/save two"], "--json"))[-1]["saved"]
    one, two = library.show("one"), library.show("two")
    assert saved == {"memory": "two", "conversation_tokens": two.record.conversation_tokens}
    assert two.record.conversation_tokens > 0
    assert one.checksum != two.checksum
    assert two.record.documents == one.record.documents
    assert library.current() == "one"
    assert objects(piped([BUILT], "--json", "--memory", "two"))[0]["answer"] == QUOTED
    assert "read into it by /save" in run_main("memories", "show", "two").out
    assert run_main("save", "two").code == 0  # which verifies every byte
    assert run_main("ingest", "--append", "--memory", "two", report).code == 0


def test_save_keeps_a_memory_that_was_read_for_the_conversation(piped, report: str) -> None:
    piped([BUILT, "/save kept"], report)
    assert library.show("kept").record.documents[0].path == report


def test_save_writes_a_transcript(piped, report: str) -> None:
    outcome = piped([BUILT, "/save talk.md", BUILT, "/save talk.md"], report)
    assert outcome.code == 0
    text = Path("talk.md").read_text()
    assert text.startswith("# Report.md: 1 document, ")
    assert text.count(f"## {BUILT}\n\n{QUOTED}\n\n- line 3 (The lighthouse)  “") == 2


def test_save_replaces_nothing_of_others(piped, run_main, report: str) -> None:
    run_main("ingest", report, "--memory", "one")
    Path("talk.md").write_text("precious")
    before = library.show("one").checksum
    lines = [BUILT, "/save", "/save talk.md", "/save one", "/save ../one", "/save no/such/talk.md"]
    outcome = piped(lines, "--json")
    assert outcome.code == 2
    assert [each["error"]["kind"] for each in objects(outcome)[1:]] == ["usage"] * 5
    assert Path("talk.md").read_text() == "precious"
    assert library.show("one").checksum == before
    assert library.names() == ["one"]


def test_a_wrong_line_is_told_and_the_next_is_answered(piped, report: str) -> None:
    outcome = piped(["/nonsense", BUILT], report, "-q")
    assert outcome.code == 2
    assert outcome.err.startswith("error: there is no command /nonsense\nhint: the commands are /summarize")
    assert outcome.out.startswith(QUOTED)


def test_quit_and_clear(piped, report: str) -> None:
    told = objects(piped([BUILT, "/clear", "/memory", "/quit", BUILT], report, "--json"))
    assert len(told) == 2
    assert told[1]["turns"] == 0


def test_a_path_is_a_question(piped, report: str) -> None:
    assert objects(piped(["/etc/fstab is what?"], report, "--json"))[0]["question"] == "/etc/fstab is what?"


def test_a_document_cannot_be_piped_in(piped, report: str) -> None:
    outcome = piped([], "-")
    assert outcome.code == 2
    assert "hint: read the document first" in outcome.err


def test_ctrl_c_stops_the_answer_and_not_the_program(
    run_main, report: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Typed:
        interactive = True

        def __init__(self, *_: object) -> None:
            self._lines = iter([KeyboardInterrupt(), "stop me", BUILT, "/memory", None])

        def read(self) -> str | None:
            line = next(self._lines)
            if isinstance(line, KeyboardInterrupt):
                raise line
            return line

    ask = Conversation.ask

    def stopped(self: Conversation, question: str, *, on_text: Callable[[str], None]) -> object:
        if question != "stop me":
            return ask(self, question, on_text=on_text)
        on_text("Half an")
        raise KeyboardInterrupt

    monkeypatch.setattr(line_input, "LineInput", Typed)
    monkeypatch.setattr(Conversation, "ask", stopped)
    outcome = run_main("chat", report)
    assert outcome.code == 0
    assert outcome.out.startswith(f"Half an\n{QUOTED}")
    assert "1 question so far" in outcome.out
    assert "Ctrl-D or /quit leaves" in outcome.err
    assert "stopped; this answer is not part of the conversation" in outcome.err


def test_a_polite_request_to_stop_ends_the_program(
    piped, report: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(self: Conversation, question: str, **_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)

    monkeypatch.setattr(Conversation, "ask", stopped)
    outcome = piped([BUILT, BUILT], report)
    assert (outcome.code, outcome.err.splitlines()[-1]) == (130, "error: stopped")


def test_the_history_is_private_and_does_not_grow_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readline = pytest.importorskip("readline")
    monkeypatch.setattr(line_input.LineInput, "_edits", lambda self: True)
    typed = iter(["one", "  ", "two"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    history = tmp_path / "state" / "history"
    lines = line_input.LineInput(Reporter(), history, ["/help"])
    readline.clear_history()
    assert [lines.read() for _ in range(3)] == ["one", "  ", "two"]
    assert history.stat().st_mode & 0o077 == 0

    history.write_text("".join(f"line {number}\n" for number in range(2 * line_input.HISTORY_LENGTH + 1)))
    line_input.LineInput(Reporter(), history, ["/help"])
    kept = history.read_text().splitlines()
    assert (len(kept), kept[-1]) == (line_input.HISTORY_LENGTH, f"line {2 * line_input.HISTORY_LENGTH}")


def test_ctrl_c_ends_what_comes_through_a_pipe(piped, report: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(self: Conversation, question: str, **_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Conversation, "ask", stopped)
    assert piped([BUILT, BUILT], report).code == 130


class Terminal:
    """The program at a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self.pid, self._file = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "vt100"
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where the tests run in the background
            os.execv(sys.executable, [sys.executable, "-m", "infini_cli", *arguments])
        self.shown = ""

    def type(self, text: str) -> None:
        os.write(self._file, text.encode())

    def wait_for(self, text: str, *, seconds: float = 100.0) -> None:
        """Read what is shown until `text` appears after what was waited for before."""
        limit = time.monotonic() + seconds
        while text not in self.shown:
            ready, _, _ = select.select([self._file], [], [], max(0.0, limit - time.monotonic()))
            assert ready, f"{text!r} did not appear in {self.shown!r}"
            self.shown += os.read(self._file, 4096).decode(errors="replace")
        self.shown = self.shown[self.shown.index(text) + len(text) :]

    def end(self) -> int:
        """The exit code."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self._file)
        return os.waitstatus_to_exitcode(status)


ARROW_UP = "\x1b[A"
CTRL_C, CTRL_D = "\x03", "\x04"


@pytest.mark.timeout(300)
def test_at_a_terminal_earlier_questions_come_back(report: str) -> None:
    history = paths.state_dir() / "chat-history"
    history.parent.mkdir(parents=True)
    history.write_text(f"{BUILT}\n")
    terminal = Terminal("chat", report, "--max-tokens", "8")
    terminal.wait_for("> ")
    terminal.type("half a line")
    terminal.wait_for("half a line")
    # what comes between an echo and Python's next wait for keys is seen with the line's end only; no hand is so fast
    time.sleep(0.5)
    terminal.type(CTRL_C)
    terminal.wait_for("Ctrl-D or /quit leaves")
    terminal.wait_for("> ")
    terminal.type(ARROW_UP + "\n")
    terminal.wait_for("Edmund Hale.”")
    terminal.wait_for("> ")
    terminal.type("/mem\t\n")
    terminal.wait_for("1 question so far")
    assert history.read_text() == f"{BUILT}\n{BUILT}\n/memory \n"
    terminal.wait_for("> ")
    terminal.type(CTRL_D)
    assert terminal.end() == 0
