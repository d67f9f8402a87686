"""A memory on disk while it is being written: its checkpoints, and its way from a hidden folder to its name.

Order of a checkpoint: the passages are committed, then the snapshot replaces the one before it. The snapshot
says how many passages belong to it; what a kill between the two steps left over is cut when reading goes on.
A new memory grows in a folder `.new-<name>` beside its place and takes its name at its first checkpoint, so
that no half memory is ever seen, and a memory that is read anew is replaced only when there is something to
replace it.
"""

import os
import shutil
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from infini_cli import __version__
from infini_cli.errors import SnapshotError, UsageError
from infini_cli.nn.memory import state_bytes
from infini_cli.reading.atomic import sync_directory
from infini_cli.reading.fingerprints import check_fingerprints
from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE, discard
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.records import MemoryRecord, parse_record
from infini_cli.reading.segments import Engine, SegmentFeeder
from infini_cli.reading.snapshot import read_snapshot, write_snapshot
from infini_cli.reading.state_arrays import from_arrays, to_arrays

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
        file = target / SNAPSHOT_FILE
        snapshot = read_snapshot(file)
        record = parse_record(snapshot.metadata, str(file))
        _check_engine(record, engine, f"the memory {target.name!r}")
        arrays = snapshot.arrays()
        pending: np.ndarray | None = arrays.get(PENDING)
        state = from_arrays(arrays, engine.empty_state(), str(file))
        store = PassageStore(target / PASSAGES_FILE)
        try:
            if store.count() < record.passages:
                raise SnapshotError(
                    f"{store.path} is damaged: it holds {store.count()} passages of {record.passages}",
                    hint="read the documents anew with --force",
                )
            store.truncate(
                passages=record.passages, sections=record.sections, documents=len(record.documents)
            )
            store.commit()
        except BaseException:
            store.close()
            raise
        feeder = SegmentFeeder(engine, state, [] if pending is None else pending.tolist())
        return cls(target, target, record, store), feeder

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
        self.store.commit()
        arrays = {**to_arrays(feeder.state), PENDING: np.asarray(feeder.pending, dtype=np.int64)}
        write_snapshot(self._directory / SNAPSHOT_FILE, arrays, record.model_dump())
        if not self.published:
            self._publish()

    def _publish(self) -> None:
        def move() -> None:
            if self._target.exists():
                discard(self._target)
            os.rename(self._directory, self._target)
            sync_directory(self._target.parent)
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
