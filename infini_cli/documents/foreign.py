"""Files of other kinds, told by their first bytes, each with a way to a document that is read."""

from pathlib import Path
from typing import NamedTuple

from infini_cli.documents.zip_archive import MemberError, ZipArchive
from infini_cli.errors import DocumentError

_OFFICE = "make a PDF of it first: libreoffice --headless --convert-to pdf {file}"
_PICTURE = "make a PDF with a text layer of it first: ocrmypdf --image-dpi 300 {file} scan.pdf"
_UNPACK = "unpack it and give the documents inside, or the folder"


class Foreign(NamedTuple):
    """A kind of file that is not read.

    Attributes:
        description: with its article.
        hint: with a field {file}.
        is_document: it holds text that a reader would miss; else a folder of documents is whole without it.
    """

    description: str
    hint: str
    is_document: bool


_SIGNATURES: tuple[tuple[bytes, Foreign], ...] = (
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        Foreign("an old or encrypted Microsoft Office document", _OFFICE, True),
    ),
    (b"{\\rtf", Foreign("an RTF document", _OFFICE, True)),
    (b"%!PS", Foreign("a PostScript file", "make a PDF of it first: ps2pdf {file}", True)),
    (b"\x89PNG\r\n\x1a\n", Foreign("a picture", _PICTURE, False)),
    (b"\xff\xd8\xff", Foreign("a picture", _PICTURE, False)),
    (b"GIF87a", Foreign("a picture", _PICTURE, False)),
    (b"GIF89a", Foreign("a picture", _PICTURE, False)),
    (b"II*\0", Foreign("a picture", _PICTURE, False)),
    (b"MM\0*", Foreign("a picture", _PICTURE, False)),
    (
        b"AT&TFORM",
        Foreign("a DjVu document", "make a PDF of it first: ddjvu -format=pdf {file} scan.pdf", True),
    ),
    (b"\x28\xb5\x2f\xfd", Foreign("compressed with zstd", "unpack it first: zstd -d {file}", True)),
    (b"7z\xbc\xaf\x27\x1c", Foreign("a 7z archive", _UNPACK, False)),
    (b"Rar!\x1a\x07", Foreign("a RAR archive", _UNPACK, False)),
)
_TAR_MARK, _TAR_MARK_OFFSET = b"ustar", 257
_MOBI_MARKS, _MOBI_MARK_OFFSET = (b"BOOKMOBI", b"TEXtREAd"), 60
_MOBI = "make an EPUB of it first: ebook-convert {file} book.epub"

ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_OPEN_DOCUMENT = b"application/vnd.oasis.opendocument"
# The start of a member's name, and what a ZIP with such a member is.
_ZIP_MEMBERS: tuple[tuple[str, Foreign], ...] = (
    ("ppt/", Foreign("a PowerPoint document", _OFFICE, True)),
    ("xl/", Foreign("an Excel document", _OFFICE, True)),
    ("content.xml", Foreign("an OpenDocument file", _OFFICE, True)),
)
_OTHER_ZIP = Foreign("a ZIP archive", _UNPACK, False)


def foreign_format(head: bytes) -> Foreign | None:
    """What a file that is no ZIP is, by its first bytes; None for what is not known here."""
    for signature, foreign in _SIGNATURES:
        if head.startswith(signature):
            return foreign
    if head.startswith(_TAR_MARK, _TAR_MARK_OFFSET):
        return Foreign("a tar archive", _UNPACK, False)
    if head.startswith(_MOBI_MARKS, _MOBI_MARK_OFFSET):
        return Foreign("a Kindle book", _MOBI, True)
    return None


def zip_format(path: Path, name: str) -> str | Foreign:
    """What a ZIP archive is: "epub", "docx", or something that is not read.

    Raises:
        DocumentError: it is damaged.
    """
    with ZipArchive(path, name) as archive:
        names = archive.names
        kind = b""
        if "mimetype" in names:
            try:
                kind = archive.read("mimetype", 1024)
            except MemberError as error:
                raise DocumentError(
                    f"{name} is damaged: {error}", hint="copy or download it again"
                ) from error
    if archive.find("META-INF/container.xml") or kind.strip() == b"application/epub+zip":
        return "epub"
    if not kind.startswith(_OPEN_DOCUMENT) and any(member.startswith("word/") for member in names):
        return "docx"
    for start, foreign in _ZIP_MEMBERS:
        if any(member.startswith(start) for member in names):
            return foreign
    return _OTHER_ZIP
