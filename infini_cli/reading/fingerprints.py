"""Which model a memory belongs to: numbers of one network mean nothing to another."""

from collections.abc import Mapping

from infini_cli.errors import SnapshotError
from infini_cli.reading.records import MemoryRecord

# the order in which a mismatch is told, each with its name for people
PARTS = {
    "model": "another base model",
    "adapter": "another version of the trained adapter",
    "tokenizer": "another tokenizer",
    "memory": "another form of the memory",
}


def check_fingerprints(record: MemoryRecord, expected: Mapping[str, str], source: str) -> None:
    """Raise SnapshotError when a memory is not of the model with the `expected` fingerprints."""
    for part, meaning in PARTS.items():
        if record.fingerprints.get(part) != expected.get(part):
            raise SnapshotError(
                f"{source} was read with {meaning} (model {record.model!r}) than the one in use now",
                hint=f"use --model {record.model}, or read the documents anew with --force",
            )
