"""What there is to read, given what a memory already holds and what the user asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from infini_cli.documents import PdfOptions
from infini_cli.errors import UsageError
from infini_cli.reading.records import MemoryRecord

# how to treat a memory that is there: only go on with the same documents, add to it, or replace it
Mode = Literal["same", "append", "anew"]


@dataclass(frozen=True, slots=True)
class Source:
    """A document to read."""

    path: Path  # the file
    shown: str  # as the user gave it, "-" for standard input
    content_hash: str
    size_bytes: int
    pdf: PdfOptions = field(default_factory=PdfOptions)  # how to open it if it is a PDF


@dataclass(frozen=True, slots=True)
class Plan:
    """Which documents to read into which memory.

    Attributes:
        goes_on: with the memory that is there; else a new one is made.
        to_read: in this order; the first may have been read in part.
        unchanged: already read in full, so nothing is done for them.
        resumed: whether an interrupted read goes on.
    """

    goes_on: bool
    to_read: tuple[Source, ...]
    unchanged: tuple[Source, ...]
    resumed: bool


def plan_reading(name: str, record: MemoryRecord | None, sources: Sequence[Source], mode: Mode) -> Plan:
    """Decide what to read.

    Args:
        name: of the memory, for messages.
        record: of the memory that is there, or None.
        sources: the documents asked for; content given twice is read once.
        mode: how to treat what is there.

    Raises:
        UsageError: the memory holds other documents than those asked for, and the mode does not say what to
        do.
    """
    by_content: dict[str, Source] = {}
    for source in sources:
        by_content.setdefault(source.content_hash, source)
    distinct = list(by_content.values())
    if record is None or mode == "anew":
        return Plan(False, tuple(distinct), (), False)
    wanted = {source.content_hash for source in distinct}
    complete = {document.content_hash for document in record.documents if document.complete}
    unfinished = next((document for document in record.documents if not document.complete), None)
    if unfinished is not None and unfinished.content_hash not in wanted:
        raise UsageError(
            f"the memory {name!r} holds a part of {unfinished.path}, which was not read to its end",
            hint=f"finish it with: infini ingest {unfinished.path} --memory {name}"
            + (" --append" if len(record.documents) > 1 else "")
            + "; or read anew with --force",
        )
    new = [source for source in distinct if source.content_hash not in complete]
    if mode == "same":
        _check_same(name, record, wanted, new)
    if unfinished is not None:
        # the unfinished one comes first, the others in their order
        new.sort(key=lambda source: source.content_hash != unfinished.content_hash)
    unchanged = tuple(source for source in distinct if source.content_hash in complete)
    return Plan(True, tuple(new), unchanged, bool(new) and not record.complete)


def _check_same(name: str, record: MemoryRecord, wanted: set[str], new: Sequence[Source]) -> None:
    """Refuse documents that would be mixed with others unasked; those that failed before are tried again."""
    others = [document for document in record.documents if document.content_hash not in wanted]
    failed = {document.content_hash for document in record.failed}
    added = [source for source in new if source.content_hash not in failed]
    if not others and not (added and record.complete):
        return
    held = others[0].path if others else record.documents[0].path
    more = f" and {len(record.documents) - 1} more" if len(record.documents) > 1 else ""
    raise UsageError(
        f"the memory {name!r} already holds {held}{more}",
        hint="add to it with --append, read anew with --force, or choose another name with --memory",
    )
