"""What goes to which stream, and in which form."""

import io
import json
import os
import pty
import sys
from collections.abc import Iterator

import pytest

from infini_cli.console import Reporter
from infini_cli.errors import SnapshotError, UsageError


class Terminal(io.StringIO):
    """A stream that says a person is reading it."""

    def isatty(self) -> bool:
        return True


def put_terminal(monkeypatch: pytest.MonkeyPatch, name: str) -> Terminal:
    """Put a terminal in the place of `sys.stdout` or `sys.stderr`."""
    stream = Terminal()
    monkeypatch.setattr(sys, name, stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    return stream


def test_results_go_to_stdout_exactly_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    text = "[bold]not markup[/bold] :smile: " + "long " * 100
    Reporter().emit(text)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (text + "\n", "")


def test_notes_and_warnings_go_to_stderr_unwrapped(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter()
    reporter.note("x" * 300)
    reporter.warn("[odd] thing")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "x" * 300 + "\nwarning: [odd] thing\n"


@pytest.mark.parametrize("reporter", [Reporter(quiet=True), Reporter(json=True)], ids=["quiet", "json"])
def test_stderr_stays_empty_when_silent(reporter: Reporter, capsys: pytest.CaptureFixture[str]) -> None:
    reporter.note("a note")
    reporter.warn("a warning")
    with reporter.progress("Reading", total=3) as progress:
        progress.update(1, detail="page 1")
    assert capsys.readouterr().err == ""


def test_json_carries_schema_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter(json=True)
    reporter.warn("a page was blank")
    reporter.emit_json({"answer": "naïve 雪 \ud800"})
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "schema": 1,
        "answer": "naïve 雪 \ud800",
        "warnings": ["a page was blank"],
    }
    assert captured.out.count("\n") == 1
    assert captured.err == ""


def test_json_is_ascii_where_the_stream_cannot_carry_more(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    Reporter(json=True).emit_json({"answer": "雪"})
    assert json.loads(raw.getvalue().decode("ascii"))["answer"] == "雪"


def test_a_stream_of_json_is_one_object_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter(json=True)
    reporter.emit_json_line({"text": "a\nb"})
    reporter.emit_json_line({"text": "c"})
    assert [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()] == ["a\nb", "c"]


def test_an_error_in_plain_form(capsys: pytest.CaptureFixture[str]) -> None:
    Reporter(quiet=True).show_error(SnapshotError("the file [a] is damaged", hint="load it again"))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "error: the file [a] is damaged\nhint: load it again\n")


def test_an_error_in_json_form(capsys: pytest.CaptureFixture[str]) -> None:
    Reporter(json=True).show_error(SnapshotError("damaged"))
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "schema": 1,
        "error": {"code": 5, "kind": "snapshot", "message": "damaged", "hint": None},
    }
    assert captured.err == ""


def test_an_error_after_the_result_adds_no_second_object(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter(json=True)
    reporter.emit_json({"found": False})
    reporter.show_error(UsageError("not found"))
    assert json.loads(capsys.readouterr().out)["found"] is False


def test_a_table_off_a_terminal_is_lines_with_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    Reporter().emit_table(("name", "size"), [("a b", "1"), ("c\td\ne", "2")])
    assert capsys.readouterr().out == "a b\t1\nc d e\t2\n"


def test_a_table_on_a_terminal_has_a_header_and_takes_text_literally(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = put_terminal(monkeypatch, "stdout")
    Reporter().emit_table(("name", "size"), [("[red]x[/red]", "1")], right=("size",))
    assert "name" in terminal.getvalue()
    assert "[red]x[/red]" in terminal.getvalue()


def test_fields_off_a_terminal_are_lines_with_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    Reporter().emit_fields([("name", "a"), ("tokens", "12")])
    assert capsys.readouterr().out == "name\ta\ntokens\t12\n"


def test_markdown_is_rendered_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = put_terminal(monkeypatch, "stdout")
    Reporter().emit_markdown("some **bold** words")
    assert "**" not in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()


def test_markdown_off_a_terminal_stays_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    Reporter().emit_markdown("some **bold** words")
    assert capsys.readouterr().out == "some **bold** words\n"


def test_no_color_is_honoured_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = put_terminal(monkeypatch, "stderr")
    Reporter().show_error(UsageError("wrong"))
    assert "\x1b[1;31m" in stream.getvalue()

    monkeypatch.setenv("NO_COLOR", "1")
    stream = put_terminal(monkeypatch, "stderr")
    Reporter().show_error(UsageError("wrong"))
    assert "31m" not in stream.getvalue()


def test_a_question_without_a_terminal_is_refused_with_the_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError) as caught:
        Reporter().confirm("Remove it?")
    assert "--yes" in caught.value.hint


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        yield master
    os.close(master)


@pytest.mark.parametrize(
    ("typed", "expected"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("\x04", False)]
)
def test_only_yes_is_yes(
    keyboard: int, typed: str, expected: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    os.write(keyboard, typed.encode())
    assert Reporter().confirm("Remove it?") is expected
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Remove it? [y/N]")


HOSTILE = "a\x1b]0;title\x07b\x9b2Jc\rd\te"


def test_a_document_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = put_terminal(monkeypatch, "stdout"), put_terminal(monkeypatch, "stderr")
    monkeypatch.setenv("NO_COLOR", "1")
    reporter = Reporter()
    reporter.emit(HOSTILE)
    reporter.emit_markdown(HOSTILE)
    reporter.emit_table(("name",), [(HOSTILE,)])
    reporter.note(HOSTILE)
    reporter.warn(HOSTILE)
    reporter.show_error(UsageError(HOSTILE, hint=HOSTILE))
    shown = out.getvalue() + err.getvalue()
    assert all(control not in shown for control in ("\x1b]", "\x07", "\x9b", "\r"))


def test_a_pipe_gets_a_document_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Reporter().emit(HOSTILE)
    assert capsys.readouterr().out == HOSTILE + "\n"


def test_json_never_asks(keyboard: int) -> None:
    with pytest.raises(UsageError):
        Reporter(json=True).confirm("Remove it?")
