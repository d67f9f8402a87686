"""Files that are either the old or the new version in full, also after a power cut."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

_TEMPORARY = ".tmp"


def write_atomically(path: Path, pieces: Iterable[bytes]) -> None:
    """Put `pieces` into the file at `path`: written beside it, synced to the disk, then renamed over it.

    Raises OSError; the old file then stands untouched and nothing else is left.
    """
    temporary = temporary_name(path)
    try:
        with temporary.open("wb") as stream:
            for piece in pieces:
                stream.write(piece)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


def temporary_name(path: Path) -> Path:
    """Where this process, and no other, writes what shall become the file at `path`."""
    return path.with_name(f"{path.name}.{os.getpid()}{_TEMPORARY}")


def remove_temporaries(directory: Path) -> None:
    """Delete what killed processes left in a folder in which no other process is at work."""
    for left in directory.glob(f"*{_TEMPORARY}"):
        with contextlib.suppress(OSError):
            left.unlink()


def sync_directory(directory: Path) -> None:
    """Make renames in `directory` safe against a power cut, where the system lets directories be synced."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
