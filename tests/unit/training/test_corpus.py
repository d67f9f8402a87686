"""The corpus: fetched with checked hashes, cleaned, tokenized, built once; and what the manifest may hold."""

import hashlib
import io
import json
import tarfile
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infini_cli.errors import DocumentError
from infini_cli.training import corpus as corpus_module
from infini_cli.training import fetch as fetch_module
from infini_cli.training.archives import read_files, read_r_strings
from infini_cli.training.cleaning import clean_text, decode
from infini_cli.training.corpus import build_corpus, open_corpus
from infini_cli.training.manifest import Source, load_manifest
from infini_cli.training.questions import read_hotpotqa, read_leads, read_squad
from tests.unit.training.conftest import ByteTokenizer

MANIFEST = """
schema = 1
[[source]]
name = "novels"
registry = "pypi"
package = "novels"
version = "1"
archive = "novels-1-py3-none-any.whl"
sha256 = "SHA"
licence = "public domain"
root = "novels/data"
[[source.book]]
name = "sea"
title = "The Sea"
files = ["sea_*.txt"]
leave_out = ["sea_3.txt"]
[[source.book]]
name = "hill"
title = "The Hill"
role = "heldout"
files = ["hill.txt"]
[[source.questions]]
name = "leads"
title = "Leads"
reader = "leads"
files = ["leads.json"]
"""
FILES = {
    "novels/data/sea_1.txt": "The sea was calm.\r\nNobody spoke.\r\n\r\nThe end of one.",
    "novels/data/sea_2.txt": "A second part begins. It is short.",
    "novels/data/sea_3.txt": "This part is reserved.",
    "novels/data/hill.txt": "A hill stood there. It was green.",
    "novels/data/leads.json": json.dumps({"Oak": {"extract": "An oak is a tree."}}),
}


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Source, ...]:
    """A manifest of one wheel, which lies where downloads go."""
    archive = tmp_path / "corpus" / "downloads" / "novels-1-py3-none-any.whl"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as wheel:
        for name, text in FILES.items():
            wheel.writestr(name, text)
    manifest = tmp_path / "manifest.toml"
    manifest.write_text(MANIFEST.replace("SHA", hashlib.sha256(archive.read_bytes()).hexdigest()))
    return load_manifest(manifest)


def test_a_built_corpus_has_its_books_in_their_roles(
    sources: tuple[Source, ...], tmp_path: Path, tokenizer: ByteTokenizer
) -> None:
    folder = tmp_path / "corpus"
    index = build_corpus(tokenizer, folder, sources)
    built = open_corpus(tokenizer, folder)
    (sea,), (hill,) = built.books_of("train"), built.books_of("heldout")
    expected = "The sea was calm. Nobody spoke.\n\nThe end of one.\n\nA second part begins. It is short."
    assert sea.text.strip() == expected
    assert tokenizer.decode(sea.tokens["flowing"].tolist()).strip() == expected
    assert hill.n_tokens == index["books"]["hill"]["tokens"]
    assert [each.title for each in built.passage_sets("leads", "heldout")] == ["Oak"]


def test_building_again_makes_only_what_is_missing(
    sources: tuple[Source, ...], tmp_path: Path, tokenizer: ByteTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "corpus"
    made: list[str] = []
    build_corpus(tokenizer, folder, [replace(sources[0], books=sources[0].books[:1])], made.append)
    whole = build_corpus(tokenizer, folder, sources, made.append)
    assert [line.split(":")[0] for line in made] == ["sea", "leads", "hill"]

    def no_fetch(source: Source, folder: Path) -> Path:
        raise AssertionError("nothing is to be fetched")

    monkeypatch.setattr(corpus_module, "fetch", no_fetch)
    assert build_corpus(tokenizer, folder, sources, made.append) == whole
    assert len(made) == 3


def test_a_changed_manifest_entry_is_built_anew(
    sources: tuple[Source, ...], tmp_path: Path, tokenizer: ByteTokenizer
) -> None:
    folder = tmp_path / "corpus"
    build_corpus(tokenizer, folder, sources)
    (source,) = sources
    shorter = replace(source.books[0], files=("novels/data/sea_2.txt",))
    made: list[str] = []
    build_corpus(tokenizer, folder, [replace(source, books=(shorter, source.books[1]))], made.append)
    assert [line.split(":")[0] for line in made] == ["sea"]
    assert "calm" not in open_corpus(tokenizer, folder).books_of("train")[0].text


def test_an_archive_with_another_hash_is_refused(
    sources: tuple[Source, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(command: list[str], *, cwd: str, **options: Any) -> Any:
        (Path(cwd) / sources[0].archive).write_bytes(b"something else")
        return fetch_module.subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(fetch_module.subprocess, "run", download)
    with pytest.raises(DocumentError, match="not the file in the manifest"):
        fetch_module.fetch(sources[0], tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_missing_client_is_named(
    sources: tuple[Source, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module.shutil, "which", lambda name: None)
    with pytest.raises(DocumentError, match="npm is not installed"):
        fetch_module.fetch(replace(sources[0], registry="npm"), tmp_path / "empty")


def test_a_corpus_that_was_not_built_says_how_to_build_it(tmp_path: Path, tokenizer: ByteTokenizer) -> None:
    with pytest.raises(DocumentError) as caught:
        open_corpus(tokenizer, tmp_path)
    assert caught.value.hint is not None
    assert "make data" in caught.value.hint


def test_reserved_works_are_in_no_book_of_the_manifest() -> None:
    sources = load_manifest()
    heldout = {book.name for source in sources for book in source.books if book.role == "heldout"}
    assert heldout == {"northanger-abbey", "moby-dick", "the-monster-men"}
    titles = " ".join(book.title for source in sources for book in source.books).lower()
    for work in (
        "persuasion",
        "war of the worlds",
        "crome yellow",
        "voyage out",
        "on liberty",
        "lear",
        "othello",
    ):
        assert work not in titles
    addresses = [book for source in sources for book in source.books if "state-of-the-union" in book.name]
    left_out = " ".join(pattern for book in addresses for pattern in book.leave_out)
    assert all(f"/{year}_" in left_out for year in (1793, 1863, 1912, 1946, 1981, 2001, 2009))


def test_files_come_out_of_tar_and_debian_packages(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in ("./usr/share/a.txt", "./usr/share/b.txt"):
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(name[-5:-4].encode() * 3))
    package = tmp_path / "texts.tgz"
    package.write_bytes(buffer.getvalue())

    def entry(name: str, content: bytes) -> bytes:
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(content):<10}`\n".encode()
        return header + content + b"\n" * (len(content) % 2)

    debian = tmp_path / "texts.deb"
    members = (
        entry("debian-binary", b"2.0\n")
        + entry("control.tar.gz", b"odd")
        + entry("data.tar.gz", buffer.getvalue())
    )
    debian.write_bytes(b"!<arch>\n" + members)
    for archive in (package, debian):
        assert read_files(archive, ("usr/share/*.txt",), ("*/b.txt",)) == [("usr/share/a.txt", b"aaa")]
        with pytest.raises(ValueError, match="nothing that matches"):
            read_files(archive, ("usr/share/*.txt", "c.txt"))


def test_character_vectors_come_out_of_an_r_database() -> None:
    def number(value: int) -> bytes:
        return value.to_bytes(4, "big", signed=True)

    def vector(lines: list[str | None]) -> bytes:
        block = b"X\n" + number(3) + number(0x040201) + number(0x030500) + number(5) + b"UTF-8" + number(16)
        block += number(len(lines))
        for line in lines:
            encoded = b"" if line is None else line.encode()
            block += number(0x40009) + number(-1 if line is None else len(encoded)) + encoded
        return number(len(block)) + zlib.compress(block)

    content = vector(["EMMA", "", "Chapter I"]) + vector(["Naïve", None])
    assert read_r_strings(content) == [["EMMA", "", "Chapter I"], ["Naïve", ""]]


def test_cleaning_joins_lines_and_drops_notices_and_licences() -> None:
    raw = (
        "\ufeffProduced by Someone\r\r\nand others\r\r\n\r\r\nIt was a dark\r\r\nnight.\r\r\n"
        " \r\r\n&nbsp;\r\r\n\r\r\n"
        "He said: nothing.\r\r\n\r\r\n*** END OF THE PROJECT GUTENBERG EBOOK ***\r\r\nThis licence"
    )
    assert clean_text(raw) == "It was a dark night.\n\nHe said: nothing."
    assert decode("naïve".encode("cp1252")) == decode("naïve".encode()) == "naïve"


def test_collections_of_questions_are_split_for_good() -> None:
    def article(title: str) -> dict[str, Any]:
        asked = [
            {
                "question": "Who? ",
                "is_impossible": False,
                "answers": [{"text": "the king"}, {"text": "king"}, {"text": "king"}],
            },
            {"question": "Why?", "is_impossible": True, "answers": []},
        ]
        return {"title": title, "paragraphs": [{"context": "The king.", "qas": asked}]}

    squad = read_squad(
        json.dumps({"data": [article(f"A_{number:02}") for number in reversed(range(30))]}).encode()
    )
    assert [each.title for each in squad if each.role == "train"] == [
        f"A {number:02}" for number in range(24)
    ]
    answerable, impossible = squad[0].questions
    assert answerable.answers == ("king", "the king")
    assert impossible.answers == ()

    entries = [
        {
            "_id": f"{number}",
            "question": "Both?",
            "answer": "yes",
            "supporting_facts": [["T2", 0], ["T0", 1]],
            "context": [[f"T{place}", ["One.", " Two."]] for place in range(3)],
        }
        for number in range(4)
    ]
    pairs = read_hotpotqa(json.dumps(entries[::-1]).encode())
    assert [each.role for each in pairs] == ["train", "train", "heldout", "heldout"]
    assert pairs[0].passages[1] == "T1: One. Two."
    assert pairs[0].questions[0].needed == (0, 2)

    leads = read_leads(json.dumps({f"L{number:03}": {"extract": "It is."} for number in range(40)}).encode())
    assert [each.title for each in leads if each.role == "heldout"] == ["L000", "L020"]
