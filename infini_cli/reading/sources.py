"""The documents named on a command line, made ready to be read: found, checked, hashed."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from infini_cli.documents import content_hash
from infini_cli.documents.detect import detect_format
from infini_cli.documents.stdin import spool_stdin
from infini_cli.errors import DocumentError, UsageError
from infini_cli.reading.plan import Source

STDIN = "-"


@contextmanager
def find_sources(names: Sequence[str]) -> Iterator[list[Source]]:
    """The documents called `names`, in order; standard input ("-") is kept in a file until the block ends.

    A single document that cannot be read is refused here, before a model is loaded for it; among several, one
    that is there but cannot be read is left to the reader, which goes on with the others.

    Raises:
        DocumentError: a document does not exist, or the only one cannot be read.
        UsageError: standard input is named twice, or is a terminal.
    """
    if names.count(STDIN) > 1:
        raise UsageError("standard input can be read only once")
    with ExitStack() as stack:
        yield [_source(name, stack, alone=len(names) == 1) for name in names]


def _source(name: str, stack: ExitStack, *, alone: bool) -> Source:
    path = _spooled(stack) if name == STDIN else Path(name)
    shown = os.fsencode(name).decode(errors="replace")  # names that are not Unicode can be shown and stored
    if alone or not path.is_file():
        detect_format(path, "standard input" if name == STDIN else shown)
    try:
        return Source(path, shown, content_hash(path), path.stat().st_size)
    except OSError as error:
        raise DocumentError(f"{shown} cannot be read: {error.strerror}") from error


def _spooled(stack: ExitStack) -> Path:
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(
            "standard input is a terminal, not a document",
            hint="pipe one in: cat report.txt | infini ingest -",
        )
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="infini-"))
    return spool_stdin(sys.stdin.buffer, Path(folder))
