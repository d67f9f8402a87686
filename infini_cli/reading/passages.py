"""The passages of the documents read, with their places, in one SQLite file with a full-text index (FTS5).

Passages, sections and documents are numbered from 1 in reading order without gaps, so that a read can be
taken back to any earlier point by cutting the tables, and a stretch of the text is a range of numbers. Writes
become visible and safe at `commit`; with a rollback journal (no write-ahead log) a closed store is a single
file, and a process killed at any moment leaves the last commit. What the rows of a store are is told by one
digest, whatever way they came there; see `rows_digest`.
"""

import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from infini_cli.errors import SnapshotError
from infini_cli.reading.row_digest import RowDigest
from infini_cli.reading.schema import SOUND_ROWS, TABLES, TOKENIZE, in_words, prepare

__all__ = ["TOKENIZE", "Passage", "PassageStore", "Section", "StoredDocument"]

_NOWHERE = Path("the temporary passages")  # in messages; the store has no file
SECTION_WEIGHT = 0.5  # of a word in the section's title, against 1 in the text

_COLUMNS = """p.id, p.document_id, p.page, p.page_label, s.title, p.line, p.start, p."end", p.tokens, p.text,
    p.section_id"""
_FROM = "FROM passages AS p LEFT JOIN sections AS s ON s.id = p.section_id"
_SEARCH = f"""SELECT {_COLUMNS}, i.score FROM (
        SELECT rowid AS id, -bm25(passage_index, 1.0, ?) AS score FROM passage_index
        WHERE passage_index MATCH ? AND rowid BETWEEN ? AND ? ORDER BY score DESC, rowid LIMIT ?
    ) AS i JOIN passages AS p ON p.id = i.id LEFT JOIN sections AS s ON s.id = p.section_id
    ORDER BY i.score DESC, p.id"""
# in a database of its own, so that a store can be asked without ever being written
_WORDS = f"""CREATE VIRTUAL TABLE asked USING fts5(text, tokenize='{TOKENIZE}');
    CREATE VIRTUAL TABLE asked_words USING fts5vocab(asked, 'instance')"""
_VOCABULARY = "CREATE VIRTUAL TABLE temp.passage_vocabulary USING fts5vocab(main, passage_index, 'col')"
_PATIENCE_S = 60.0  # with another process that has locked the file for its moment
_BAD_EXPRESSION = ("fts5:", "no such column", "unterminated string", "unknown special query")


@dataclass(frozen=True, slots=True)
class Passage:
    """A verbatim slice of one page: text == page.text[start:end]."""

    id: int  # from 1, in reading order over all documents
    document_id: int
    page: int  # place in the file, from 1
    page_label: str | None  # as printed
    section: str | None  # title of the innermost section
    line: int | None  # of the passage's first character, from 1; text formats only
    start: int  # characters into the page's text
    end: int
    tokens: int  # that the model read for it
    text: str
    section_id: int | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and everything below it, up to the next heading of the same or a higher level."""

    id: int
    document_id: int
    title: str
    level: int  # 1 is the highest
    first_passage: int
    last_passage: int
    first_page: int
    last_page: int
    first_page_label: str | None
    last_page_label: str | None


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One document whose passages are here."""

    id: int
    path: str  # as given by the user, "-" for standard input
    content_hash: str
    format: str


class PassageStore:
    """The passages of one memory.

    Args:
        path: the SQLite file.
        create: make a new store; else one must be there.
        read_only: SQLite shall refuse all writes.

    Raises:
        SnapshotError: the file is missing, damaged, of another program or version, or SQLite lacks FTS5.
        DiskError: there is no room, or no permission, to write.
    """

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False) -> None:
        self._read_only = read_only
        self._words: sqlite3.Connection | None = None
        self._digest: RowDigest | None = RowDigest() if create else None
        self._open(path, create)

    def _open(self, path: Path, create: bool) -> None:
        self.path = path
        if not create and not path.is_file():
            raise SnapshotError(
                f"the passages of this memory are missing: {path}",
                hint="read the documents anew with --force",
            )
        with in_words(path):
            # a path without a name is to SQLite a file of its own that is gone with the connection
            self._connection = sqlite3.connect(
                "" if self.is_temporary else path, timeout=_PATIENCE_S, isolation_level=None
            )
        try:
            prepare(self._connection, path, create=create)
            with in_words(path):
                self._connection.execute(_VOCABULARY)
                self._allow_writes(not self._read_only)
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def temporary(cls) -> "PassageStore":
        """An empty store that is gone when it is closed."""
        return cls(_NOWHERE, create=True)

    @property
    def is_temporary(self) -> bool:
        """Whether the store has no file of its own."""
        return self.path == _NOWHERE

    def move(self, move_file: Callable[[], None], path: Path) -> None:
        """Go on at `path`, to which `move_file` brings the closed file; uncommitted writes are dropped."""
        self._connection.close()
        self._digest = None
        move_file()
        self._open(path, False)

    def check(self) -> None:
        """Read the whole file and compare it with itself. Raises SnapshotError when it is damaged."""
        with in_words(self.path):
            (result,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
        if result != "ok":
            raise SnapshotError(f"{self.path} is damaged: {result}")

    def check_values(self) -> None:
        """Raise SnapshotError when a row holds what this program never writes; for files from elsewhere."""
        for table, sound in SOUND_ROWS.items():
            count = self._number(f"SELECT count(*) FROM {table}")
            last = self._number(f"SELECT coalesce(max(id), 0) FROM {table}")
            good = self._number(f"SELECT count(*) FROM {table} WHERE id > 0 AND {sound}")
            if not count == last == good:
                raise SnapshotError(f"{self.path} is damaged: its {table} are not as infini writes them")

    def index_is_sound(self) -> bool:
        """Whether the full-text index holds exactly the words of the passages."""
        self._allow_writes(True)  # for SQLite this is a write, although it changes nothing
        try:
            with in_words(self.path):
                self._connection.execute(
                    "INSERT INTO passage_index (passage_index, rank) VALUES ('integrity-check', 1)"
                )
        except SnapshotError:
            return False
        finally:
            self._allow_writes(not self._read_only)
        return True

    def make_index(self) -> None:
        """Make the full-text index anew; takes effect at `commit`."""
        with self._writing() as run:
            run("INSERT INTO passage_index (passage_index) VALUES ('rebuild')")

    def rows_digest(self) -> str:
        """SHA-256 over all documents, sections and passages, uncommitted ones too."""
        if self._digest is None:
            digest = RowDigest()
            try:
                for table in TABLES:
                    with closing(self._all_rows(table)) as rows:
                        digest.add(table, rows)
            except TypeError:
                raise SnapshotError(f"{self.path} is damaged: it holds values of another kind") from None
            self._digest = digest
        return self._digest.hexdigest()

    def copy(self, *, passages: int, sections: int, documents: int) -> "PassageStore":
        """The first so many of each in a temporary store, with an index made anew.

        Raises SnapshotError when the rows cannot be read.
        """
        limits = {"documents": documents, "sections": sections, "passages": passages}
        made = PassageStore.temporary()
        try:
            for table, limit in limits.items():
                with closing(self._all_rows(table, limit)) as rows:
                    made._insert(table, rows)
            made.make_index()
            made.commit()
        except sqlite3.IntegrityError as error:  # a number twice, or nothing where something must be
            made.close()
            raise SnapshotError(f"{self.path} is damaged: {error}") from None
        except BaseException:
            made.close()
            raise
        return made

    # writing

    def add_document(self, path: str, content_hash: str, format: str) -> int:
        """The number of a new document."""
        number = self._number("SELECT coalesce(max(id), 0) + 1 FROM documents")
        self._insert("documents", [(number, path, content_hash, format)])
        return number

    def add_section(
        self, document_id: int, title: str, level: int, page: int, page_label: str | None, first_passage: int
    ) -> int:
        """The number of a new section, which begins with a passage that is still to be added."""
        number = self.section_count() + 1
        self._insert("sections", [(number, document_id, title, level, page, page_label, first_passage)])
        return number

    def add(self, passages: Iterable[Passage]) -> None:
        """Append passages, whose sections are there. Raises ValueError when a number is not the next one."""
        expected = self.count()
        with self._writing() as run:
            for passage in passages:
                expected += 1
                if passage.id != expected:
                    raise ValueError(f"passage {passage.id} cannot follow {expected - 1}")
                self._insert("passages", [_row(passage)])
                run(
                    "INSERT INTO passage_index (rowid, text, section)"
                    " SELECT id, text, section FROM passage_words WHERE id = ?",
                    (passage.id,),
                )

    def commit(self) -> None:
        """Make all writes since the last commit visible and safe, together."""
        if self._connection.in_transaction:
            with in_words(self.path):
                self._connection.execute("COMMIT")

    def truncate(self, *, passages: int, sections: int, documents: int) -> None:
        """Keep the first so many of each and drop what was added later; takes effect at `commit`."""
        with self._writing() as run:
            # an external-content index forgets a row only when told its very words
            run(
                "INSERT INTO passage_index (passage_index, rowid, text, section)"
                " SELECT 'delete', id, text, section FROM passage_words WHERE id > ?",
                (passages,),
            )
            run("DELETE FROM passages WHERE id > ?", (passages,))
            run("DELETE FROM sections WHERE id > ?", (sections,))
            run("DELETE FROM documents WHERE id > ?", (documents,))
        self._digest = None

    # reading

    def count(self) -> int:
        """Number of passages."""
        return self._number("SELECT coalesce(max(id), 0) FROM passages")

    def section_count(self) -> int:
        """Number of headings."""
        return self._number("SELECT coalesce(max(id), 0) FROM sections")

    def documents(self) -> list[StoredDocument]:
        """The documents in reading order."""
        return [
            StoredDocument(*row)
            for row in self._rows("SELECT id, path, content_hash, format FROM documents ORDER BY id")
        ]

    def last_section(self, document_id: int) -> tuple[int, str] | None:
        """Number and title of the section that a document's next passage belongs to."""
        query = "SELECT id, title FROM sections WHERE document_id = ? ORDER BY id DESC LIMIT 1"
        found = self._rows(query, (document_id,))
        return found[0] if found else None

    def last_passage(self, document_id: int) -> Passage | None:
        """The last passage of a document so far."""
        return next(
            self._passages("WHERE p.document_id = ? ORDER BY p.page DESC, p.id DESC LIMIT 1", (document_id,)),
            None,
        )

    def get(self, ids: Sequence[int]) -> list[Passage]:
        """The passages with these numbers, in the order asked for. Raises KeyError for an unknown number."""
        marks = ",".join("?" * len(ids))
        found = {p.id: p for p in self._passages(f"WHERE p.id IN ({marks})", tuple(ids))}
        return [found[i] for i in ids]

    def passages_between(self, first: int, last: int) -> Iterator[Passage]:
        """The passages numbered first to last, both included, one by one."""
        return self._passages("WHERE p.id BETWEEN ? AND ? ORDER BY p.id", (first, last))

    def neighbours(self, id: int, *, before: int = 1, after: int = 1) -> list[Passage]:
        """The passages around one, in order and without it, from the same document."""
        return list(
            self._passages(
                "WHERE p.id BETWEEN ? AND ? AND p.id != ?"
                " AND p.document_id = (SELECT document_id FROM passages WHERE id = ?) ORDER BY p.id",
                (id - before, id + after, id, id),
            )
        )

    def on_page(self, document_id: int, page: int) -> list[Passage]:
        """The passages of one page, in order."""
        return list(
            self._passages("WHERE p.document_id = ? AND p.page = ? ORDER BY p.id", (document_id, page))
        )

    def search(
        self,
        match: str,
        limit: int,
        *,
        first: int = 1,
        last: int | None = None,
        section_weight: float = SECTION_WEIGHT,
    ) -> list[tuple[Passage, float]]:
        """The passages that meet an FTS5 expression, best first, each with its BM25 score (higher is better).

        Args:
            match: an FTS5 expression over the columns `text` and `section`; words from users belong in double
            quotes.
            limit: at most so many.
            first, last: only passages numbered so, both included.
            section_weight: of a word in the section's title, against 1 in the text.

        Raises:
            ValueError: the expression is not valid.
        """
        values = (section_weight, match, first, last if last is not None else self.count(), limit)
        with in_words(self.path):
            try:
                found = self._connection.execute(_SEARCH, values).fetchall()
            except sqlite3.OperationalError as error:
                if str(error).startswith(_BAD_EXPRESSION):
                    raise ValueError(f"not an FTS5 expression: {match!r} ({error})") from None
                raise
        return [(Passage(*row[:-1]), row[-1]) for row in found]

    def index_terms(self, text: str) -> list[str]:
        """The words of `text` as the index holds them (folded, stemmed), in order."""
        with in_words(self.path):
            if self._words is None:
                self._words = sqlite3.connect(":memory:", isolation_level=None)
                self._words.executescript(_WORDS)
            run = self._words.execute
            run("DELETE FROM asked")
            run("INSERT INTO asked (rowid, text) VALUES (1, ?)", (text,))
            return [term for (term,) in run('SELECT term FROM asked_words ORDER BY "offset"')]

    def term_document_frequency(self, term: str) -> int:
        """In the text of how many passages a word stands, in any form that the index takes for the same.

        Of a `term` that the index cuts into several words, the rarest counts.
        """
        words = self.index_terms(term)
        return min((self._frequency(word) for word in words), default=0)

    def _frequency(self, word: str) -> int:
        found = self._rows("SELECT doc FROM temp.passage_vocabulary WHERE term = ? AND col = 'text'", (word,))
        return found[0][0] if found else 0

    def sections(self, *, document_id: int | None = None) -> list[Section]:
        """The sections that hold text, in order, sub-sections after the one they belong to.

        What stands before a document's first heading is in none.
        """
        rows = self._rows("SELECT id, document_id, title, level, first_passage FROM sections ORDER BY id")
        ends = dict(self._rows("SELECT document_id, max(id) FROM passages GROUP BY document_id"))
        result: list[Section] = []
        for number, (id_, document, title, level, first) in enumerate(rows):
            if document_id not in (None, document):
                continue
            last = ends.get(document, 0)
            for _, later_document, _, later_level, later_first in rows[number + 1 :]:
                if later_document != document:
                    break
                if later_level <= level:
                    last = later_first - 1
                    break
            if first <= last:
                start, end = self.get([first])[0], self.get([last])[0]
                labels = (start.page_label, end.page_label)
                result.append(
                    Section(id_, document, title, level, first, last, start.page, end.page, *labels)
                )
        return result

    def token_total(self, first: int = 1, last: int | None = None) -> int:
        """Tokens of the passages numbered first to last."""
        end = last if last is not None else self.count()
        return self._number(
            "SELECT coalesce(sum(tokens), 0) FROM passages WHERE id BETWEEN ? AND ?", (first, end)
        )

    def equal_stretches(
        self, parts: int, *, first: int = 1, last: int | None = None
    ) -> list[tuple[int, int]]:
        """The passages in at most `parts` ranges of about equal tokens; each (first, last) inclusive."""
        end = last if last is not None else self.count()
        total = self.token_total(first, end) or 1
        result: list[tuple[int, int]] = []
        read, current = 0, 0
        query = "SELECT id, tokens FROM passages WHERE id BETWEEN ? AND ? ORDER BY id"
        with in_words(self.path):
            for id_, tokens in self._connection.execute(query, (first, end)):
                # a passage belongs to the part in which its middle lies
                part = int((read + tokens / 2) * parts / total)
                read += tokens
                if result and part == current:
                    result[-1] = (result[-1][0], id_)
                else:
                    result.append((id_, id_))
                current = part
        return result

    # the connection

    def copy_to(self, path: Path) -> None:
        """Write all that is committed to a new file, also while another process adds to this one."""
        with in_words(path), closing(sqlite3.connect(path)) as copy:
            self._connection.backup(copy)

    def close(self) -> None:
        """Drop what was not committed and let go of the file."""
        self._connection.close()
        if self._words is not None:
            self._words.close()

    def __enter__(self) -> "PassageStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _allow_writes(self, allowed: bool) -> None:
        self._connection.execute(f"PRAGMA query_only = {'OFF' if allowed else 'ON'}")

    def _all_rows(self, table: str, limit: int | None = None) -> Generator[tuple[Any, ...], None, None]:
        """The rows of a table in order, as they are stored, up to the one numbered `limit`."""
        with in_words(self.path):
            yield from self._connection.execute(
                f"SELECT * FROM {table} WHERE ?1 IS NULL OR id <= ?1 ORDER BY id", (limit,)
            )

    def _insert(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        marks = ", ".join("?" * TABLES[table])
        with self._writing() as run:
            for row in rows:
                run(f"INSERT INTO {table} VALUES ({marks})", row)
                if self._digest is not None:
                    self._digest.add(table, [row])

    def _passages(self, condition: str, values: tuple[object, ...]) -> Iterator[Passage]:
        with in_words(self.path):
            for row in self._connection.execute(f"SELECT {_COLUMNS} {_FROM} {condition}", values):
                yield Passage(*row)

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with in_words(self.path):
            return self._connection.execute(query, values).fetchall()

    def _number(self, query: str, values: tuple[object, ...] = ()) -> int:
        return int(self._rows(query, values)[0][0])

    @contextmanager
    def _writing(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        """Statements inside one transaction that lasts until `commit`."""
        with in_words(self.path):
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection.execute


def _row(passage: Passage) -> tuple[Any, ...]:
    """A passage in the order of its table's columns."""
    place = (passage.id, passage.document_id, passage.section_id, passage.page, passage.page_label)
    return (*place, passage.line, passage.start, passage.end, passage.tokens, passage.text)
