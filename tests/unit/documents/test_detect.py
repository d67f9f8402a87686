"""Which documents are taken, by their content, and what is said of the others."""

import os
import zipfile
from pathlib import Path

import pytest

from infini_cli.documents import no_text_error, open_document
from infini_cli.documents.detect import detect_format
from infini_cli.errors import DocumentError
from tests.unit.documents.pdf_files import write_pages


def refusal(path: Path) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        open_document(path)
    return caught.value


@pytest.mark.parametrize(
    ("file_name", "content", "expected"),
    [
        ("a.txt", b"plain words", "text"),
        ("a", b"# no suffix", "text"),
        ("a.md", b"# heading", "markdown"),
        ("a.MARKDOWN", b"words", "markdown"),
        ("a.pdf", b"a text by a wrong name", "text"),
        ("a.txt", b"%PDF-1.7\n", "pdf"),
        ("a.txt", b"\n\n%PDF-1.7\n", "pdf"),
        ("mail.pdf", b"Content-Type: application/pdf\n\n%PDF-1.4\n" + b"x" * 2000 + b"\n%%EOF\n", "pdf"),
        ("about.txt", b"A PDF begins with %PDF-1.7.\n", "text"),
        ("wide.txt", "wide".encode("utf-16"), "text"),
        ("wide.md", "wide characters without a mark".encode("utf-16-be"), "markdown"),
    ],
)
def test_the_format_comes_from_the_content(
    tmp_path: Path, file_name: str, content: bytes, expected: str
) -> None:
    path = tmp_path / file_name
    path.write_bytes(content)
    assert detect_format(path, file_name) == expected


def test_a_pdf_under_another_name_is_read_as_a_pdf(tmp_path: Path) -> None:
    document = open_document(write_pages(tmp_path / "notes.txt", ["inside"]), name="-")
    assert (document.path, document.format, document.pages_total) == ("-", "pdf", 1)
    assert [page.text.strip() for page in document.pages()] == ["inside"]
    document.close()


def test_a_missing_file_is_named_with_the_nearest_one_there(tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(b"x")
    error = refusal(tmp_path / "reprot.pdf")
    assert "does not exist" in error.message
    assert error.hint == f"did you mean {tmp_path / 'report.pdf'}?"
    assert refusal(tmp_path / "nowhere" / "a.pdf").hint == f"there is no folder {tmp_path / 'nowhere'}"


def test_what_is_not_a_readable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty.txt").touch()
    assert refusal(tmp_path / "empty.txt").message.endswith("is empty")
    assert refusal(tmp_path).message.endswith("is a folder")
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe").message.endswith("is not a regular file")
    assert "cannot be read" in refusal(tmp_path / "nul\0name").message
    assert "cannot be read" in refusal(tmp_path / ("long" * 100)).message

    def deny(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "locked.txt").write_text("locked")
    monkeypatch.setattr(Path, "open", deny)
    assert refusal(tmp_path / "locked.txt").message.startswith("no permission to read")


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_permissions_of_the_file_system_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "locked.txt"
    path.write_text("locked")
    path.chmod(0)
    assert refusal(path).message.startswith("no permission to read")


@pytest.mark.parametrize(
    ("content", "description"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a picture"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "compressed with gzip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "an old Microsoft Office document"),
        (b"{\\rtf1\\ansi hello}", "an RTF document"),
        (b"%!PS-Adobe-3.0\n", "a PostScript file"),
        (b"PK\x03\x04 and no more", "a damaged ZIP archive"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0", "a binary file"),
        (bytes(range(256)) * 8, "a binary file"),
    ],
)
def test_other_kinds_of_file_are_named(tmp_path: Path, content: bytes, description: str) -> None:
    path = tmp_path / "thing.pdf"
    path.write_bytes(content)
    assert f"is {description}" in refusal(path).message


@pytest.mark.parametrize(
    ("member", "description"),
    [
        ("word/document.xml", "a Word document"),
        ("META-INF/container.xml", "an EPUB book"),
        ("content.xml", "an OpenDocument file"),
        ("holiday.jpg", "a ZIP archive"),
    ],
)
def test_a_zip_is_named_by_what_is_in_it(tmp_path: Path, member: str, description: str) -> None:
    path = tmp_path / "it's a file.docx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, "content")
    error = refusal(path)
    assert f"is {description}" in error.message
    assert error.hint is not None
    assert "{" not in error.hint


def test_a_document_without_text_is_explained() -> None:
    error = no_text_error("my scan.pdf", "pdf")
    assert error.hint == "give it a text layer first: ocrmypdf 'my scan.pdf' with-text.pdf"
    assert no_text_error("blank.txt", "text").hint is None
