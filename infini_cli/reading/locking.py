"""One writer per memory: a lock that a second one is refused at once, told who holds it."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from infini_cli import paths
from infini_cli.errors import SnapshotError


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Be the only one who writes the memory `name`, until the end of the block or of the process.

    Raises:
        SnapshotError: another process does; the message says which and since when.
    """
    from filelock import FileLock, Timeout

    directory = paths.memories_dir() / ".locks"
    directory.mkdir(parents=True, exist_ok=True)
    held = FileLock(directory / f"{name}.lock", timeout=0)
    owner = directory / f"{name}.owner"
    try:
        held.acquire()
    except Timeout:
        raise SnapshotError(
            f"the memory {name!r} is in use by another command{_describe(owner)}",
            hint="wait until it has ended, or choose another name with --memory",
        ) from None
    try:
        since = datetime.now().strftime("%H:%M")
        owner.write_text(json.dumps({"process": os.getpid(), "since": since, "command": sys.argv[1:2]}))
        yield
    finally:
        with contextlib.suppress(OSError):
            owner.unlink()
        held.release()


def _describe(owner: Path) -> str:
    """Who holds the lock, as far as it can be told."""
    try:
        told = json.loads(owner.read_text())
        command = f"infini {told['command'][0]}, " if told["command"] else ""
        return f" ({command}process {told['process']}, since {told['since']})"
    except (OSError, ValueError, LookupError, TypeError):
        return ""
