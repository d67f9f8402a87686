"""Ctrl-C while reading: the first asks to stop at the next safe point, the second stops at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequested(Exception):
    """Raised out of a wait that holds nothing worth finishing."""


class StopSwitch:
    """Catches SIGINT and SIGTERM inside its `with` block, in the main thread; elsewhere it catches nothing.

    Args:
        on_request: called when the user first asks to stop, in the middle of whatever is going on.

    Attributes:
        requested: whether the user asked to stop.
    """

    def __init__(self, on_request: Callable[[], None]) -> None:
        self.requested = False
        self._on_request = on_request
        self._waiting = False
        self._previous: dict[signal.Signals, Any] = {}

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A block that a request to stop may leave at any point, with StopRequested."""
        if self.requested:
            raise StopRequested
        self._waiting = True
        try:
            yield
        finally:
            self._waiting = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self._on_request()
        if self._waiting:
            raise StopRequested

    def __enter__(self) -> "StopSwitch":
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
