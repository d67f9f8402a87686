"""A memory opened for questions, from its place on disk or read for the occasion."""

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from infini_cli.documents.model import FORMATS_WITHOUT_PAGES
from infini_cli.errors import Interrupted, SnapshotError
from infini_cli.nn.memory import MemoryState
from infini_cli.reading.fingerprints import check_fingerprints
from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE
from infini_cli.reading.options import ReadingOptions
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.plan import Source, plan_reading
from infini_cli.reading.reader import read_documents
from infini_cli.reading.records import MemoryRecord, parse_record
from infini_cli.reading.report import ReadingReport
from infini_cli.reading.segments import Engine
from infini_cli.reading.snapshot import read_snapshot
from infini_cli.reading.state_arrays import from_arrays
from infini_cli.reading.verifying import open_passages

_ATTEMPTS = 3  # to open a memory that other commands replace meanwhile


@dataclass(frozen=True, slots=True)
class OpenMemory:
    """What a model needs to answer from a memory.

    Attributes:
        record: what was read, and whether to its end.
        state: the compressive memory, on the model's device.
        passages: the text, searchable.
    """

    record: MemoryRecord
    state: MemoryState
    passages: PassageStore

    def document_path(self, document_id: int) -> str:
        """The document of a passage, as the user gave it."""
        return self.record.documents[document_id - 1].path

    def has_pages(self, document_id: int) -> bool:
        """Whether the pages of a document are its own, and not stretches of its text."""
        return self.record.documents[document_id - 1].format not in FORMATS_WITHOUT_PAGES


@contextmanager
def open_memory(directory: Path, engine: Engine) -> Iterator[OpenMemory]:
    """The memory in `directory`, ready for the model of `engine`; it is only read.

    Raises:
        SnapshotError: it is damaged, or of another model.
    """
    record, state, passages = _open_pair(directory, engine)
    with passages:
        yield OpenMemory(record, state, passages)


def _open_pair(directory: Path, engine: Engine) -> tuple[MemoryRecord, MemoryState, PassageStore]:
    """Record, numbers and passages of one and the same memory, also while another process replaces it."""
    for attempt in range(_ATTEMPTS):
        before = _identity(directory)
        try:
            opened = _open_once(directory, engine)
        except SnapshotError:
            if _identity(directory) == before or attempt == _ATTEMPTS - 1:
                raise
            continue
        if _identity(directory) == before:
            return opened
        opened[2].close()
    raise SnapshotError(
        f"the memory {directory.name!r} is being replaced by another command", hint="try again in a moment"
    )


def _open_once(directory: Path, engine: Engine) -> tuple[MemoryRecord, MemoryState, PassageStore]:
    file = directory / SNAPSHOT_FILE
    snapshot = read_snapshot(file)
    record = parse_record(snapshot.metadata, str(file))
    check_fingerprints(record, engine.fingerprints, f"the memory {directory.name!r}")
    state = from_arrays(snapshot.arrays(), engine.empty_state(), str(file))
    return record, state, open_passages(directory / PASSAGES_FILE, record)


def _identity(directory: Path) -> tuple[int, int] | None:
    """What tells a folder from another one that has taken its name."""
    try:
        status = directory.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def read_into_temporary(
    sources: Sequence[Source], engine: Engine, options: ReadingOptions | None = None
) -> Iterator[tuple[OpenMemory, ReadingReport]]:
    """Read documents into a memory that is gone when the block ends.

    Raises: as `read_documents`.
    """
    # nothing would go on from a checkpoint
    options = replace(options if options is not None else ReadingOptions(), checkpoint_seconds=math.inf)
    with tempfile.TemporaryDirectory(prefix="infini-") as folder:
        directory = Path(folder) / "memory"
        try:
            report = read_documents(plan_reading("", None, sources, "anew"), directory, engine, options)
        except Interrupted:
            raise Interrupted(
                "stopped; what is read for one question is not kept",
                hint="to read once and ask often: infini ingest FILE",
            ) from None
        with open_memory(directory, engine) as memory:
            yield memory, report
