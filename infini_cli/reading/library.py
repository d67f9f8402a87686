"""Named memories: one folder each, with `memory.safetensors` (the numbers) and `passages.sqlite`."""

import contextlib
import difflib
import os
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infini_cli import paths
from infini_cli.errors import InfiniError, SnapshotError, UsageError
from infini_cli.reading.atomic import sync_directory, write_atomically
from infini_cli.reading.locking import lock
from infini_cli.reading.naming import check_name
from infini_cli.reading.records import MemoryRecord, parse_record
from infini_cli.reading.snapshot import read_snapshot

SNAPSHOT_FILE = "memory.safetensors"
PASSAGES_FILE = "passages.sqlite"
FILES = (SNAPSHOT_FILE, PASSAGES_FILE)

_REMOVED = ".removed-"
_REPLACED = ".replaced-"
_END_OF_NAME = b"\n"
_INGEST_HINT = "read a document first: infini ingest FILE"


@dataclass(frozen=True, slots=True)
class MemoryInfo:
    """What there is to say about a memory without loading its model."""

    name: str
    directory: Path
    record: MemoryRecord
    checksum: str  # of the snapshot: equal numbers and equal record
    disk_bytes: int  # numbers and passages


@dataclass(frozen=True, slots=True)
class ListedMemory:
    """One line of the list: a memory, or why it cannot be used."""

    name: str
    info: MemoryInfo | None
    error: InfiniError | None


def directory_of(name: str) -> Path:
    """The folder of a memory, which need not exist. Raises UsageError for a name that is not allowed."""
    return paths.memories_dir() / check_name(name)


def exists(name: str) -> bool:
    """Whether there is a memory of this name, whole or not."""
    _settle(name)
    return directory_of(name).is_dir()


def names() -> list[str]:
    """The names of all memories, sorted."""
    for aside in paths.memories_dir().glob(f"{_REPLACED}*"):
        _settle(aside.name.removeprefix(_REPLACED))
    try:
        found = [entry.name for entry in paths.memories_dir().iterdir() if entry.is_dir()]
    except FileNotFoundError:
        return []
    return sorted(unicodedata.normalize("NFC", name) for name in found if not name.startswith("."))


def list_memories() -> list[ListedMemory]:
    """All memories, sorted by name; damaged ones carry the reason."""
    result = []
    for name in names():
        try:
            result.append(ListedMemory(name, show(name), None))
        except InfiniError as error:
            result.append(ListedMemory(name, None, error))
    return result


def show(name: str) -> MemoryInfo:
    """What is known of one memory.

    Raises:
        UsageError: there is none of this name.
        SnapshotError: it is damaged.
    """
    directory = existing(name)
    snapshot = read_snapshot(directory / SNAPSHOT_FILE)
    record = parse_record(snapshot.metadata, str(directory / SNAPSHOT_FILE))
    size = 0
    for file in FILES:
        try:
            size += (directory / file).stat().st_size
        except FileNotFoundError:
            raise SnapshotError(
                f"the memory {name!r} is not whole: {directory / file} is missing",
                hint="read the documents anew with --force",
            ) from None
    return MemoryInfo(directory.name, directory, record, snapshot.checksum, size)


def existing(name: str) -> Path:
    """The folder of a memory that is there. Raises UsageError when it is not, with the nearest name."""
    directory = directory_of(name)
    if exists(name):
        return directory
    near = difflib.get_close_matches(name, names(), n=1)
    hint = f"did you mean {near[0]!r}?" if near else "see `infini memories list`" if names() else _INGEST_HINT
    raise UsageError(f"there is no memory {name!r}", hint=hint)


def resolve(name: str | None) -> str:
    """The memory to use: the one named, or else the one read last.

    Raises:
        UsageError: there is none, or not this one.
    """
    if name is not None:
        return existing(name).name
    last = current()
    if last is not None:
        return last
    if names():
        raise UsageError(
            "which memory? none was read last", hint="choose one with --memory; see `infini memories list`"
        )
    raise UsageError("there is no memory yet", hint=_INGEST_HINT)


def rename(old: str, new: str) -> None:
    """Give a memory another name.

    Raises:
        UsageError: there is no `old`, there is a `new`, or the name is not allowed.
        SnapshotError: the memory is in use.
    """
    source, target = existing(old), directory_of(new)
    if source == target:
        return
    with claim(source.name), claim(target.name):
        if target.exists():
            raise UsageError(
                f"there is already a memory {target.name!r}", hint="choose another name, or remove it first"
            )
        was_current = current() == source.name
        os.rename(source, target)
        sync_directory(target.parent)
        if was_current:
            set_current(target.name)


def remove(name: str) -> None:
    """Delete a memory. Raises UsageError when there is none, SnapshotError when it is in use."""
    directory = existing(name)
    with claim(directory.name):
        discard(directory)
        if _read_current() == directory.name:
            with contextlib.suppress(FileNotFoundError):
                _current_file().unlink()


@contextlib.contextmanager
def claim(name: str) -> Iterator[None]:
    """Be the only one who writes the memory `name`; what a killed `replace` left of it has been brought to its end.

    Raises:
        SnapshotError: another process writes it.
        OSError: the memory that a killed process set aside cannot be put back.
    """
    with lock(name):
        directory, aside = directory_of(name), _aside(directory_of(name))
        if directory.exists():
            shutil.rmtree(aside, ignore_errors=True)
        elif aside.exists():
            os.rename(aside, directory)
            sync_directory(directory.parent)
        yield


def _settle(name: str) -> None:
    """For those who only look: claim a memory that was set aside, unless whoever replaces it is still at work."""
    with contextlib.suppress(InfiniError, OSError):
        if _aside(directory_of(name)).exists():
            with claim(name):
                pass


def discard(directory: Path) -> None:
    """Delete a memory's folder so that no half of it is ever seen under its name."""
    _delete_set_aside(_set_aside(directory))


def replace(directory: Path, made: Path) -> None:
    """Let the folder `made` become a memory's folder; the old one, if any, goes only when it stands.

    The memory must be claimed. A process that is killed in between leaves the old one for the next `claim`.
    """
    aside = _aside(directory)
    if directory.exists():
        os.rename(directory, aside)
    try:
        os.rename(made, directory)
    except BaseException:
        if aside.exists():
            os.rename(aside, directory)
        raise
    sync_directory(directory.parent)
    _delete_set_aside(aside)


def _aside(directory: Path) -> Path:
    """Where a memory's folder waits while another one takes its name."""
    return directory.with_name(f"{_REPLACED}{directory.name}")


def _set_aside(directory: Path) -> Path:
    """Take a memory's folder from its name at once, whole."""
    doomed = directory.with_name(f"{_REMOVED}{os.getpid()}-{directory.name}")
    shutil.rmtree(doomed, ignore_errors=True)  # left by a killed process that had the same number
    os.rename(directory, doomed)
    return doomed


def _delete_set_aside(doomed: Path) -> None:
    """Delete a folder that was set aside, and what killed processes have set aside."""
    # another process that removes a memory may clear this one away too
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(doomed)
    for left in doomed.parent.glob(f"{_REMOVED}*"):
        shutil.rmtree(left, ignore_errors=True)


def current() -> str | None:
    """The memory read last, if it is still there."""
    name = _read_current()
    return name if name is not None and exists(name) else None


def set_current(name: str) -> None:
    """Make a memory the one used when none is named. Raises UsageError when there is none of this name."""
    directory = existing(name)
    file = _current_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, [directory.name.encode() + _END_OF_NAME])


def _current_file() -> Path:
    return paths.state_dir() / "current-memory"


def _read_current() -> str | None:
    """The name kept as current, if it is one."""
    try:
        raw = _current_file().read_bytes()
        # a file cut off in the middle must not name another memory
        return check_name(raw[:-1].decode()) if raw.endswith(_END_OF_NAME) else None
    except (OSError, UnicodeDecodeError, UsageError):
        return None
