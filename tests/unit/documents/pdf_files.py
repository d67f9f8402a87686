"""Small PDFs of every kind, written by pypdf at test time."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    PdfObject,
)

NOVEL = Path(__file__).parents[2] / "data" / "northanger-abbey.pdf"
WIDTH, HEIGHT = 420, 595


def name(text: str) -> NameObject:
    return NameObject(f"/{text}")


def stream(data: bytes, **entries: PdfObject) -> DecodedStreamObject:
    made = DecodedStreamObject()
    made.set_data(data)
    for key, value in entries.items():
        made[name(key)] = value
    return made


def text_operators(text: str) -> bytes:
    """A content stream that shows the lines of an ASCII text."""
    lines = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)").split("\n")
    shown = " T* ".join(f"({line}) Tj" for line in lines)
    return f"BT /F1 10 Tf 12 TL 40 540 Td {shown} ET".encode("ascii")


def add_page(writer: PdfWriter, content: bytes, **resources: PdfObject) -> None:
    """A page with one font, /F1, and the given content stream and resources."""
    font = DictionaryObject(
        {name("Type"): name("Font"), name("Subtype"): name("Type1"), name("BaseFont"): name("Helvetica")}
    )
    page = writer.add_blank_page(width=WIDTH, height=HEIGHT)
    page[name("Resources")] = DictionaryObject({name("Font"): DictionaryObject({name("F1"): font})})
    for key, value in resources.items():
        page[name("Resources")][name(key)] = value
    page[name("Contents")] = writer._add_object(stream(content))


def add_image_page(writer: PdfWriter, data: bytes = b"\0" * 64) -> None:
    """A page with an image and nothing else, as a scanner makes it."""
    image = stream(
        data,
        Type=name("XObject"),
        Subtype=name("Image"),
        Width=NumberObject(len(data)),
        Height=NumberObject(1),
        ColorSpace=name("DeviceGray"),
        BitsPerComponent=NumberObject(8),
    )
    images = DictionaryObject({name("Scan"): writer._add_object(image)})
    add_page(writer, b"q 420 0 0 595 0 0 cm /Scan Do Q", XObject=images)


def write_pages(
    path: Path,
    pages: Iterable[str],
    outline: Sequence[tuple[str, int]] = (),
    password: str | None = None,
    algorithm: Literal["RC4-128", "AES-128", "AES-256"] = "AES-256",
) -> Path:
    """A PDF with a page for each text; outline entries are titles with page indexes from 0."""
    writer = PdfWriter()
    for text in pages:
        add_page(writer, text_operators(text))
    for title, index in outline:
        writer.add_outline_item(title=title, page_number=index)
    if password is not None:
        writer.encrypt(password, algorithm=algorithm)
    return write(writer, path)


def write(writer: PdfWriter, path: Path) -> Path:
    with path.open("wb") as file:
        writer.write(file)
    writer.close()
    return path


def lose_page(path: Path, index: int) -> None:
    """Damage a PDF: the page tree's entry for one page leads nowhere."""
    with path.open("rb") as file:
        writer = PdfWriter(clone_from=PdfReader(file))
    pages = writer.root_object["/Pages"]
    kids = pages["/Kids"]
    assert isinstance(kids, ArrayObject)
    writer._replace_object(kids[index], NumberObject(0))
    write(writer, path)
