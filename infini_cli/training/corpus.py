"""The corpus on disk: `python -m infini_cli.training.corpus` builds it from the manifest into the cache."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from infini_cli.console import Reporter
from infini_cli.errors import DocumentError, InfiniError
from infini_cli.paths import cache_dir
from infini_cli.settings import DEFAULT_MODEL
from infini_cli.tokenizers.protocol import Tokenizer
from infini_cli.training.archives import read_files, read_r_strings
from infini_cli.training.books import Book, load_book, make_book, save_book
from infini_cli.training.cleaning import clean_text, decode
from infini_cli.training.fetch import fetch
from infini_cli.training.manifest import Item, Role, Source, load_manifest
from infini_cli.training.questions import (
    QUESTION_READERS,
    PassageSet,
    load_passage_sets,
    read_leads,
    save_passage_sets,
)

INDEX_SCHEMA = 1
DOWNLOADS = "downloads"
Entry = dict[str, Any]  # what the index says of one book or collection of questions


@dataclass(frozen=True)
class Corpus:
    """Books and questions, each with a role; tasks ask for those of one role."""

    books: tuple[Book, ...]
    question_files: dict[str, Path]

    def books_of(self, role: Role) -> tuple[Book, ...]:
        """The books of a role.

        Raises:
            ValueError: there is none.
        """
        books = tuple(book for book in self.books if book.role == role)
        if not books:
            raise ValueError(f"the corpus has no {role} book")
        return books

    @cached_property
    def _passage_sets(self) -> dict[str, list[PassageSet]]:
        return {name: load_passage_sets(path) for name, path in self.question_files.items()}

    def passage_sets(self, name: str, role: Role) -> list[PassageSet]:
        """The passages with questions of one source ("squad" or "hotpotqa") and role."""
        return [each for each in self._passage_sets[name] if each.role == role]


def corpus_dir() -> Path:
    """Where the built corpus lies."""
    return cache_dir() / "corpus"


def _book_text(item: Item, archive: Path) -> str:
    files = read_files(archive, item.files, item.leave_out)
    if item.reader == "leads":
        return "\n\n".join(lead.passages[0] for lead in read_leads(files[0][1]) if lead.role == item.role)
    if item.reader == "r-strings":
        vectors = [lines for lines in read_r_strings(files[0][1]) if lines[:1] == [item.first_line]]
        if len(vectors) != 1:
            raise ValueError(f"{archive.name} holds {len(vectors)} texts that begin with {item.first_line!r}")
        return clean_text("\n".join(vectors[0]))
    return "\n\n".join(clean_text(decode(content)) for _, content in files)


def _write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _recipe(source: Source, item: Item) -> str:
    """A hash of all that decides an item's content: another one means that it has to be made again."""
    parts = [source.sha256, item.reader, item.first_line, *item.files, "without", *item.leave_out]
    return sha256("\n".join(parts).encode()).hexdigest()


def _build_book(source: Source, item: Item, folder: Path, tokens_folder: Path, tokenizer: Tokenizer) -> Entry:
    text = _book_text(item, folder / DOWNLOADS / source.archive)
    book = make_book(item.name, item.title, item.role, text, tokenizer)
    _write_atomically(folder / "texts" / f"{item.name}.txt", book.text)
    save_book(book, tokens_folder)
    return {"role": item.role, "characters": len(book.text), "tokens": book.n_tokens}


def _build_questions(source: Source, item: Item, folder: Path) -> Entry:
    content = read_files(folder / DOWNLOADS / source.archive, item.files)[0][1]
    sets = QUESTION_READERS[item.reader](content)
    path = folder / "questions" / f"{item.name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_passage_sets(sets, path)
    return {"sets": len(sets), "questions": sum(len(each.questions) for each in sets)}


def build_corpus(
    tokenizer: Tokenizer,
    folder: Path,
    sources: Sequence[Source] | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Fetch, clean and tokenize whatever of the manifest is not in `folder` yet, and return the index.

    Layout: downloads/ARCHIVE, texts/NAME.txt, questions/NAME.jsonl, tokens/FINGERPRINT/NAME.* and, beside the
    tokens, index.json. A build that was interrupted goes on with the first item that is missing.

    Raises:
        DocumentError: an archive cannot be fetched or is not the one the manifest names.
    """
    tokens_folder = folder / "tokens" / tokenizer.fingerprint[:16]
    index_file = tokens_folder / "index.json"
    known = _read_index(index_file)
    books: dict[str, Entry] = {}
    questions: dict[str, Entry] = {}
    for source in load_manifest() if sources is None else sources:
        for item in (*source.books, *source.questions):
            is_book = item in source.books
            entries, old = (books, known["books"]) if is_book else (questions, known["questions"])
            recipe = _recipe(source, item)
            entry = old.get(item.name)
            if entry is None or entry["recipe"] != recipe:
                fetch(source, folder / DOWNLOADS)
                if is_book:
                    made = _build_book(source, item, folder, tokens_folder, tokenizer)
                else:
                    made = _build_questions(source, item, folder)
                report(f"{item.name}: " + ", ".join(f"{key} {value}" for key, value in made.items()))
                described = {"title": item.title, "source": source.name, "licence": source.licence}
                entry = {**described, **made, "recipe": recipe}
            entries[item.name] = entry
            # what an earlier build made, and this one has not come to yet, is kept
            kept = {"books": {**known["books"], **books}, "questions": {**known["questions"], **questions}}
            _write_index(index_file, tokenizer, kept)
    return _write_index(index_file, tokenizer, {"books": books, "questions": questions})


def _read_index(path: Path) -> dict[str, Any]:
    """The index of an earlier build, or an empty one."""
    index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return index if index.get("schema") == INDEX_SCHEMA else {"books": {}, "questions": {}}


def _write_index(path: Path, tokenizer: Tokenizer, entries: dict[str, Any]) -> dict[str, Any]:
    index = {"schema": INDEX_SCHEMA, "tokenizer": tokenizer.fingerprint, "dtype": "uint16", **entries}
    _write_atomically(path, json.dumps(index, indent=1))
    return index


def open_corpus(tokenizer: Tokenizer, folder: Path | None = None) -> Corpus:
    """The corpus built for this tokenizer.

    Raises:
        DocumentError: it has not been built.
    """
    folder = corpus_dir() if folder is None else folder
    tokens_folder = folder / "tokens" / tokenizer.fingerprint[:16]
    index_file = tokens_folder / "index.json"
    if not index_file.is_file():
        raise DocumentError(
            "the training texts have not been prepared for this tokenizer",
            hint="make data (or: python -m infini_cli.training.corpus)",
        )
    index = json.loads(index_file.read_text(encoding="utf-8"))
    books = tuple(
        load_book(name, entry["title"], entry["role"], folder / "texts" / f"{name}.txt", tokens_folder)
        for name, entry in index["books"].items()
    )
    return Corpus(books, {name: folder / "questions" / f"{name}.jsonl" for name in index["questions"]})


def main(argv: Sequence[str]) -> int:
    """Build the corpus for the default model's tokenizer, or another one's; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infini_cli.training.corpus", description=main.__doc__)
    parser.add_argument(
        "--tokenizer", metavar="MODEL", default=DEFAULT_MODEL, help="a model's name or path (%(default)s)"
    )
    arguments = parser.parse_args(argv)
    from infini_cli.tokenizers import load_tokenizer
    from infini_cli.zoo import resolve

    reporter = Reporter()
    try:
        tokenizer = load_tokenizer(resolve(arguments.tokenizer).folder)
        index = build_corpus(tokenizer, corpus_dir(), report=reporter.note)
    except InfiniError as error:
        reporter.show_error(error)
        return error.exit_code
    for role in ("train", "heldout"):
        total = sum(entry["tokens"] for entry in index["books"].values() if entry["role"] == role)
        reporter.note(f"{role}: {total:,} tokens in {corpus_dir()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
