"""How `read_documents` goes about its work, and what it tells on the way."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from infini_cli.documents import Page
from infini_cli.documents.extraction import DocumentInfo, ExtractionProcess
from infini_cli.reading.plan import Source

CHECKPOINT_SECONDS = 5.0


class Pages(Protocol):
    """The pages of one document while they are extracted."""

    @property
    def info(self) -> DocumentInfo:
        """Format, number of pages where it is known, and the parsers of a PDF."""

    def __iter__(self) -> Iterator[Page]:
        """The pages in order."""


OpenPages = Callable[[Source, int], AbstractContextManager[Pages]]  # from a page on


@dataclass(frozen=True, slots=True)
class Progress:
    """How far reading is; told after every page and every chunk."""

    document: str  # as the user gave it
    page: int  # the last one taken in
    pages_total: int | None
    share: float  # of this run's work, 0 to 1, by the sizes of the files
    tokens: int  # folded into the memory in this run
    seconds: float
    memory_bytes: int

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds > 0 else 0.0


def open_extraction(source: Source, start: int) -> AbstractContextManager[Pages]:
    """The pages of a source, extracted in a process of their own."""
    return ExtractionProcess(source.path, start=start, name=source.shown, pdf=source.pdf)


def _ignore_progress(progress: Progress) -> None:
    """Tell nobody."""


def _ignore_request() -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """Everything about reading that does not change the memory.

    Attributes:
        on_progress: called after every page and chunk.
        on_stop_request: called when the user first asks to stop, in the middle of whatever is going on.
        go_on_hint: what to tell a user who stopped a read.
        checkpoint_seconds: between checkpoints, which happen only where a page or chunk ends.
        open_pages: gives the pages of a source from a page on.
        clock: seconds.
    """

    on_progress: Callable[[Progress], None] = _ignore_progress
    on_stop_request: Callable[[], None] = _ignore_request
    go_on_hint: str = "to go on, give the same command again"
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    open_pages: OpenPages = open_extraction
    clock: Callable[[], float] = time.monotonic
