"""What one run of reading did."""

from dataclasses import dataclass

from infini_cli.errors import DocumentError
from infini_cli.reading.records import DocumentRecord, MemoryRecord


@dataclass(frozen=True, slots=True)
class Failure:
    """A document of which nothing could be read."""

    path: str  # as the user gave it
    error: DocumentError


@dataclass(frozen=True, slots=True)
class ReadingReport:
    """What one run did.

    Attributes:
        record: of the memory as it now is.
        read: the documents read in this run, with their accounts.
        unchanged: documents that were in the memory already.
        failures: documents of which nothing was read.
        seconds: of reading, in this run.
        tokens_read: folded into the memory in this run.
        resumed: whether an interrupted read was gone on with.
    """

    record: MemoryRecord
    read: tuple[DocumentRecord, ...]
    unchanged: tuple[DocumentRecord, ...]
    failures: tuple[Failure, ...]
    seconds: float
    tokens_read: int
    resumed: bool

    @property
    def tokens_per_second(self) -> float:
        return self.tokens_read / self.seconds if self.seconds > 0 else 0.0

    @property
    def partial(self) -> bool:
        """Whether anything that should have been read was not."""
        return bool(self.failures) or any(document.faults for document in self.read)
