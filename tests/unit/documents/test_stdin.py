"""Standard input as a document."""

import io
from pathlib import Path

import pytest

from infini_cli.documents import open_document
from infini_cli.documents.stdin import spool_stdin
from infini_cli.errors import DocumentError


@pytest.mark.parametrize("content", [b"Gr\xf6\xdfe\r\n", b"x" * 3_000_000])
def test_the_bytes_are_kept_as_they_came(tmp_path: Path, content: bytes) -> None:
    path = spool_stdin(io.BytesIO(content), tmp_path)
    assert path.parent == tmp_path
    assert path.read_bytes() == content
    through_text = spool_stdin(io.TextIOWrapper(io.BytesIO(content)), tmp_path)
    assert through_text.read_bytes() == content


def test_a_spooled_document_is_opened_as_a_dash(tmp_path: Path) -> None:
    document = open_document(spool_stdin(io.BytesIO(b"some words\n"), tmp_path), name="-")
    assert document.path == "-"
    assert [page.text for page in document.pages()] == ["some words\n"]
    document.close()


def test_nothing_at_all_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="standard input is empty"):
        spool_stdin(io.BytesIO(b""), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_copy_leaves_nothing(tmp_path: Path) -> None:
    class Interrupted(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise KeyboardInterrupt
            return super().read(size)

    with pytest.raises(KeyboardInterrupt):
        spool_stdin(Interrupted(b"x" * 3_000_000), tmp_path)
    assert list(tmp_path.iterdir()) == []
