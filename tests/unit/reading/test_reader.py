"""Reading: every page once, in order, and accounted for."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from infini_cli.documents import Heading, Page
from infini_cli.documents.model import BLANK, IMAGE_ONLY, RUNNING_LINES, WHITE_SPACE
from infini_cli.errors import DocumentError, Interrupted
from infini_cli.reading.library import PASSAGES_FILE
from infini_cli.reading.mending import mend_lines
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.plan import Source
from infini_cli.reading.segments import CHUNK_SEGMENTS
from tests.unit.reading.desk import Desk
from tests.unit.reading.fakes import CountingEngine, WordTokenizer, book, interrupt, prose


def test_every_passage_reaches_the_model_once_in_order(desk: Desk) -> None:
    engine = CountingEngine()
    source = desk.shelf.add("book.pdf", book(7))
    report = desk.read(source, engine=engine)
    with PassageStore(desk.target / PASSAGES_FILE) as store:
        passages = list(store.passages_between(1, store.count()))
    words = WordTokenizer()
    expected = [token for passage in passages for token in words.encode(mend_lines(passage.text))]
    breaks = set(words.encode("\n"))
    assert [t for t in engine.tokens if t not in breaks] == [t for t in expected if t not in breaks]
    assert sum(passage.tokens for passage in passages) == len(engine.tokens) == report.record.tokens
    assert [p.id for p in passages] == list(range(1, len(passages) + 1))
    for passage in passages:
        page = desk.shelf.documents["book.pdf"][passage.page - 1]
        assert isinstance(page, Page)
        assert page.text[passage.start : passage.end] == passage.text
        assert passage.page_label == page.label


def test_segments_are_read_in_whole_chunks_and_the_rest_at_the_end(desk: Desk) -> None:
    engine = CountingEngine()
    report = desk.read(desk.shelf.add("book.pdf", book(4)), engine=engine)
    tokens = report.record.tokens
    chunk = CHUNK_SEGMENTS * engine.segment_length
    left = tokens % chunk
    expected = [(CHUNK_SEGMENTS, 16)] * (tokens // chunk)
    expected += [(left // 16, 16)] * bool(left // 16) + [(1, left % 16)] * bool(left % 16)
    assert engine.reads == expected
    assert report.record.segments == -(-tokens // 16)


def test_a_document_starts_a_segment_of_its_own(desk: Desk) -> None:
    engine = CountingEngine()
    sources = [desk.shelf.add(f"{n}.txt", [Page(1, None, prose(n, 3))]) for n in (1, 2)]
    desk.read(*sources, engine=engine)
    lengths = [segments * length for segments, length in engine.reads]
    first = desk.record().documents[0].tokens
    assert first in [sum(lengths[:n]) for n in range(len(lengths))]


def test_the_account_of_a_document_is_exact(desk: Desk) -> None:
    pages = book(5)
    pages[1] = Page(2, "ii", "", skipped=BLANK)
    pages[3] = Page(4, "iv", "", skipped=IMAGE_ONLY)
    report = desk.read(desk.shelf.add("book.pdf", pages))
    (document,) = report.read
    characters = sum(len(page.text) for page in pages if isinstance(page, Page))
    with PassageStore(desk.target / PASSAGES_FILE) as store:
        held = sum(len(passage.text) for passage in store.passages_between(1, store.count()))
    assert document.coverage() == {
        "path": "book.pdf",
        "format": "pdf",
        "pages_total": 5,
        "pages_read": 3,
        "pages_skipped": [{"page": 2, "reason": BLANK}, {"page": 4, "reason": IMAGE_ONLY}],
        "characters": characters,
        "characters_in_passages": held,
        "dropped": {WHITE_SPACE: characters - held} if characters > held else {},
        "tokens": report.record.tokens,
    }
    assert [page.page for page in document.faults] == [4]
    assert report.partial


def test_running_lines_are_not_read_and_every_other_character_is_accounted_for(desk: Desk) -> None:
    pages = []
    for index in (1, 2, 3):
        head = f"{index} GREAT WORK"
        pages.append(Page(index, str(index), f"{head}\n{prose(index, 12)}", running=((0, len(head)),)))
    (document,) = desk.read(desk.shelf.add("book.pdf", pages)).read
    with PassageStore(desk.target / PASSAGES_FILE) as store:
        passages = list(store.passages_between(1, store.count()))
        assert store.search("GREAT", 10) == []
    assert document.lines_dropped == 3
    assert document.dropped[RUNNING_LINES] == 3 * len("1 GREAT WORK")
    between = 0
    for page in pages:
        held = [p for p in passages if p.page == page.index]
        gaps = [page.text[a.end : b.start] for a, b in pairwise(held)]
        gaps += [page.text[page.running[0][1] : held[0].start], page.text[held[-1].end :]]
        assert not "".join(gaps).strip()
        between += sum(map(len, gaps))
    in_passages = sum(p.end - p.start for p in passages)
    assert (document.characters_in_passages, document.dropped[WHITE_SPACE]) == (in_passages, between)
    assert document.characters == in_passages + between + document.dropped[RUNNING_LINES]
    assert document.unaccounted == 0


def test_what_a_format_left_out_is_in_the_account(desk: Desk) -> None:
    blank = Page(2, None, "", skipped=BLANK, dropped=((WHITE_SPACE, 5), ("menus", 2)))
    pages = [Page(1, None, "Words.\n", dropped=(("menus", 40),)), blank]
    (document,) = desk.read(desk.shelf.add("page.html", pages)).read
    assert document.dropped == {"menus": 42, WHITE_SPACE: 6}
    assert (document.characters, document.characters_in_passages) == (54, 6)
    assert document.unaccounted == 0


def test_the_account_is_the_same_after_an_interruption(desk: Desk, tmp_path: Path) -> None:
    pages = [replace(page, dropped=(("menus", 3),)) for page in book(4) if isinstance(page, Page)]
    other = Desk(tmp_path / "other")
    (unbroken,) = other.read(other.shelf.add("book.pdf", pages)).read
    stopping = CountingEngine(before_read=interrupt)
    with pytest.raises(Interrupted):
        desk.read(desk.shelf.add("book.pdf", pages), engine=stopping)
    (resumed,) = desk.read(desk.shelf.add("book.pdf", pages)).read
    assert resumed.coverage() == unbroken.coverage()


def test_blank_pages_are_no_fault(desk: Desk) -> None:
    pages = [*book(2), Page(3, None, "", skipped=BLANK)]
    assert not desk.read(desk.shelf.add("book.pdf", pages)).partial


def test_pages_that_extraction_never_gave_are_accounted_for(desk: Desk) -> None:
    pages = book(4)
    source = desk.shelf.add("book.pdf", pages)
    desk.shelf.documents["book.pdf"] = pages

    def open_short(source: Source, start: int) -> object:
        opened = desk.shelf.open(source, start)
        opened._pages = pages[:2]  # type: ignore[attr-defined]
        return opened

    report = desk.read(source, open_pages=open_short)
    assert [page.page for page in report.read[0].faults] == [3, 4]
    assert report.read[0].pages_read == 2


def test_a_failure_in_the_middle_of_a_document_is_accounted_for(desk: Desk) -> None:
    pages = [*book(2), DocumentError("the parser crashed")]
    desk.shelf.totals_known = False
    report = desk.read(desk.shelf.add("book.txt", pages))
    assert report.partial
    assert [(page.page, page.reason) for page in report.read[0].faults] == [(3, "the parser crashed")]
    assert report.record.complete


def test_sections_labels_and_lines_reach_the_passages(desk: Desk) -> None:
    pages = [
        Page(1, "i", "Before.\nONE\nFirst part.", (Heading(8, "One", 1),), first_line=1),
        Page(2, "ii", "Still one.", first_line=4),
        Page(
            3, "iii", "TWO\n\nSUB\nSecond part.", (Heading(0, "Two", 1), Heading(5, "Sub", 2)), first_line=5
        ),
        Page(4, "iv", "", skipped=BLANK),
        Page(5, "v", "More of sub.", first_line=9),
    ]
    desk.read(desk.shelf.add("book.md", pages))
    with PassageStore(desk.target / PASSAGES_FILE) as store:
        seen = [(p.section, p.page_label, p.line, p.text) for p in store.passages_between(1, 99)]
        spans = [(s.title, s.first_passage, s.last_passage) for s in store.sections()]
    assert seen == [
        (None, "i", 1, "Before."),
        ("One", "i", 2, "ONE\nFirst part."),
        ("One", "ii", 4, "Still one."),
        ("Two", "iii", 5, "TWO"),
        ("Sub", "iii", 7, "SUB\nSecond part."),
        ("Sub", "v", 9, "More of sub."),
    ]
    assert spans == [("One", 2, 3), ("Two", 4, 6), ("Sub", 5, 6)]


def test_the_first_token_of_a_document_is_the_models_own(desk: Desk) -> None:
    engine = CountingEngine()
    engine.tokenizer.bos_id = 7
    sources = [desk.shelf.add(f"{n}.txt", [Page(1, None, "One word.")]) for n in "ab"]
    report = desk.read(*sources, engine=engine)
    assert [t for t in engine.tokens if t == 7] == [7, 7]
    assert engine.tokens[0] == 7
    assert report.record.tokens == len(engine.tokens)


def test_halves_of_characters_do_not_stop_reading(desk: Desk) -> None:
    desk.read(desk.shelf.add("a.txt", [Page(1, None, "A \ud800 b.", (Heading(0, "\udfff", 1),))]))
    with PassageStore(desk.target / PASSAGES_FILE) as store:
        assert store.get([1])[0].text == "A \ufffd b."
