"""The novel that tests and the demonstration read: a real book by a real producer."""

import hashlib
from collections.abc import Iterator
from contextlib import closing

import pytest

from infini_cli.documents import Document, content_hash, open_document
from infini_cli.documents.extraction import ExtractionProcess
from tests.unit.documents.pdf_files import NOVEL


@pytest.fixture(scope="module")
def novel() -> Iterator[Document]:
    with closing(open_document(NOVEL)) as document:
        yield document


def test_it_is_the_file_that_its_readme_describes() -> None:
    digest = hashlib.sha256(NOVEL.read_bytes()).hexdigest()
    assert content_hash(NOVEL) == digest
    assert digest in (NOVEL.parent / "README.md").read_text()
    assert NOVEL.stat().st_size <= 2_000_000


def test_every_page_is_read_in_a_process_of_its_own() -> None:
    with ExtractionProcess(NOVEL) as extraction:
        assert extraction.info[:2] == ("pdf", 222)
        pages = list(extraction)
    assert [page.index for page in pages] == list(range(1, 223))
    assert [page.index for page in pages if page.skipped] == [6]
    assert sum(len(page.text.split()) for page in pages) >= 60_000
    assert [page.label for page in pages[:8]] == ["i", "ii", "iii", "iv", "v", "vi", "1", "2"]
    assert pages[-1].label == "216"
    sections = [heading.title for page in pages for heading in page.headings]
    assert sections == ["Advertisement by the Authoress", *(f"Chapter {number}" for number in range(1, 32))]


def test_text_has_ligatures_as_letters_and_the_marks_of_typesetting(novel: Document) -> None:
    page = next(novel.pages(12))
    assert page.label == "6"
    [heading] = page.headings
    assert page.text[heading.offset :].startswith("Chapter 2\nIn addition to what has been already said")
    assert "difficulties and dangers of a six weeks’ residence in Bath" in " ".join(page.text.split())
    assert "ﬁ" not in page.text
    following = next(novel.pages(13))
    assert following.text.startswith("CHAPTER 2 7\n")


def test_a_late_page_is_the_same_alone_and_in_order(novel: Document) -> None:
    assert next(novel.pages(200)) == next(page for page in novel.pages(190) if page.index == 200)
