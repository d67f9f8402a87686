"""The identity of a document's content."""

import hashlib
from pathlib import Path

_CHUNK_BYTES = 1 << 16


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; the file is read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
