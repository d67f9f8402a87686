"""Which documents are taken, by their content, and what is said of the others."""

import os
import zipfile
from pathlib import Path

import pytest

from infini_cli.documents import no_text_error, open_document
from infini_cli.documents.detect import NotADocumentError, detect_format
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
        ("a.txt", b"\xef\xbb\xbf  <!DOCTYPE HTML PUBLIC>\n<p>x", "html"),
        ("a", b"<?xml version='1.0'?>\n<!-- a page -->\n<html xmlns='x'>", "html"),
        ("wide", "<html><body>wide".encode("utf-16"), "html"),
        ("a.htm", b"<p>a piece of a page</p>", "html"),
        ("a.md", b"<p align=center>a picture</p>\n\n# heading", "markdown"),
        ("a.html", b"no markup at all", "text"),
        ("about.txt", b"A page begins with <html>.", "text"),
        ("a.xml", b"<?xml version='1.0'?><book>", "text"),
        ("a.rst", b"Title\n=====\n", "rst"),
        ("a.txt.gz", b"\x1f\x8b\x08\0\0\0\0\0", "gzip"),
        ("a", b"BZh91AY&SY", "bzip2"),
        ("a", b"BZhar is a name", "text"),
        ("a.pdf", b"\xfd7zXZ\0\0", "xz"),
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
        (b"\x28\xb5\x2f\xfd\0", "compressed with zstd"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "an old or encrypted Microsoft Office document"),
        (b"{\\rtf1\\ansi hello}", "an RTF document"),
        (b"%!PS-Adobe-3.0\n", "a PostScript file"),
        (b"PK\x03\x04 and no more", "a damaged ZIP archive"),
        (b"name".ljust(257, b"\0") + b"ustar\0", "a tar archive"),
        (b"Book".ljust(60, b"\0") + b"BOOKMOBI", "a Kindle book"),
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
        ("ppt/presentation.xml", "a PowerPoint document"),
        ("xl/workbook.xml", "an Excel document"),
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


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (["META-INF/container.xml"], "epub"),
        (["[Content_Types].xml", "word/document.xml"], "docx"),
    ],
)
def test_a_zip_of_a_document_is_that_document(tmp_path: Path, members: list[str], expected: str) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, "content")
    assert detect_format(path, "a.zip") == expected


@pytest.mark.parametrize(
    ("content", "is_document"),
    [
        (b"\x89PNG\r\n\x1a\n", False),
        (b"", False),
        (bytes(range(256)), False),
        (b"{\\rtf1", True),
        (b"%!PS", True),
    ],
)
def test_files_without_text_are_told_from_documents_that_are_not_read(
    tmp_path: Path, content: bytes, is_document: bool
) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    assert isinstance(refusal(path), NotADocumentError) is not is_document


def test_a_document_without_text_is_explained() -> None:
    error = no_text_error("my scan.pdf", "pdf")
    assert error.hint == "give it a text layer first: ocrmypdf 'my scan.pdf' with-text.pdf"
    assert no_text_error("blank.txt", "text").hint is None
