"""The tables of a passage store: made, recognised, and SQLite's failures told in words for the user."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infini_cli.errors import DiskError, InfiniError, SnapshotError

TOKENIZE = "porter unicode61 remove_diacritics 2"  # how the index folds and stems words
APPLICATION_ID = 0x696E6669  # "infi"
SCHEMA_VERSION = 1

# the index keeps no text of its own: it reads it through the view (an external-content FTS5 table)
SCHEMA = {
    "documents": """CREATE TABLE documents (
        id INTEGER PRIMARY KEY, path TEXT NOT NULL, content_hash TEXT NOT NULL, format TEXT NOT NULL)""",
    "sections": """CREATE TABLE sections (
        id INTEGER PRIMARY KEY, document_id INTEGER NOT NULL, title TEXT NOT NULL, level INTEGER NOT NULL,
        page INTEGER NOT NULL, page_label TEXT, first_passage INTEGER NOT NULL)""",
    "passages": """CREATE TABLE passages (
        id INTEGER PRIMARY KEY, document_id INTEGER NOT NULL, section_id INTEGER, page INTEGER NOT NULL,
        page_label TEXT, line INTEGER, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
        tokens INTEGER NOT NULL, text TEXT NOT NULL)""",
    "passages_by_page": "CREATE INDEX passages_by_page ON passages (document_id, page)",
    "passage_words": """CREATE VIEW passage_words AS SELECT p.id AS id, p.text AS text, s.title AS section
        FROM passages AS p LEFT JOIN sections AS s ON s.id = p.section_id""",
    "passage_index": f"""CREATE VIRTUAL TABLE passage_index USING fts5(
        text, section, content='passage_words', content_rowid='id', tokenize='{TOKENIZE}')""",
}
TABLES = {"documents": 4, "sections": 7, "passages": 10}  # all that is not made from them, with their columns
# what holds for every row that this program writes, beyond what the tables themselves demand
SOUND_ROWS = {
    "documents": "typeof(path) = 'text' AND typeof(content_hash) = 'text' AND typeof(format) = 'text'",
    "sections": """document_id BETWEEN 1 AND (SELECT count(*) FROM documents) AND typeof(title) = 'text'
        AND typeof(level) = 'integer' AND typeof(page) = 'integer' AND page > 0
        AND typeof(page_label) IN ('text', 'null') AND typeof(first_passage) = 'integer'""",
    "passages": """document_id BETWEEN 1 AND (SELECT count(*) FROM documents) AND typeof(page) = 'integer'
        AND (section_id IS NULL OR section_id BETWEEN 1 AND (SELECT count(*) FROM sections)) AND page > 0
        AND typeof(page_label) IN ('text', 'null') AND typeof(line) IN ('integer', 'null')
        AND typeof(start) = 'integer' AND typeof("end") = 'integer' AND start BETWEEN 0 AND "end"
        AND typeof(tokens) = 'integer' AND tokens BETWEEN 0 AND 2147483647 AND typeof(text) = 'text'""",
}
_INDEX = "passage_index"
# what FTS5 keeps the index in, as it has made it since SQLite 3.20
_KEPT_BY_FTS5 = {
    f"{_INDEX}_data": f"CREATE TABLE '{_INDEX}_data'(id INTEGER PRIMARY KEY, block BLOB)",
    f"{_INDEX}_idx": f"CREATE TABLE '{_INDEX}_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID",
    f"{_INDEX}_docsize": f"CREATE TABLE '{_INDEX}_docsize'(id INTEGER PRIMARY KEY, sz BLOB)",
    f"{_INDEX}_config": f"CREATE TABLE '{_INDEX}_config'(k PRIMARY KEY, v) WITHOUT ROWID",
}
_KIND = re.compile(r"CREATE (?:VIRTUAL )?(TABLE|VIEW|INDEX)")
# bytes of one value; a passage is a few kilobytes, and no value may take the memory of the machine
_MAX_VALUE_BYTES = 16 * 2**20
_LIMIT_LENGTH = 0  # SQLITE_LIMIT_LENGTH, which Python 3.10 does not name


def prepare(connection: sqlite3.Connection, path: Path, *, create: bool) -> None:
    """Settings of a new connection, and the tables made (`create`) or checked.

    Raises:
        SnapshotError: `path` is of another program or version, damaged, or SQLite lacks FTS5.
        DiskError: it cannot be written.
    """
    with in_words(path):
        run = connection.execute
        # a file from elsewhere must not be able to run code through its schema
        run("PRAGMA trusted_schema = OFF")
        run("PRAGMA cell_size_check = ON")
        if hasattr(connection, "setlimit"):  # from Python 3.11 on
            connection.setlimit(_LIMIT_LENGTH, _MAX_VALUE_BYTES)
        run("PRAGMA synchronous = FULL")
        # KiB; writes that fit are not spilled, so that readers are not locked out
        run("PRAGMA cache_size = -65536")
        if not create:
            _check(connection, path)
            return
        run("PRAGMA journal_mode = DELETE")
        run("BEGIN IMMEDIATE")
        run(f"PRAGMA application_id = {APPLICATION_ID}")
        run(f"PRAGMA user_version = {SCHEMA_VERSION}")
        for statement in SCHEMA.values():
            run(statement)
        run("COMMIT")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse any file whose tables are not exactly those made here."""
    run = connection.execute
    if run("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise SnapshotError(f"{path} is not a passage store of infini, or is damaged")
    version = run("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise SnapshotError(
            f"{path} has format {version}; this version of infini reads format {SCHEMA_VERSION}",
            hint="upgrade infini" if version > SCHEMA_VERSION else "read the documents anew with --force",
        )
    found = run("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    expected = [_row(name, statement) for name, statement in {**SCHEMA, **_KEPT_BY_FTS5}.items()]
    if sorted(found, key=repr) != sorted(expected, key=repr):
        names = sorted({str(row[1])[:60] for row in set(found) ^ set(expected)})
        raise SnapshotError(
            f"{path} is damaged or was tampered with: unexpected {', '.join(names) or 'duplicates'}"
        )


def _row(name: str, statement: str) -> tuple[str, str, str, str]:
    """An entry of sqlite_master for one of our statements."""
    kind = _KIND.match(statement)
    assert kind is not None
    table = "passages" if kind[1] == "INDEX" else name
    return kind[1].lower(), name, table, statement


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Raise failures of SQLite with the file at `path` as SnapshotError or DiskError."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise
    except sqlite3.DatabaseError as error:
        raise _explain(str(error), path) from error


def _explain(text: str, path: Path) -> InfiniError:
    if text.startswith("no such module: fts5"):
        return SnapshotError(
            "the SQLite of this Python has no full-text index (FTS5)",
            hint="use a Python that has it, such as that of python.org, Debian, Fedora, conda or uv",
        )
    if "disk is full" in text:
        return DiskError(
            f"no room left on the disk for {path}", hint="free some room; the same command goes on"
        )
    if "readonly" in text or "unable to open" in text or "disk I/O" in text:
        return DiskError(f"no access to {path}: {text}", hint="check its permissions and its disk")
    if "locked" in text:
        return SnapshotError(
            f"{path} is in use by another process", hint="try again when the other command has ended"
        )
    return SnapshotError(f"{path} is damaged: {text}", hint="read the documents anew with --force")
