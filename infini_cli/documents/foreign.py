"""Files of other kinds, told by their first bytes, each with a way to a PDF or a text."""

import zipfile
from pathlib import Path

_OFFICE = "make a PDF of it first: libreoffice --headless --convert-to pdf {file}"
_PICTURE = "make a PDF with a text layer of it first: ocrmypdf --image-dpi 300 {file} scan.pdf"
_UNPACK = "unpack it and give the documents inside"
_EPUB = "make a text of it first: pandoc --to plain --output book.txt {file}"

# First bytes, what the file is, and what to do.
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office document", _OFFICE),
    (b"{\\rtf", "an RTF document", _OFFICE),
    (b"%!PS", "a PostScript file", "make a PDF of it first: ps2pdf {file}"),
    (b"\x89PNG\r\n\x1a\n", "a picture", _PICTURE),
    (b"\xff\xd8\xff", "a picture", _PICTURE),
    (b"GIF87a", "a picture", _PICTURE),
    (b"GIF89a", "a picture", _PICTURE),
    (b"II*\0", "a picture", _PICTURE),
    (b"MM\0*", "a picture", _PICTURE),
    (b"AT&TFORM", "a DjVu document", "make a PDF of it first: ddjvu -format=pdf {file} scan.pdf"),
    (b"\x1f\x8b", "compressed with gzip", _UNPACK),
    (b"BZh91AY&SY", "compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ\0", "compressed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
)
_ZIP_SIGNATURE = b"PK\x03\x04"
# The start of a member's name, what a ZIP with such a member is, and what to do.
_ZIP_MEMBERS: tuple[tuple[str, str, str], ...] = (
    ("word/", "a Word document", _OFFICE),
    ("ppt/", "a PowerPoint document", _OFFICE),
    ("xl/", "an Excel document", _OFFICE),
    ("META-INF/container.xml", "an EPUB book", _EPUB),
    ("content.xml", "an OpenDocument file", _OFFICE),
)


def foreign_format(path: Path, head: bytes) -> tuple[str, str] | None:
    """What a file is, with its article, and a hint with a field {file}; None for what is not known here.

    Args:
        path: the file, looked into only when it is a ZIP.
        head: its first bytes.
    """
    if head.startswith(_ZIP_SIGNATURE):
        return _zip_format(path)
    for signature, description, hint in _SIGNATURES:
        if head.startswith(signature):
            return description, hint
    return None


def _zip_format(path: Path) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return "a damaged ZIP archive", _UNPACK
    for start, description, hint in _ZIP_MEMBERS:
        if any(name.startswith(start) for name in names):
            return description, hint
    return "a ZIP archive", _UNPACK
