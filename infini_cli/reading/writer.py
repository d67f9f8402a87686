"""A memory on disk while it is being written: its checkpoints, and its way from a hidden folder to its name.

Order of a checkpoint: the passages are committed, then the snapshot replaces the one before it. The snapshot
says how many passages belong to it; what a kill between the two steps left over is cut when reading goes on.
A new memory grows in a folder `.new-<name>` beside its place and takes its name at its first checkpoint, so
that no half memory is ever seen, and a memory that is read anew is replaced only when there is something to
replace it.
"""

import shutil
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from infini_cli import __version__
from infini_cli.documents import content_hash
from infini_cli.errors import SnapshotError, UsageError
from infini_cli.nn.memory import state_bytes
from infini_cli.reading import library
from infini_cli.reading.atomic import remove_temporaries
from infini_cli.reading.fingerprints import check_fingerprints
from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.records import MemoryRecord, parse_record
from infini_cli.reading.segments import Engine, SegmentFeeder
from infini_cli.reading.snapshot import read_snapshot, write_snapshot
from infini_cli.reading.state_arrays import from_arrays, to_arrays
from infini_cli.reading.verifying import ANEW, take_back

if TYPE_CHECKING:
    import numpy as np

PENDING = "pending_tokens"  # name of the array with the tokens that wait for their chunk


class MemoryWriter:
    """The only writer of the memory in `directory`. Use it as a context manager.

    Attributes:
        record: what the next checkpoint will say of the memory.
        store: the passages.
        published: whether the memory stands under its name.
    """

    def __init__(self, target: Path, directory: Path, record: MemoryRecord, store: PassageStore) -> None:
        self._target = target
        self._directory = directory
        self.record = record
        self.store = store

    @classmethod
    def create(cls, target: Path, engine: Engine) -> "MemoryWriter":
        """A writer of a memory that is new, or that replaces the one at `target` at the first checkpoint."""
        directory = target.with_name(f".new-{target.name}")
        if directory.exists():
            # left by a process that was killed: the lock says that nobody else is at work on it
            shutil.rmtree(directory)
        directory.mkdir(parents=True)
        now = timestamp()
        record = MemoryRecord(
            created=now,
            updated=now,
            program=__version__,
            model=engine.model_name,
            fingerprints=dict(engine.fingerprints),
            segment_length=engine.segment_length,
            device=engine.device,
            dtype=engine.dtype,
        )
        try:
            return cls(target, directory, record, PassageStore(directory / PASSAGES_FILE, create=True))
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise

    @classmethod
    def reopen(cls, target: Path, engine: Engine) -> "tuple[MemoryWriter, SegmentFeeder]":
        """A writer that goes on with the memory at `target`, and the feeder as it was at the last checkpoint.

        Raises:
            SnapshotError: the memory is damaged, or of another model.
            UsageError: it was read in segments of another length.
        """
        remove_temporaries(target)
        file = target / SNAPSHOT_FILE
        snapshot = read_snapshot(file)
        record = parse_record(snapshot.metadata, str(file))
        _check_engine(record, engine, f"the memory {target.name!r}")
        arrays = snapshot.arrays()
        state = from_arrays(arrays, engine.empty_state(), str(file))
        pending = _pending(arrays, engine, str(file))
        store = PassageStore(target / PASSAGES_FILE)
        try:
            take_back(store, record)
        except BaseException:
            store.close()
            raise
        return cls(target, target, record, store), SegmentFeeder(engine, state, pending)

    @property
    def published(self) -> bool:
        return self._directory == self._target

    def checkpoint(self, feeder: SegmentFeeder) -> None:
        """Make everything so far safe on the disk.

        Raises:
            OSError, DiskError: there is no room; the last checkpoint stands.
        """
        import numpy as np

        record = self.record
        record.passages, record.sections = self.store.count(), self.store.section_count()
        record.memory_bytes = state_bytes(feeder.state)
        record.updated, record.program = timestamp(), __version__
        record.rows_digest = self.store.rows_digest()
        self.store.commit()
        record.passages_sha256 = content_hash(self.store.path) if record.complete else None
        arrays = {**to_arrays(feeder.state), PENDING: np.asarray(feeder.pending, dtype=np.int64)}
        write_snapshot(self._directory / SNAPSHOT_FILE, arrays, record.model_dump())
        if not self.published:
            self._publish()

    def _publish(self) -> None:
        def move() -> None:
            library.replace(self._target, self._directory)
            self._directory = self._target

        self.store.move(move, self._target / PASSAGES_FILE)

    def close(self) -> None:
        """Let go of the files; what came after the last checkpoint is dropped."""
        self.store.close()
        if not self.published:
            shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> "MemoryWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _pending(arrays: "Mapping[str, np.ndarray]", engine: Engine, source: str) -> list[int]:
    """The tokens that wait for their chunk. Raises SnapshotError for what the model cannot read."""
    array = arrays.get(PENDING)
    if array is None:
        return []
    tokens = array.tolist()
    known = array.ndim == 1 and array.dtype.kind == "i"
    if not known or any(not 0 <= token < engine.tokenizer.vocab_size for token in tokens):
        raise SnapshotError(f"{source} holds tokens that are none of the model", hint=ANEW)
    return tokens


def _check_engine(record: MemoryRecord, engine: Engine, source: str) -> None:
    check_fingerprints(record, engine.fingerprints, source)
    if record.segment_length != engine.segment_length:
        raise UsageError(
            f"{source} was read in segments of {record.segment_length} tokens, not {engine.segment_length}",
            hint=f"use --segment-length {record.segment_length}, or read the documents anew with --force",
        )


def timestamp() -> str:
    """Now, in UTC, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
