"""Whole shelves read into one memory, and what would be read, through the real entry with the tiny model."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import docx
import pytest

from infini_cli.reading import library
from infini_cli.reading.passages import PassageStore
from tests.conftest import Outcome
from tests.unit.documents.epub_files import chapter, write_epub

GOATS = "The keeper of lighthouse {0} was called Ulric, and he kept {0} goats on the rocks below. "


@pytest.fixture
def here(
    tmp_path: Path, run_main: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """The program in a folder with a shelf of six kinds of documents and some other files."""
    monkeypatch.chdir(tmp_path)
    Path("infini.toml").write_text('model = "for-tests-tiny"\ndtype = "float32"\n')
    shelf = Path("shelf")
    (shelf / "more").mkdir(parents=True)
    (shelf / "part 1.txt").write_text(GOATS.format(1) * 3)
    (shelf / "part 2.html").write_text(f"<html><body><nav>Menu</nav><h1>Two</h1><p>{GOATS.format(2) * 3}</p>")
    write_epub(
        shelf / "part 3.epub",
        {"a.xhtml": chapter(f"<p>{GOATS.format(3) * 3}</p>")},
        contents=[("a.xhtml", "Three", 1)],
    )
    document = docx.Document()
    document.add_heading("Four", 1)
    document.add_paragraph(GOATS.format(4) * 3)
    document.save("shelf/part 4.docx")
    (shelf / "part 10.rst").write_text(f"Ten\n===\n\n{GOATS.format(10) * 3}\n")
    (shelf / "more" / "part 5.md.gz").write_bytes(gzip.compress(f"# Five\n\n{GOATS.format(5) * 3}".encode()))
    (shelf / ".hidden").write_text("secret")
    (shelf / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return run_main


ORDER = ["more/part 5.md.gz", "part 1.txt", "part 2.html", "part 3.epub", "part 4.docx", "part 10.rst"]


def parsed(outcome: Outcome, code: int = 0) -> dict[str, object]:
    assert (outcome.code, outcome.err) == (code, "")
    return json.loads(outcome.out)


def test_a_folder_is_read_into_one_memory_in_order(here: Callable[..., Outcome]) -> None:
    told = parsed(here("ingest", "shelf", "--json"))
    assert told["memory"] == "shelf"
    documents = told["documents"]
    assert [document["path"] for document in documents] == [f"shelf/{name}" for name in ORDER]
    assert [document["format"] for document in documents] == [
        "markdown",
        "text",
        "html",
        "epub",
        "docx",
        "rst",
    ]
    for document in documents:
        assert document["characters"] == document["characters_in_passages"] + sum(
            document["dropped"].values()
        )
    assert told["skipped"] == [
        {"path": "shelf/.hidden", "reason": "hidden"},
        {"path": "shelf/picture.png", "reason": "a picture"},
    ]
    with PassageStore(library.directory_of("shelf") / library.PASSAGES_FILE) as store:
        stored = {document.id: document.path for document in store.documents()}
        places = [
            (stored[passage.document_id].removeprefix("shelf/"), passage.section)
            for passage in store.passages_between(1, store.count())
        ]
    sections = ["Five", None, "Two", "Three", "Four", "Ten"]
    assert list(dict.fromkeys(places)) == list(zip(ORDER, sections, strict=True))

    answer = parsed(here("ask", "Who kept 4 goats?", "-n", "1", "--json"))
    assert answer["citations"][0]["document"] == "shelf/part 4.docx"
    assert answer["citations"][0]["section"] == "Four"


def test_one_bad_document_does_not_stop_the_others(here: Callable[..., Outcome]) -> None:
    Path("shelf/part 0.epub").write_bytes(b"PK\x03\x04 and no more")
    Path("shelf/letter.rtf").write_text("{\\rtf1 text}")
    told = parsed(here("ingest", "shelf", "--json"), code=7)
    assert len(told["documents"]) == 6
    assert [failure["path"] for failure in told["failed"]] == ["shelf/letter.rtf", "shelf/part 0.epub"]
    plain = here("ingest", "shelf/part*", "--memory", "parts")
    assert (plain.code, plain.out) == (7, "parts\n")
    assert "error: not everything was read; shelf/part 0.epub is a damaged ZIP archive" in plain.err


def test_a_shelf_that_grew_is_appended_to_and_nothing_is_read_twice(here: Callable[..., Outcome]) -> None:
    first = parsed(here("ingest", "shelf", "--json"))
    Path("shelf/part 11.txt").write_text(GOATS.format(11) * 3)
    assert here("ingest", "shelf").code == 2  # --append or --force has to be said
    grown = parsed(here("ingest", "shelf", "--append", "--json"))
    assert len(grown["unchanged"]) == 6
    assert grown["tokens"] > first["tokens"]
    again = parsed(here("ingest", "shelf", "--append", "--json"))
    assert (len(again["unchanged"]), again["tokens"], again["seconds"]) == (7, grown["tokens"], 0.0)


def test_a_dry_run_tells_what_would_be_read_and_keeps_nothing(
    here: Callable[..., Outcome], home: Path
) -> None:
    told = parsed(here("ingest", "shelf", "--dry-run", "--json"))
    assert told["dry_run"] is True
    assert told["tokens_counted"] is True
    assert told["pace_of"] is None
    assert told["seconds"] == pytest.approx(told["tokens"] / told["tokens_per_second"], rel=0.1, abs=0.1)
    assert not [
        path for path in home.rglob("*") if "memories" in path.parts or "current-memory" in path.parts
    ]
    read = parsed(here("ingest", "shelf", "--json"))
    assert told["tokens"] == pytest.approx(read["tokens"], rel=0.05)
    assert [d["path"] for d in told["documents"]] == [d["path"] for d in read["documents"]]

    plain = here("ingest", "shelf", "extra.txt", "--dry-run")
    assert plain.code == 3
    Path("extra.txt").write_text(GOATS.format(12) * 3)
    plain = here("ingest", "shelf", "extra.txt", "--append", "--dry-run")
    assert plain.code == 0
    assert "shelf/part 4.docx: already read, unchanged" in plain.out
    assert "extra.txt: text, 1 page with text" in plain.out
    assert plain.out.splitlines()[-1].startswith("into the memory 'shelf': about ")
    assert "skipped, a picture: shelf/picture.png" in plain.err
    before = parsed(here("memories", "show", "shelf", "--json"))
    assert len(before["documents"]) == 6


def test_a_dry_run_of_what_cannot_be_read_fails_as_the_read_would(here: Callable[..., Outcome]) -> None:
    Path("blank.txt").write_text(" \n")
    for flags in ([], ["--dry-run"]):
        outcome = here("ingest", "blank.txt", *flags)
        assert (outcome.code, outcome.out) == (3, "")
    Path("shelf/blank.txt").write_text(" \n")
    outcome = here("ingest", "shelf", "--dry-run", "--json")
    told = parsed(outcome, code=7)
    assert [failure["path"] for failure in told["failed"]] == ["shelf/blank.txt"]
    assert len(told["documents"]) == 6


def test_a_piped_book_is_read_by_its_content(here: Callable[..., Outcome]) -> None:
    command = [sys.executable, "-m", "infini_cli", "ingest", "-", "--json"]
    with open("shelf/part 3.epub", "rb") as stream:
        done = subprocess.run(command, stdin=stream, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    told = json.loads(done.stdout)
    assert [(d["path"], d["format"]) for d in told["documents"]] == [("-", "epub")]
