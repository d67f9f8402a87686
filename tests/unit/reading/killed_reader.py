"""A process that reads a small book again and again until it is killed or done; see test_kill.py."""

import sys
import time
from pathlib import Path

from infini_cli.reading.library import SNAPSHOT_FILE
from infini_cli.reading.options import ReadingOptions
from infini_cli.reading.plan import plan_reading
from infini_cli.reading.reader import read_documents
from infini_cli.reading.records import parse_record
from infini_cli.reading.snapshot import read_snapshot
from tests.unit.reading.fakes import CountingEngine, Shelf, book

PAGES = 120


def read(target: Path, *, pause_s: float = 0.0, checkpoint_seconds: float = 60.0) -> None:
    """Read into `target`, or go on there."""
    shelf = Shelf()
    sources = [shelf.add("a.pdf", book(PAGES)), shelf.add("b.pdf", book(3))]
    record = None
    if target.exists():
        record = parse_record(read_snapshot(target / SNAPSHOT_FILE).metadata, "m")
    engine = CountingEngine(before_read=lambda: time.sleep(pause_s))
    options = ReadingOptions(open_pages=shelf.open, checkpoint_seconds=checkpoint_seconds)
    read_documents(plan_reading("m", record, sources, "same"), target, engine, options)


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    read(Path(sys.argv[1]), pause_s=0.005, checkpoint_seconds=0.0)
