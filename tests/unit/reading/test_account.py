"""The account of every format, against the text that went in and the passages that came out."""

import gzip
import html
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import docx
import pytest

from infini_cli.documents import content_hash
from infini_cli.documents.extraction import ExtractionProcess
from infini_cli.documents.html_furniture import NAVIGATION
from infini_cli.documents.model import RUNNING_LINES, WHITE_SPACE
from infini_cli.reading.library import PASSAGES_FILE
from infini_cli.reading.options import open_extraction
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.plan import Source
from tests.unit.documents.epub_files import chapter, write_epub
from tests.unit.documents.pdf_files import write_pages
from tests.unit.reading.desk import Desk

ROOT = Path(__file__).parents[3]
LICENSE = (ROOT / "LICENSE").read_text(encoding="utf-8")
PARAGRAPHS = [" ".join(part.split()) for part in re.split(r"\n\s*\n", LICENSE) if part.strip()]
NOVEL = ROOT / "tests" / "data" / "northanger-abbey.pdf"


def write_text(path: Path) -> None:
    middle = LICENSE.index("\n\n", 5000)
    pages = [LICENSE[:middle], "  \n\n ", LICENSE[middle:]]
    path.write_bytes("\f".join(pages).encode("utf-16"))


def write_markdown(path: Path) -> None:
    path.write_text("\n\n".join(f"# {text}" if len(text) < 60 else text for text in PARAGRAPHS))


def write_rst(path: Path) -> None:
    titled = (f"{text}\n{'=' * len(text)}" if len(text) < 60 else text for text in PARAGRAPHS)
    path.write_text("\n\n".join(titled))


def write_html(path: Path) -> None:
    body = "".join(f"<p>{html.escape(text)}</p>" for text in PARAGRAPHS)
    path.write_text(f"<html><body><nav>Menu</nav>{body}<footer>Menu</footer></body></html>")


def write_book(path: Path) -> None:
    halves = (PARAGRAPHS[:20], PARAGRAPHS[20:])
    chapters = [
        chapter("<nav>Menu</nav>" + "".join(f"<p>{html.escape(text)}</p>" for text in half))
        for half in halves
    ]
    write_epub(path, {"a.xhtml": chapters[0], "blank.xhtml": chapter(" "), "b.xhtml": chapters[1]})


def write_word(path: Path) -> None:
    document = docx.Document()
    for text in PARAGRAPHS:
        document.add_paragraph(text)
    document.save(str(path))


def write_pdf(path: Path) -> None:
    lines = LICENSE.splitlines()
    pages = ["\n".join(lines[start : start + 40]) for start in range(0, len(lines), 40)]
    write_pages(path, [f"The Licence, page {number}\n{page}" for number, page in enumerate(pages, start=1)])


def write_packed(path: Path) -> None:
    path.write_bytes(gzip.compress(LICENSE.encode()))


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text))


@pytest.mark.parametrize(
    ("name", "write", "rules"),
    [
        ("a.txt", write_text, {WHITE_SPACE}),
        ("a.md", write_markdown, {WHITE_SPACE}),
        ("a.rst", write_rst, {WHITE_SPACE}),
        ("a.html", write_html, {WHITE_SPACE, NAVIGATION}),
        ("a.epub", write_book, {WHITE_SPACE, NAVIGATION}),
        ("a.docx", write_word, {WHITE_SPACE}),
        ("a.pdf", write_pdf, {WHITE_SPACE, RUNNING_LINES}),
        ("a.gz", write_packed, {WHITE_SPACE}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_character_is_in_a_passage_or_left_out_by_a_named_rule(
    desk: Desk, tmp_path: Path, name: str, write: Callable[[Path], None], rules: set[str]
) -> None:
    path = tmp_path / name
    write(path)
    text = check_account(desk, path, rules)
    assert words(text) == words(LICENSE)


@pytest.mark.slow
def test_every_character_of_a_novel_is_accounted_for(desk: Desk) -> None:
    text = check_account(desk, NOVEL, {WHITE_SPACE, RUNNING_LINES})
    assert text.count("Catherine") > 400


def check_account(desk: Desk, path: Path, rules: set[str]) -> str:
    """Read a document, hold its account against pages and passages, and return the text of the passages."""
    source = Source(path, path.name, content_hash(path), path.stat().st_size)
    (document,) = desk.read(source, open_pages=open_extraction).read
    with ExtractionProcess(path) as extraction:
        pages = list(extraction)
    with PassageStore(desk.target / PASSAGES_FILE) as store:
        passages = list(store.passages_between(1, store.count()))
    dropped: Counter[str] = Counter()
    for page in pages:
        dropped.update(dict(page.dropped))
        kept = [(p.start, p.end) for p in passages if p.page == page.index]
        left = page.text
        for start, end in sorted((*kept, *page.running), reverse=True):
            left = left[:start] + left[end:]
        assert not left.strip(), "a passage is missing"
        dropped[WHITE_SPACE] += len(left)
        dropped[RUNNING_LINES] += sum(end - start for start, end in page.running)
    assert document.dropped == dict(+dropped)
    assert set(document.dropped) == rules
    assert document.characters_in_passages == sum(len(passage.text) for passage in passages)
    assert document.characters == document.characters_in_passages + sum(document.dropped.values())
    assert document.unaccounted == 0
    return "\n".join(passage.text for passage in passages)
