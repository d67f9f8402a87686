"""Lines that a user types at a prompt, with editing and a history; or that come through a pipe, one by one."""

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infini_cli.console import stdin_is_terminal

if TYPE_CHECKING:
    from infini_cli.console import Reporter

HISTORY_LENGTH = 1000  # lines
PROMPT = "> "


class LineInput:
    """The lines of standard input.

    On a terminal the arrow keys edit the line and bring back earlier ones, also those of earlier runs, and the tab key
    completes commands. The history is kept line by line, so that a kill loses none of it.

    Args:
        reporter: of the command.
        history: the file of earlier lines; made when the first line is typed.
        commands: what the tab key completes.
    """

    def __init__(self, reporter: "Reporter", history: Path, commands: Sequence[str]) -> None:
        self._reporter = reporter
        self._history = history
        self.interactive = stdin_is_terminal()
        if sys.stdin is not None and hasattr(sys.stdin, "reconfigure"):
            sys.stdin.reconfigure(errors="replace")
        self._readline = _start_readline(history, commands) if self._edits() else None

    def read(self) -> str | None:
        """The next line without its end, or None when there is no other. Raises KeyboardInterrupt for Ctrl-C."""
        try:
            if self._readline is not None:
                line = input(PROMPT)
                self._remember(line, self._readline)
                return line
        except EOFError:
            self._end_of_line()
            return None
        if self.interactive:
            self._ask()
        line = sys.stdin.readline() if sys.stdin is not None else ""
        if not line:
            self._end_of_line()
            return None
        return line.rstrip("\n")

    def _edits(self) -> bool:
        """Whether readline may take the terminal: it shows the prompt where the results go."""
        return self.interactive and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    def _ask(self) -> None:
        """Show the prompt away from the results."""
        if not self._reporter.json:
            self._reporter.err.print(PROMPT, end="")
            sys.stderr.flush()

    def _end_of_line(self) -> None:
        """Leave the line on which Ctrl-D was pressed."""
        if self.interactive and not self._reporter.json:
            self._reporter.err.print("")

    def _remember(self, line: str, readline: Any) -> None:
        if not line.strip():
            return
        # a history that cannot be written is no reason to stop
        with contextlib.suppress(OSError):
            self._history.parent.mkdir(parents=True, exist_ok=True)
            # questions are as private as the documents
            os.close(os.open(self._history, os.O_CREAT | os.O_WRONLY, 0o600))
            readline.append_history_file(1, str(self._history))


def _start_readline(history: Path, commands: Sequence[str]) -> Any:
    """The readline module, prepared, or None where Python has none."""
    try:
        import readline
    except ImportError:
        return None

    def complete(text: str, state: int) -> str | None:
        found = [f"{command} " for command in commands if command.startswith(text)] if text else []
        return found[state] if state < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n")
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
    readline.clear_history()
    readline.set_history_length(HISTORY_LENGTH)
    with contextlib.suppress(OSError):
        readline.read_history_file(str(history))
    _shorten(history, readline)
    return readline


def _shorten(history: Path, readline: Any) -> None:
    """Drop the oldest lines of a file that has grown to twice the length."""
    with contextlib.suppress(OSError):
        with history.open("rb") as stream:
            lines = sum(1 for _ in stream)
        if lines > 2 * HISTORY_LENGTH:
            shorter = history.with_name(history.name + ".tmp")
            readline.write_history_file(str(shorter))
            os.replace(shorter, history)
