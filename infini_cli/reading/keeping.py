"""An opened memory kept under another name, with numbers of its own: what a conversation leaves to be asked again."""

import os
import shutil
from pathlib import Path

import numpy as np

from infini_cli import __version__, paths
from infini_cli.documents import content_hash
from infini_cli.errors import UsageError
from infini_cli.nn.memory import MemoryState
from infini_cli.reading import library
from infini_cli.reading.atomic import sync_directory
from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE, MemoryInfo
from infini_cli.reading.memory import OpenMemory
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.snapshot import write_snapshot
from infini_cli.reading.state_arrays import to_arrays
from infini_cli.reading.writer import PENDING, timestamp


def keep(memory: OpenMemory, state: MemoryState, name: str, *, conversation_tokens: int = 0) -> MemoryInfo:
    """Put a memory of the same documents and passages into the library, with another state.

    Args:
        memory: opened from the library, or read for the occasion; it is left as it is.
        state: the numbers of the new memory.
        name: its name.
        conversation_tokens: how many tokens beside the documents' were read into `state`.

    Raises:
        UsageError: there is a memory of this name, the name is not allowed, or the memory is not whole.
        SnapshotError: a memory of this name is being written.
        OSError, DiskError: it cannot be written; nothing is left then.
    """
    if not memory.record.complete:
        raise UsageError(
            "a memory that is not whole cannot be kept under another name",
            hint="go on with its reading first: the same `infini ingest` command",
        )
    target = library.directory_of(name)
    memories = paths.memories_dir()
    memories.mkdir(parents=True, exist_ok=True)
    with library.claim(target.name):
        if target.exists():
            raise UsageError(
                f"there is already a memory {target.name!r}", hint="choose another name, or remove it first"
            )
        staging = memories / f".keeping-{target.name}"
        shutil.rmtree(staging, ignore_errors=True)  # left by a process that was killed
        staging.mkdir()
        try:
            _write(memory, state, staging, conversation_tokens)
            os.rename(staging, target)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        sync_directory(memories)
    return library.show(target.name)


def _write(memory: OpenMemory, state: MemoryState, directory: Path, tokens: int) -> None:
    record = memory.record
    memory.passages.copy_to(directory / PASSAGES_FILE)
    with PassageStore(directory / PASSAGES_FILE) as store:
        # what another command has added since the memory was opened does not belong to these numbers
        store.truncate(passages=record.passages, sections=record.sections, documents=len(record.documents))
        rows_digest = store.rows_digest()
        store.commit()
    now = timestamp()
    values = record.model_copy(
        update={
            "created": now,
            "updated": now,
            "program": __version__,
            "conversation_tokens": record.conversation_tokens + tokens,
            "rows_digest": rows_digest,
            "passages_sha256": content_hash(directory / PASSAGES_FILE),
        }
    )
    arrays = {**to_arrays(state), PENDING: np.asarray([], dtype=np.int64)}
    write_snapshot(directory / SNAPSHOT_FILE, arrays, values.model_dump())
