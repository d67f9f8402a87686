"""What the corpus is made of, from manifest.toml: the packages, their hashes and the books inside."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Role = Literal["train", "heldout"]

MANIFEST_FILE = Path(__file__).with_name("manifest.toml")
REGISTRIES = ("pypi", "npm", "debian")
BOOK_READERS = ("text", "r-strings", "leads")
QUESTION_READERS = ("squad", "hotpotqa", "leads")


@dataclass(frozen=True, slots=True)
class Item:
    """A book, or a set of questions, inside an archive."""

    name: str
    title: str
    reader: str
    files: tuple[str, ...]  # patterns, with the source's root in front
    leave_out: tuple[str, ...]
    role: Role
    first_line: str  # for "r-strings": the first line of the wanted book


@dataclass(frozen=True, slots=True)
class Source:
    """One archive of one registry."""

    name: str
    registry: str
    package: str
    version: str
    archive: str
    sha256: str
    licence: str
    books: tuple[Item, ...]
    questions: tuple[Item, ...]


def _item(table: dict[str, Any], root: str, readers: tuple[str, ...]) -> Item:
    item = Item(
        name=table["name"],
        title=table["title"],
        reader=table.get("reader", "text"),
        files=tuple(f"{root}/{pattern}" for pattern in table["files"]),
        leave_out=tuple(f"{root}/{pattern}" for pattern in table.get("leave_out", ())),
        role=table.get("role", "train"),
        first_line=table.get("first_line", ""),
    )
    if item.reader not in readers:
        raise ValueError(f"{item.name}: reader {item.reader!r} is none of {', '.join(readers)}")
    if item.role not in ("train", "heldout"):
        raise ValueError(f"{item.name}: role {item.role!r} is neither train nor heldout")
    return item


def load_manifest(path: Path = MANIFEST_FILE) -> tuple[Source, ...]:
    """Read the manifest.

    Raises:
        ValueError: an unknown registry, reader or role, or a name used twice.
    """
    with path.open("rb") as stream:
        tables = tomllib.load(stream)["source"]
    sources = tuple(
        Source(
            name=table["name"],
            registry=table["registry"],
            package=table["package"],
            version=table["version"],
            archive=table["archive"],
            sha256=table["sha256"],
            licence=table["licence"],
            books=tuple(_item(book, table["root"], BOOK_READERS) for book in table.get("book", ())),
            questions=tuple(
                _item(each, table["root"], QUESTION_READERS) for each in table.get("questions", ())
            ),
        )
        for table in tables
    )
    names = [item.name for source in sources for item in (*source.books, *source.questions)]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"names used more than once in {path.name}: {', '.join(repeated)}")
    unknown = sorted({source.registry for source in sources} - set(REGISTRIES))
    if unknown:
        raise ValueError(f"unknown registries in {path.name}: {', '.join(unknown)}")
    return sources
