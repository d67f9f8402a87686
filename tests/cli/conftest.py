"""A finished memory on disk, made without a model."""

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from infini_cli.reading import library
from infini_cli.reading.passages import Passage, PassageStore
from infini_cli.reading.records import DocumentRecord, MemoryRecord, SkippedPage
from infini_cli.reading.snapshot import write_snapshot

TEXT = "It was a bright cold day in April, and the clocks were striking thirteen."


@pytest.fixture
def make_memory(home: Path) -> Callable[..., Path]:
    """`make_memory("book")` puts a memory of one small document into the library and returns its folder."""

    def make(name: str, *, current: bool = True, complete: bool = True) -> Path:
        directory = library.directory_of(name)
        directory.mkdir(parents=True)
        document = DocumentRecord(
            path="book.pdf",
            content_hash="0" * 64,
            format="pdf",
            pages_total=3,
            pages_read=2,
            pages_skipped=[SkippedPage(page=3, reason="no text on it", fault=False)],
            characters=len(TEXT),
            tokens=18,
            segments=1,
            complete=complete,
        )
        now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc).isoformat()
        record = MemoryRecord(
            created=now,
            updated=now,
            program="0.1.0",
            model="for-tests-tiny",
            fingerprints={"model": "a", "adapter": "b", "tokenizer": "c", "memory": "d"},
            segment_length=64,
            device="cpu",
            dtype="float32",
            documents=[document],
            tokens=18,
            segments=1,
            passages=1,
            memory_bytes=16,
            complete=complete,
        )
        write_snapshot(
            directory / library.SNAPSHOT_FILE, {"matrix": np.ones((2, 2), np.float32)}, record.model_dump()
        )
        with PassageStore(directory / library.PASSAGES_FILE, create=True) as store:
            number = store.add_document(document.path, document.content_hash, document.format)
            store.add([Passage(1, number, 1, "i", None, None, 0, len(TEXT), 18, TEXT)])
            store.commit()
        if current:
            library.set_current(name)
        return directory

    return make
