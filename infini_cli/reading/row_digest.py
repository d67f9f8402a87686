"""One digest for the rows of a passage store: equal for equal rows, however they came into the file."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from infini_cli.reading.schema import TABLES


class RowDigest:
    """SHA-256 over tables that only grow, each row added once and in order.

    SQLite keeps no checksums: a byte that a disk or a cable flips in the middle of a word is told by this one.
    """

    def __init__(self) -> None:
        self._tables = {table: hashlib.sha256() for table in TABLES}

    def add(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Count in further rows of a table, all their columns in order.

        Raises TypeError for values that JSON does not hold; the program stores text, whole numbers and NULL.
        """
        digest = self._tables[table]
        for row in rows:
            digest.update(json.dumps(row).encode() + b"\n")

    def hexdigest(self) -> str:
        """The digest of what was added so far."""
        return hashlib.sha256(b"".join(table.digest() for table in self._tables.values())).hexdigest()
