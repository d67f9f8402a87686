"""How far a long piece of work is: a live bar on a terminal, plain lines in a log, nothing when silent."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infini_cli.console import Reporter

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Progress that shows nothing; the base of those that do.

    Use it as a context manager. `update` may be called as often as convenient.
    """

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def update(
        self, completed: float | None = None, *, total: float | None = None, detail: str | None = None
    ) -> None:
        """Say how far the work is.

        Args:
            completed: work done so far, in any unit; None leaves it.
            total: all of the work in the same unit; None leaves it.
            detail: a few words beside the bar, such as "page 12 of 300"; None leaves them.
        """


class PlainProgress(Progress):
    """Progress as plain lines: one at once, then one every few seconds, so that a log stays short."""

    def __init__(
        self,
        write: Callable[[str], None],
        label: str,
        total: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._label = label
        self._total = total
        self._completed = 0.0
        self._detail = ""
        self._clock = clock
        self._started = clock()
        self._last_line = self._started

    def __enter__(self) -> "Progress":
        self._write(f"{self._label} …")
        return self

    def update(
        self, completed: float | None = None, *, total: float | None = None, detail: str | None = None
    ) -> None:
        self._completed = self._completed if completed is None else completed
        self._total = self._total if total is None else total
        self._detail = self._detail if detail is None else detail
        now = self._clock()
        if now - self._last_line < SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        parts = [f"{self._label}:"]
        if self._total:
            parts.append(f"{min(1.0, self._completed / self._total):.0%},")
            if self._completed > 0:
                left = (now - self._started) * max(0.0, self._total / self._completed - 1)
                parts.append(f"{format_seconds(left)} left,")
        parts.append(self._detail or f"{format_seconds(now - self._started)} so far")
        self._write(" ".join(parts))


class TerminalProgress(Progress):
    """Progress as a live bar that disappears when the work is done."""

    def __init__(self, reporter: "Reporter", label: str, total: float | None) -> None:
        from rich import progress as bars

        known = [bars.BarColumn(bar_width=24), bars.TaskProgressColumn()] if total else []
        self._bars = bars.Progress(
            bars.SpinnerColumn("line"),
            bars.TextColumn("{task.description}", markup=False),
            *known,
            bars.TextColumn("{task.fields[detail]}", markup=False),
            bars.TimeRemainingColumn(compact=True) if total else bars.TimeElapsedColumn(),
            console=reporter.err,
            transient=True,
        )
        self._task = self._bars.add_task(label, total=total, detail="")
        self._reporter = reporter

    def __enter__(self) -> "Progress":
        self._reporter.live = self
        self.show()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reporter.live = None
        self.hide()

    def show(self) -> None:
        """Draw the bar, on a line of its own."""
        self._bars.start()

    def hide(self) -> None:
        """Erase the bar until it is shown again."""
        self._bars.stop()

    def update(
        self, completed: float | None = None, *, total: float | None = None, detail: str | None = None
    ) -> None:
        if detail is not None:
            self._bars.update(self._task, detail=detail)
        self._bars.update(self._task, completed=completed, total=total)


def start_progress(reporter: "Reporter", label: str, total: float | None) -> Progress:
    """The progress display that suits where standard error goes."""
    if reporter.silent:
        return Progress()
    if reporter.err.is_terminal and not reporter.err.is_dumb_terminal:
        return TerminalProgress(reporter, label, total)
    return PlainProgress(reporter.note, label, total)


def format_seconds(seconds: float) -> str:
    """A duration for people: "42 s", "3:05 min", "1:02:03 h"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} h"


def format_bytes(count: int) -> str:
    """A size for people, in powers of 1000: "512 B", "5.3 MB"."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
