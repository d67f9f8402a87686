"""The documents named on a command line, made ready to be read: found, checked, hashed."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from infini_cli.documents import content_hash
from infini_cli.documents.detect import detect_format
from infini_cli.documents.shelves import Skipped, expand, is_shelf
from infini_cli.documents.stdin import spool_stdin
from infini_cli.errors import DocumentError, UsageError
from infini_cli.reading.plan import Source
from infini_cli.reading.report import Failure, ReadingReport

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Found:
    """What the names on a command line stand for.

    Attributes:
        sources: the documents to read, in order; each content once.
        skipped: files of folders and patterns that hold no text, and copies of documents.
        failures: documents in folders and patterns that cannot be read.
    """

    sources: tuple[Source, ...]
    skipped: tuple[Skipped, ...]
    failures: tuple[Failure, ...]

    def in_account(self, report: ReadingReport) -> ReadingReport:
        """A report of reading the sources, with the documents that did not come so far."""
        return replace(report, failures=(*self.failures, *report.failures))


@contextmanager
def find_sources(names: Sequence[str]) -> Iterator[Found]:
    """The documents that names stand for, in order; standard input ("-") is kept in a file until the block ends.

    A folder stands for the files below it, and a pattern for those that fit it. A single document that cannot
    be read is refused here, before a model is loaded for it; among several, one that is there but cannot be
    read is left to the reader, which goes on with the others.

    Raises:
        DocumentError: a document does not exist, the only one cannot be read, or a folder holds none.
        UsageError: standard input is named twice, or is a terminal.
    """
    if names.count(STDIN) > 1:
        raise UsageError("standard input can be read only once")
    shelf = expand(names)
    failures = [Failure(path, error) for path, error in shelf.failures]
    skipped = list(shelf.skipped)
    alone = len(names) == 1 and not is_shelf(names[0])
    by_content: dict[str, Source] = {}
    with ExitStack() as stack:
        for name in shelf.files:
            source = _source(name, stack, alone=alone)
            first = by_content.setdefault(source.content_hash, source)
            if first is not source:
                skipped.append(Skipped(source.shown, f"a copy of {first.shown}"))
        yield Found(tuple(by_content.values()), tuple(skipped), tuple(failures))


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
