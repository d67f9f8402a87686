"""Places to read at, and memories made by the fake engine under their names."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infini_cli.reading import library
from infini_cli.reading.options import ReadingOptions
from infini_cli.reading.plan import plan_reading
from infini_cli.reading.reader import read_documents
from tests.unit.reading.desk import Desk
from tests.unit.reading.fakes import CountingEngine, Shelf, book


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def make_memory() -> Callable[..., Path]:
    """`make_memory("name", pages=2)` reads a small book into a memory of that name and returns its folder."""

    def make(name: str, *, pages: int = 2) -> Path:
        shelf = Shelf()
        plan = plan_reading(name, None, [shelf.add("book.pdf", book(pages))], "same")
        directory = library.directory_of(name)
        directory.parent.mkdir(parents=True, exist_ok=True)
        read_documents(plan, directory, CountingEngine(), ReadingOptions(open_pages=shelf.open))
        return directory

    return make
