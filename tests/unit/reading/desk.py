"""A place to read at: a folder, a shelf of documents, an engine."""

from dataclasses import replace
from pathlib import Path

from infini_cli.documents import Page
from infini_cli.documents.model import IMAGE_ONLY
from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE
from infini_cli.reading.options import ReadingOptions
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.plan import Mode, Source, plan_reading
from infini_cli.reading.reader import read_documents
from infini_cli.reading.records import MemoryRecord, parse_record
from infini_cli.reading.report import ReadingReport
from infini_cli.reading.snapshot import read_snapshot
from tests.unit.reading.fakes import CountingEngine, Shelf, book, prose


class Desk:
    """A place to read at: a folder, a shelf of documents, an engine."""

    def __init__(self, folder: Path) -> None:
        self.target = folder / "memories" / "m"
        self.shelf = Shelf()
        self.options = ReadingOptions(open_pages=self.shelf.open)

    def read(
        self, *sources: Source, engine: CountingEngine | None = None, mode: Mode = "same", **options: object
    ) -> ReadingReport:
        plan = plan_reading("m", self.record() if self.target.exists() else None, sources, mode)
        engine = engine if engine is not None else CountingEngine()
        return read_documents(plan, self.target, engine, replace(self.options, **options))  # type: ignore[arg-type]

    def record(self) -> MemoryRecord:
        return parse_record(read_snapshot(self.target / SNAPSHOT_FILE).metadata, "m")

    def memory(self) -> dict[str, object]:
        """All of a memory that must not depend on interruptions."""
        snapshot = read_snapshot(self.target / SNAPSHOT_FILE)
        record = parse_record(snapshot.metadata, "m")
        with PassageStore(self.target / PASSAGES_FILE) as store:
            return {
                "arrays": {name: array.tobytes() for name, array in snapshot.arrays().items()},
                "record": record.model_dump(exclude={"created", "updated", "seconds", "passages_sha256"}),
                "passages": list(store.passages_between(1, 10**6)),
                "sections": store.sections(),
                "documents": store.documents(),
                "found": store.search("heath OR chapter", 1000),
            }


def long_page() -> Page:
    """A page of many chunks, so that stops also fall in its middle."""
    return Page(4, "p4", prose(99, 60))


def shelf_of_two(desk: Desk) -> list[Source]:
    pages = book(6, sentences=10)
    pages[3] = long_page()
    pages[4] = Page(5, "p5", "", skipped=IMAGE_ONLY)
    return [desk.shelf.add("a.pdf", pages), desk.shelf.add("b.pdf", book(3))]
