"""The documents that names on a command line stand for."""

import io
import os
import sys
import tempfile
from pathlib import Path

import pytest

from infini_cli.documents import content_hash
from infini_cli.documents.shelves import Skipped
from infini_cli.errors import DocumentError, UsageError
from infini_cli.reading.records import MemoryRecord
from infini_cli.reading.report import ReadingReport
from infini_cli.reading.sources import find_sources

MEMORY = MemoryRecord(
    created="",
    updated="",
    program="",
    model="m",
    fingerprints={},
    segment_length=16,
    device="cpu",
    dtype="float32",
)


def test_sources_are_hashed_and_named_as_given(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("Some text.")
    (tmp_path / "b.txt").write_text("Some text.")
    with find_sources([str(file), str(tmp_path / "b.txt")]) as found:
        (source,) = found.sources
        assert (source.shown, source.size_bytes) == (str(file), 10)
        assert source.content_hash == content_hash(file)
        assert found.skipped == (Skipped(str(tmp_path / "b.txt"), f"a copy of {file}"),)


def test_a_document_that_is_not_there_stops_everything_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Some text.")
    names = [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]
    with pytest.raises(DocumentError, match="does not exist"), find_sources(names):
        pytest.fail("found")


def test_an_unreadable_document_stops_only_when_it_is_alone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Some text.")
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(DocumentError, match="empty"), find_sources([str(tmp_path / "empty.txt")]):
        pytest.fail("found")
    with find_sources([str(tmp_path / "a.txt"), str(tmp_path / "empty.txt")]) as found:
        assert len(found.sources) == 2


def test_of_a_folder_only_documents_are_sources(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Some text.")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "c.rtf").write_text("{\\rtf1 text}")
    with find_sources([str(tmp_path)]) as found:
        assert [source.path.name for source in found.sources] == ["a.txt"]
        assert found.skipped == (Skipped(str(tmp_path / "b.png"), "a picture"),)
        assert [failure.path for failure in found.failures] == [str(tmp_path / "c.rtf")]
        report = found.in_account(ReadingReport(MEMORY, (), (), (), 1.0, 1, False))
    assert report.failures == found.failures
    assert report.partial
    (tmp_path / "a.txt").unlink()
    with pytest.raises(DocumentError, match="is an RTF document"), find_sources([str(tmp_path)]):
        pytest.fail("found")


class Stdin(io.TextIOWrapper):
    """Standard input with a document, or a terminal."""

    def __init__(self, data: bytes, *, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(data))
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def test_standard_input_is_kept_as_a_file_for_the_time_of_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", Stdin(b"Piped text."))
    with find_sources(["-"]) as found:
        (source,) = found.sources
        assert source.shown == "-"
        assert source.path.read_bytes() == b"Piped text."
    assert os.listdir(tmp_path) == []


def test_a_terminal_is_no_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b"", terminal=True))
    with pytest.raises(UsageError, match="terminal"), find_sources(["-"]):
        pytest.fail("read")
    with pytest.raises(UsageError, match="only once"), find_sources(["-", "-"]):
        pytest.fail("read")
