"""Progress on a terminal and in a log, and quantities in words."""

import io
import re
import sys

import pytest

from infini_cli.console import Reporter
from infini_cli.progress import PlainProgress, format_bytes, format_seconds


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_line_at_once_and_then_one_every_five_seconds() -> None:
    lines: list[str] = []
    clock = Clock()
    with PlainProgress(lines.append, "Reading a.pdf", 100, clock=clock) as progress:
        assert lines == ["Reading a.pdf …"]
        for step in range(1, 41):
            clock.now += 0.25
            progress.update(step, detail=f"page {step}")
    assert lines[1:] == [
        "Reading a.pdf: 20%, 20 s left, page 20",
        "Reading a.pdf: 40%, 15 s left, page 40",
    ]


def test_without_a_total_there_is_no_estimate() -> None:
    lines: list[str] = []
    clock = Clock()
    with PlainProgress(lines.append, "Loading the model", None, clock=clock) as progress:
        clock.now += 6
        progress.update()
    assert lines[1:] == ["Loading the model: 6 s so far"]


def test_a_total_learnt_later_is_used() -> None:
    lines: list[str] = []
    clock = Clock()
    with PlainProgress(lines.append, "Reading", None, clock=clock) as progress:
        clock.now += 10
        progress.update(5, total=10)
    assert lines[1:] == ["Reading: 50%, 10 s left, 10 s so far"]


def test_off_a_terminal_progress_is_plain_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter().progress("Reading [a].pdf", total=10) as progress:
        progress.update(3)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "Reading [a].pdf …\n")


def test_on_a_terminal_progress_is_live_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    with Reporter().progress("Reading [a].pdf", total=10) as progress:
        progress.update(5, detail="page 5 of 10 [x]")
    shown = stream.getvalue()
    assert "Reading [a].pdf" in shown
    assert "page 5 of 10 [x]" in shown
    assert shown.endswith("\x1b[2K")  # the line is erased


def test_a_live_bar_makes_way_for_results(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()  # both streams go to the same terminal
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    reporter = Reporter()
    with reporter.progress("Summarizing", total=10) as progress:
        progress.update(5)
        reporter.emit("begun, ", end="")
        reporter.emit("ended")
        progress.update(6)
    shown = screen.getvalue()
    # erased before the result, untouched within its line, drawn again behind it, erased at the end
    assert re.search(r"Summarizing[^\n]*\n?[^\n]*\x1b\[2Kbegun, ended\n[^\n]*Summarizing", shown)
    assert shown.endswith("\x1b[2K")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00 min"), (185, "3:05 min"), (3723, "1:02:03 h")],
)
def test_seconds_in_words(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (5_300_000, "5.3 MB"), (2 * 10**12, "2.0 TB")],
)
def test_bytes_in_words(count: int, text: str) -> None:
    assert format_bytes(count) == text
