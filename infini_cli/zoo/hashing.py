"""SHA-256 of large files, remembered so that a model is not hashed at every start."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

from infini_cli import paths

_CHUNK_BYTES = 1 << 20
_MEMO = "fingerprints.json"


def sha256(file: Path, *, on_bytes: Callable[[int], None] | None = None) -> str:
    """SHA-256 (hex) of a file; `on_bytes` hears how many were read so far. Raises OSError."""
    with file.open("rb") as stream:
        return copy_hashing(stream, None, on_bytes=on_bytes)


def copy_hashing(
    source: Any, target: BinaryIO | None, *, on_bytes: Callable[[int], None] | None = None
) -> str:
    """Copy a binary stream and return the SHA-256 (hex) of what was copied; without target, only hash."""
    digest = hashlib.sha256()
    done = 0
    while chunk := source.read(_CHUNK_BYTES):
        digest.update(chunk)
        if target is not None:
            target.write(chunk)
        done += len(chunk)
        if on_bytes is not None:
            on_bytes(done)
    return digest.hexdigest()


def remembered_sha256(file: Path) -> str:
    """SHA-256 (hex) of a file, computed again when its size, a time of it or its inode has changed. Raises OSError."""
    status = file.stat()
    # all must be equal, none is ever compared as earlier or later: clocks go back
    state = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    key = str(file.resolve())
    memo = _read_memo()
    known = memo.get(key)
    if isinstance(known, list) and known[:-1] == state:
        return str(known[-1])
    digest = sha256(file)
    _write_memo({**memo, key: [*state, digest]})
    return digest


def folder_fingerprint(files: Iterable[Path]) -> str:
    """One SHA-256 (hex) for several files, by their names and contents."""
    listed = sorted((file.name, remembered_sha256(file)) for file in files)
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def _read_memo() -> dict[str, Any]:
    try:
        memo = json.loads((paths.cache_dir() / _MEMO).read_bytes())
    except (OSError, ValueError):
        return {}
    return memo if isinstance(memo, dict) else {}


def _write_memo(memo: dict[str, Any]) -> None:
    """Remember for next time; nothing is lost but time where that is not possible."""
    file = paths.cache_dir() / _MEMO
    temporary = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(memo))
        os.replace(temporary, file)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
