"""The passages that belong to a snapshot: told from what a read has added since, and from damaged ones.

A snapshot of a finished read knows the digest of the whole file of passages: equal, and every byte is as it
was written. While a read goes on, and after a kill, the file may be ahead of the snapshot; then the rows that
belong to the snapshot are told by their number and verified by their digest, and the index is made anew.
Snapshots of format version 1 know no digests: SQLite's own check has to do.
"""

from pathlib import Path

from infini_cli.documents import content_hash
from infini_cli.errors import SnapshotError
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.records import MemoryRecord

ANEW = "read the documents anew with --force, or load a saved copy"


def open_passages(file: Path, record: MemoryRecord) -> PassageStore:
    """The passages of a snapshot, to be read only; what another process adds to the file is not seen.

    Raises:
        SnapshotError: they are missing or damaged.
        OSError: the file cannot be read.
    """
    store = PassageStore(file, read_only=True)
    try:
        # the first query above has taken back what a killed process left half-written
        if record.passages_sha256 is not None and content_hash(file) == record.passages_sha256:
            return store
        if record.rows_digest is None:
            store.check()
        copy = store.copy(passages=record.passages, sections=record.sections, documents=len(record.documents))
    except BaseException:
        store.close()
        raise
    store.close()
    try:
        _check_rows(copy, file, record)
    except BaseException:
        copy.close()
        raise
    return copy


def take_back(store: PassageStore, record: MemoryRecord) -> None:
    """Take a store back to the snapshot with this record, so that reading can go on from there.

    Raises SnapshotError when the passages of the snapshot are damaged.
    """
    if record.passages_sha256 is not None and content_hash(store.path) == record.passages_sha256:
        return
    store.check()
    store.truncate(passages=record.passages, sections=record.sections, documents=len(record.documents))
    _check_rows(store, store.path, record)
    if not store.index_is_sound():
        store.make_index()
    store.commit()


def check_whole(store: PassageStore, record: MemoryRecord) -> None:
    """Verify everything in a store that was made elsewhere, whatever the record says of it.

    Raises SnapshotError when anything is damaged, or could not have been written by this program.
    """
    store.check()
    store.check_values()
    if record.passages_sha256 not in (None, content_hash(store.path)):
        raise SnapshotError(f"{store.path} is damaged: its checksum does not match", hint=ANEW)
    copy = store.copy(passages=record.passages, sections=record.sections, documents=len(record.documents))
    with copy:
        _check_rows(copy, store.path, record)
    if not store.index_is_sound():
        raise SnapshotError(f"{store.path} is damaged: its index does not fit its passages", hint=ANEW)


def _check_rows(store: PassageStore, file: Path, record: MemoryRecord) -> None:
    """Refuse rows that are not those of the snapshot."""
    if store.count() != record.passages or len(store.documents()) != len(record.documents):
        raise SnapshotError(
            f"{file} is damaged: it holds {store.count()} passages of {record.passages}", hint=ANEW
        )
    if record.rows_digest not in (None, store.rows_digest()):
        raise SnapshotError(
            f"{file} is damaged: its passages do not match their checksum; a part of them was changed",
            hint=ANEW,
        )
