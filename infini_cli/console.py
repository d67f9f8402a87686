"""What the program prints: results to standard output, everything else to standard error.

Every command gets one `Reporter`. It knows whether to be quiet, whether to speak JSON, and whether a person
is looking: colour, tables and rendered Markdown are for terminals only; a pipe gets plain lines. With JSON,
standard output carries exactly one object (or one per line for streams) and standard error stays empty:
warnings travel inside the object.
"""

import json as json_module
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from infini_cli.errors import InfiniError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from infini_cli.progress import Progress, TerminalProgress

SCHEMA_VERSION = 1

# what a document or a file name must not send to a terminal: it could rewrite the screen
_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def stdin_is_terminal() -> bool:
    """Whether a person, and not a pipe or file, is at standard input."""
    return sys.stdin is not None and sys.stdin.isatty()


class Reporter:
    """The voice of one run of a command.

    Args:
        json: speak JSON on standard output and nothing on standard error.
        quiet: no progress, notes or warnings.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        self.json = json
        self.quiet = quiet
        self.warnings: list[str] = []
        self.object_emitted = False
        self.live: TerminalProgress | None = None  # the bar on the terminal, which must make way for results

    @property
    def to_terminal(self) -> bool:
        """Whether a person reads standard output, where colour and tables are welcome."""
        return not self.json and sys.stdout.isatty()

    @property
    def silent(self) -> bool:
        """Whether standard error gets errors only."""
        return self.quiet or self.json

    @cached_property
    def out(self) -> "Console":
        """The rich console on standard output: for Markdown and tables on a terminal, never for raw text."""
        return _console(stderr=False)

    @cached_property
    def err(self) -> "Console":
        """The rich console on standard error."""
        return _console(stderr=True)

    def emit(self, text: str, *, end: str = "\n") -> None:
        """Write a piece of the result to standard output, as it is unless to a terminal, and flush it."""
        written = (text.translate(_CONTROLS) if self.to_terminal else text) + end
        # within a line the bar would overwrite its beginning
        with self._bar_away(back=written.endswith("\n")):
            sys.stdout.write(written)
            sys.stdout.flush()

    def emit_json(self, result: Mapping[str, Any]) -> None:
        """Write the one JSON object of this command, with its schema version and the warnings so far."""
        warnings = {"warnings": self.warnings} if self.warnings else {}
        self.emit(
            _dump({"schema": SCHEMA_VERSION, **result, **warnings}, indent=2 if sys.stdout.isatty() else None)
        )
        self.object_emitted = True

    def emit_json_line(self, event: Mapping[str, Any]) -> None:
        """Write one JSON object of a stream, on a line of its own."""
        self.emit(_dump({"schema": SCHEMA_VERSION, **event}, indent=None))

    def emit_markdown(self, text: str) -> None:
        """Write Markdown: rendered on a terminal, as it is elsewhere."""
        if not self.to_terminal:
            self.emit(text)
            return
        from rich.markdown import Markdown

        with self._bar_away():
            self.out.print(Markdown(text.translate(_CONTROLS)))

    def emit_table(
        self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()
    ) -> None:
        """Write rows: a table on a terminal; elsewhere a line per row, tabs between the cells and no header.

        Args:
            columns: the headers.
            rows: one cell per column each.
            right: the columns that hold numbers, aligned to the right.
        """
        if not self.to_terminal:
            for row in rows:
                self.emit("\t".join(" ".join(cell.split()) for cell in row))
            return
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            table.add_column(column, justify="right" if column in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell.translate(_CONTROLS)) for cell in row))
        with self._bar_away():
            self.out.print(table)

    def emit_fields(self, fields: Iterable[tuple[str, str]]) -> None:
        """Write names and values: aligned in two columns on a terminal, elsewhere `name<tab>value` lines."""
        pairs = list(fields)
        width = max((len(name) for name, _ in pairs), default=0)
        for name, value in pairs:
            self.emit(f"{name:<{width}}  {value}" if self.to_terminal else f"{name}\t{value}")

    def note(self, text: str) -> None:
        """Tell the user on standard error what changed or what to do next."""
        if not self.silent:
            self.err.print(text.translate(_CONTROLS))

    def warn(self, text: str) -> None:
        """Tell the user of something that went less well than expected; with JSON it goes into the object."""
        self.warnings.append(text)
        if not self.silent:
            self.err.print("warning:", style="yellow", end=" ")
            self.err.print(text.translate(_CONTROLS))

    def progress(self, label: str, *, total: float | None = None) -> "Progress":
        """A context manager that shows on standard error how far a long piece of work is."""
        from infini_cli.progress import start_progress

        return start_progress(self, label, total)

    def confirm(self, question: str, *, flag: str = "--yes") -> bool:
        """Ask a yes-or-no question on the terminal; anything but yes is no.

        Raises:
            UsageError: nobody is there to answer; the hint names the flag that says yes beforehand.
        """
        if self.json or not stdin_is_terminal():
            raise UsageError(
                f"{question} There is no terminal to answer at.",
                hint=f"add {flag} to go ahead without being asked",
            )
        self.err.print(f"{question.translate(_CONTROLS)} [y/N]", end=" ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    def show_error(self, error: InfiniError) -> None:
        """Print an error as `error:` and `hint:` lines, or as the JSON object if none was printed yet.

        Only `main` calls this, and commands that go on with the next of many things.
        """
        if self.json and (self.object_emitted or self._emit_error_object(error)):
            return
        self.err.print("error:", style="bold red", end=" ")
        self.err.print(error.message.translate(_CONTROLS))
        if error.hint:
            self.err.print("hint:", style="bold", end=" ")
            self.err.print(error.hint.translate(_CONTROLS))

    @contextmanager
    def _bar_away(self, *, back: bool = True) -> Iterator[None]:
        """Erase the live bar while something is written to standard output, and draw it again if `back`."""
        if self.live is not None:
            self.live.hide()
        yield
        if self.live is not None and back:
            self.live.show()

    def _emit_error_object(self, error: InfiniError) -> bool:
        """Print an error as JSON; False when standard output cannot take it, as on a full disk."""
        try:
            self.emit_json({"error": error.describe()})
        except BrokenPipeError:
            raise
        except OSError:
            return False
        return True


def _dump(value: Mapping[str, Any], *, indent: int | None) -> str:
    """JSON text; letters beyond ASCII stay readable where the stream can carry them."""
    text = json_module.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json_module.dumps(value, allow_nan=False, indent=indent)
    return text


def _console(*, stderr: bool) -> "Console":
    """A rich console that never interprets the text it prints and leaves a closed pipe to `main`."""
    from rich.console import Console

    class PipeConsole(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return PipeConsole(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)
