"""Damaged files given to the readers: each ends as pages or as an error in words, never as anything else.

    python -m tests.faults.fuzzing FIRST COUNT FOLDER

reads inputs FIRST, FIRST + 1, …, in one process with bounded memory, and prints a line of JSON before and after
each, so that whoever watches knows on which one it hung or crashed. INFINI_HOME says where memories are loaded.
"""

import json
import logging
import random
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from infini_cli.documents import open_document
from infini_cli.documents.messages import decode, encode, page_from_json, page_to_json
from infini_cli.documents.model import Page
from infini_cli.errors import DocumentError, SnapshotError
from infini_cli.reading import library
from infini_cli.reading.packing import unpack
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.records import parse_record
from infini_cli.reading.snapshot import read_snapshot
from tests.faults.mutations import mutate
from tests.faults.seeds import make_seeds

MEMORY_BYTES = 4 << 30  # of addresses, as in the extraction process
MAX_PAGES = 2000  # after which a document that has grown absurdly is left alone

READ, REFUSED, TOO_LARGE, FAULT = "read", "refused", "too large", "fault"


def make_input(number: int, seeds: Mapping[str, bytes]) -> tuple[str, bytes]:
    """The input of this number: a name, and a damaged file."""
    chance = random.Random(number)
    name = sorted(seeds)[number % len(seeds)]
    return name, mutate(name, seeds[name], chance, list(seeds.values()))


def read(file: Path, kind: str) -> str:
    """How reading a file ended; raises whatever a user should never see."""
    try:
        if file.name.endswith(".infini"):
            _load(file)
        elif kind == library.SNAPSHOT_FILE:
            snapshot = read_snapshot(file)
            snapshot.arrays()
            parse_record(snapshot.metadata, str(file))
        elif kind == library.PASSAGES_FILE:
            _query(file)
        else:
            _read_pages(file)
    except (DocumentError, SnapshotError) as error:
        return REFUSED if error.message.strip() else "refused without words"
    except MemoryError:
        return TOO_LARGE
    return READ


def _read_pages(file: Path) -> None:
    with closing(open_document(file)) as document:
        number = 0
        for number, page in enumerate(document.pages(), start=1):
            assert page.index == number, f"page {page.index} after {number - 1}"
            _check_page(page)
            if number == MAX_PAGES:
                return
        assert document.pages_total in (None, number), f"{number} pages of {document.pages_total}"


def _check_page(page: Page) -> None:
    """What the reader of documents relies on."""
    assert (page.skipped is None) or not page.text
    assert all(0 <= heading.offset <= len(page.text) for heading in page.headings)
    kind, content = decode(encode("page", page_to_json(page)))
    assert kind == "page"
    assert page_from_json(content) == page


def _load(file: Path) -> None:
    info = unpack(file, name="fuzzed", force=True)
    _query(info.directory / library.PASSAGES_FILE)


def _query(file: Path) -> None:
    with PassageStore(file, read_only=True) as store:
        store.check()
        store.check_values()
        store.index_is_sound()
        list(store.passages_between(1, 10**6))
        store.sections()
        store.search("heath OR chapter", 100)
        store.term_document_frequency("candle")


def results(first: int, count: int, folder: Path) -> Iterator[dict[str, Any]]:
    """What happened with each input: its number, name, outcome, seconds, and what went wrong."""
    logging.disable()  # what libraries remark on damaged files
    warnings.simplefilter("ignore")
    seeds = make_seeds(folder)
    for number in range(first, first + count):
        name, data = make_input(number, seeds)
        file = folder / name
        file.write_bytes(data)
        yield {"begun": number, "name": name}
        started = time.monotonic()
        fault = None
        try:
            outcome = read(file, name)
        except Exception:
            outcome, fault = FAULT, traceback.format_exc()
        yield {
            "done": number,
            "name": name,
            "outcome": outcome,
            "seconds": round(time.monotonic() - started, 3),
            "fault": fault,
            "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        }


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for result in results(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])):
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
