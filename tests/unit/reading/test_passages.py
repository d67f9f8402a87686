"""The passage store: what it finds, and that it survives truncation, kills and foreign files."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from infini_cli.errors import DiskError, SnapshotError
from infini_cli.reading import schema
from infini_cli.reading.passages import Passage, PassageStore

TEXTS = [
    "Catherine walked to the abbey in the morning.",
    "The abbey was cold, and Henry was walking too.",
    "A letter arrived for Isabella; her café was closed.",
    "The general read the newspaper and said nothing.",
    "Henry told the story of the black veil to Catherine.",
]


def passage(
    number: int, text: str, *, document: int = 1, page: int | None = None, section: int | None = None
) -> Passage:
    return Passage(
        id=number,
        document_id=document,
        page=page if page is not None else number,
        page_label=f"p{number}",
        section=None,
        line=None,
        start=0,
        end=len(text),
        tokens=len(text.split()),
        text=text,
        section_id=section,
    )


def fill(store: PassageStore) -> None:
    """One document of two chapters, the second with a sub-section."""
    store.add_document("a.pdf", "hash-a", "pdf")
    first = store.add_section(1, "Chapter One", 1, 1, "p1", 1)
    store.add([passage(1, TEXTS[0], section=first), passage(2, TEXTS[1], section=first)])
    second = store.add_section(1, "Chapter Two", 1, 3, "p3", 3)
    store.add([passage(3, TEXTS[2], section=second)])
    below = store.add_section(1, "The General", 2, 4, "p4", 4)
    store.add([passage(4, TEXTS[3], section=below), passage(5, TEXTS[4], section=below)])
    store.commit()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "passages.sqlite"


@pytest.fixture
def store(path: Path):
    with PassageStore(path, create=True) as store:
        fill(store)
        yield store


def found(store: PassageStore, match: str, **limits: int) -> list[int]:
    return sorted(passage.id for passage, _ in store.search(match, 10, **limits))


def test_search_knows_forms_and_accents_of_words_and_ranks_by_score(store: PassageStore) -> None:
    assert found(store, "walk") == [1, 2]
    assert found(store, "cafe") == [3]
    assert found(store, '"black veil"') == [5]
    ranked = store.search('"abbey" OR "henry"', 10)
    assert ranked[0][0].id == 2, "the passage with both words comes first"
    scores = [score for _, score in ranked]
    assert scores == sorted(scores, reverse=True)
    assert all(score > 0 for score in scores)
    assert len(store.search('"abbey" OR "henry"', 2)) == 2


def test_search_can_be_held_to_a_range(store: PassageStore) -> None:
    assert found(store, "henry", first=3) == [5]
    assert found(store, "henry", last=4) == [2]


def test_section_titles_count_less_than_the_text_and_can_be_searched(store: PassageStore) -> None:
    ranked = store.search("general", 10)
    assert [passage.id for passage, _ in ranked] == [4, 5]
    assert ranked[1][0].section == "The General"
    even = {p.id: s for p, s in store.search("general", 10, section_weight=0.0)}
    assert even[5] == pytest.approx(0.0, abs=1e-6)
    assert found(store, "section : chapter") == [1, 2, 3]


@pytest.mark.parametrize("match", ['"unclosed', "AND", "nocolumn : x", "a AND"])
def test_an_expression_that_is_not_valid_is_a_value_error(store: PassageStore, match: str) -> None:
    with pytest.raises(ValueError, match="not an FTS5 expression"):
        store.search(match, 5)


def test_document_frequency_counts_text_only_and_any_form_of_the_word(store: PassageStore) -> None:
    assert store.term_document_frequency("Walking") == 2
    assert store.term_document_frequency("CAFÉ") == 1
    assert store.term_document_frequency("general") == 1, "the section's title does not count"
    assert store.term_document_frequency("chapter") == 0
    assert store.term_document_frequency("veil-abbey") == 1
    assert store.term_document_frequency("?!") == 0
    assert store.index_terms("Walking, to the CAFÉ") == ["walk", "to", "the", "cafe"]


def test_passages_come_back_verbatim_by_number_range_page_and_neighbourhood(store: PassageStore) -> None:
    assert [p.text for p in store.get([5, 1])] == [TEXTS[4], TEXTS[0]]
    with pytest.raises(KeyError):
        store.get([6])
    assert [p.id for p in store.passages_between(2, 4)] == [2, 3, 4]
    assert [p.id for p in store.neighbours(1)] == [2]
    assert [p.id for p in store.neighbours(3, before=2, after=1)] == [1, 2, 4]
    assert [p.id for p in store.on_page(1, 4)] == [4]
    assert store.get([4])[0].section == "The General"
    assert store.count() == 5


def test_neighbours_are_of_the_same_document(store: PassageStore) -> None:
    store.add_document("b.txt", "hash-b", "text")
    store.add([passage(6, "Another book.", document=2, page=1)])
    assert [p.id for p in store.neighbours(6)] == []
    assert [p.id for p in store.neighbours(5)] == [4]
    assert [(d.id, d.path) for d in store.documents()] == [(1, "a.pdf"), (2, "b.txt")]


def test_sections_hold_what_is_below_them(store: PassageStore) -> None:
    store.add_section(1, "Notes without text", 1, 5, "p5", 6)
    spans = [(s.title, s.level, s.first_passage, s.last_passage) for s in store.sections()]
    assert spans == [("Chapter One", 1, 1, 2), ("Chapter Two", 1, 3, 5), ("The General", 2, 4, 5)]
    two = store.sections()[1]
    assert (two.first_page, two.last_page, two.first_page_label, two.last_page_label) == (3, 5, "p3", "p5")
    store.add_document("b.txt", "hash-b", "text")
    store.add_section(2, "Other", 1, 1, None, 6)
    store.add([passage(6, "Another book.", document=2, page=1)])
    assert [s.title for s in store.sections(document_id=2)] == ["Other"]
    assert store.sections()[2].last_passage == 5, "a section does not reach into the next document"


def test_equal_stretches_cover_all_in_order_by_tokens(store: PassageStore) -> None:
    assert store.equal_stretches(1) == [(1, 5)]
    assert store.equal_stretches(5) == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]
    halves = store.equal_stretches(2)
    assert halves == [(1, 3), (4, 5)]
    assert abs(store.token_total(1, 3) - store.token_total(4, 5)) <= 10
    assert store.equal_stretches(2, first=2, last=3) == [(2, 2), (3, 3)]
    assert store.equal_stretches(99)[-1] == (5, 5)


def contents(path: Path) -> list[tuple[object, ...]]:
    """Every row, and what the index answers."""
    with PassageStore(path) as store:
        rows = [(p.id, p.page, p.section, p.section_id, p.text) for p in store.passages_between(1, 99)]
        sections = [(s.title, s.first_passage, s.last_passage) for s in store.sections()]
        frequencies = [(w, store.term_document_frequency(w)) for w in " ".join(TEXTS).split()]
        scores = [
            (p.id, round(s, 9))
            for w in ("henry", "abbey", "chapter", "general")
            for p, s in store.search(w, 9)
        ]
        return [*rows, *sections, *frequencies, *scores, *store.documents()]


def test_truncated_and_filled_again_equals_never_truncated(tmp_path: Path) -> None:
    with PassageStore(tmp_path / "whole.sqlite", create=True) as store:
        fill(store)
    with PassageStore(tmp_path / "cut.sqlite", create=True) as store:
        fill(store)
        store.add_document("b.txt", "hash-b", "text")
        section = store.add_section(2, "abbey henry", 1, 1, None, 6)
        store.add([passage(n, "henry abbey " * n, document=2, section=section) for n in range(6, 60)])
        store.commit()
        store.truncate(passages=2, sections=1, documents=1)
        second = store.add_section(1, "Chapter Two", 1, 3, "p3", 3)
        store.add([passage(3, TEXTS[2], section=second)])
        below = store.add_section(1, "The General", 2, 4, "p4", 4)
        store.add([passage(4, TEXTS[3], section=below), passage(5, TEXTS[4], section=below)])
        store.commit()
    assert contents(tmp_path / "cut.sqlite") == contents(tmp_path / "whole.sqlite")


def test_what_was_not_committed_is_gone_and_a_closed_store_is_one_file(path: Path) -> None:
    with PassageStore(path, create=True) as store:
        fill(store)
        before = contents(path)
        store.add([passage(6, "Never committed.")])
    assert contents(path) == before
    assert os.listdir(path.parent) == [path.name]


def test_a_reader_sees_the_last_commit_while_a_writer_is_at_work(store: PassageStore, path: Path) -> None:
    store.add([passage(6, "Henry again.")])
    with PassageStore(path) as reader:
        assert found(reader, "henry") == [2, 5]
        store.commit()
        assert found(reader, "henry") == [2, 5, 6]


def test_a_kill_in_the_middle_of_writing_leaves_the_last_commit(path: Path) -> None:
    with PassageStore(path, create=True) as store:
        fill(store)
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from infini_cli.reading.passages import PassageStore\n"
        "from tests.unit.reading.test_passages import passage\n"
        "store = PassageStore(Path(sys.argv[1]))\n"
        # so little cache that the unfinished transaction reaches the file itself
        "store._connection.execute('PRAGMA cache_size = 5')\n"
        "store.add([passage(n, f'henry {n} ' * 200) for n in range(6, 400)])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    before, size = contents(path), path.stat().st_size
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=Path(__file__).parents[3], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.stat().st_size > size, "the test must catch the file half-written"
    assert contents(path) == before
    assert os.listdir(path.parent) == [path.name]


def test_numbers_must_follow_each_other(store: PassageStore) -> None:
    with pytest.raises(ValueError, match="passage 7 cannot follow 5"):
        store.add([passage(7, "gap")])


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="missing"):
        PassageStore(tmp_path / "none.sqlite")
    assert not (tmp_path / "none.sqlite").exists()


@pytest.mark.parametrize("damage", ["text", "cut", "foreign", "zeros"])
def test_a_damaged_or_foreign_file_is_a_snapshot_error(path: Path, damage: str) -> None:
    with PassageStore(path, create=True) as store:
        fill(store)
        store.add([passage(n, f"word{n} " * 300) for n in range(6, 60)])
        store.commit()
    raw = path.read_bytes()
    if damage == "text":
        path.write_bytes(b"plain text " * 1000)
    elif damage == "cut":
        path.write_bytes(raw[: len(raw) // 2])
    elif damage == "zeros":
        path.write_bytes(raw[:8192] + bytes(len(raw) - 8192))
    else:
        path.unlink()
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE passages (id INTEGER)")
        other.close()

    def use() -> None:
        with PassageStore(path) as store:
            store.check()

    with pytest.raises(SnapshotError):
        use()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON passages BEGIN DELETE FROM sections; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE extra (id INTEGER)",
        "DROP TABLE sections",
        "ALTER TABLE passages ADD COLUMN extra TEXT",
    ],
)
def test_a_store_whose_schema_was_tampered_with_is_refused(path: Path, statement: str) -> None:
    with PassageStore(path, create=True) as store:
        fill(store)
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()
    with pytest.raises(SnapshotError, match="tampered"):
        PassageStore(path)


def test_a_store_of_a_newer_version_is_refused(path: Path) -> None:
    with PassageStore(path, create=True):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(SnapshotError, match="format 99") as caught:
        PassageStore(path)
    assert caught.value.hint == "upgrade infini"


def test_a_python_without_fts5_is_told_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without = {
        **schema.SCHEMA,
        "passage_index": "CREATE VIRTUAL TABLE passage_index USING fts5_missing(text)",
    }
    monkeypatch.setattr(schema, "SCHEMA", without)
    with pytest.raises(SnapshotError, match="FTS5"):
        PassageStore(path, create=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_a_disk_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DiskError):
        PassageStore(tmp_path / "passages.sqlite", create=True)


def test_a_full_disk_is_a_disk_error(store: PassageStore) -> None:
    store._connection.execute("PRAGMA max_page_count = 30")
    with pytest.raises(DiskError, match="no room"):
        store.add([passage(n, f"word{n} " * 5000) for n in range(6, 60)])
