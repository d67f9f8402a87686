"""The tables of a passage store: made, recognised, and SQLite's failures told in words for the user."""

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
_KEPT_BY_FTS5 = frozenset(f"passage_index_{part}" for part in ("data", "idx", "docsize", "config"))


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
    found = dict(run("SELECT name, sql FROM sqlite_master"))
    foreign = sorted(set(found) - set(SCHEMA) - _KEPT_BY_FTS5)
    changed = sorted(name for name, statement in SCHEMA.items() if found.get(name) != statement)
    if foreign or changed:
        raise SnapshotError(
            f"{path} is damaged or was tampered with: unexpected {', '.join(foreign + changed)}"
        )


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
