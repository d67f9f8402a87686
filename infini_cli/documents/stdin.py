"""Standard input, kept as a file, so that it can be read twice and resumed like any other document."""

import os
import tempfile
from pathlib import Path
from typing import IO, Any

from infini_cli.errors import DocumentError

_CHUNK_BYTES = 1 << 20


def spool_stdin(stream: IO[Any], directory: Path) -> Path:
    """Copy a stream into a new file in `directory`, a piece at a time, and return the file.

    Args:
        stream: a binary stream, or a text stream over one (such as `sys.stdin`).
        directory: an existing folder; the caller removes the file.

    Raises:
        DocumentError: nothing came.
        OSError: the folder cannot be written to or is full; nothing is left in it then.
    """
    source = getattr(stream, "buffer", stream)
    descriptor, name = tempfile.mkstemp(prefix="stdin-", dir=directory)
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as spool:
            while chunk := source.read(_CHUNK_BYTES):
                spool.write(chunk)
            size_bytes = spool.tell()
        if not size_bytes:
            hint = "pipe a document in, for example: cat report.txt | infini ingest -"
            raise DocumentError("standard input is empty", hint=hint)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path
