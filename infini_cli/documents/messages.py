"""The lines of JSON between the reader and the extraction process."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from infini_cli.documents.model import Heading, Page
from infini_cli.documents.pdf_options import PdfOptions


@dataclass(frozen=True, slots=True)
class Request:
    """What the extraction process is to do; it comes to it by a pipe, for it may hold a password.

    Attributes:
        path: of the document.
        name: what messages call it.
        start: index of the first page wanted.
        pdf: how to open a PDF.
        memory_bytes: the bound of the process's address space.
    """

    path: str
    name: str
    start: int
    pdf: PdfOptions
    memory_bytes: int


def request_to_line(request: Request) -> bytes:
    """A request as one line."""
    return json.dumps(asdict(request)).encode("ascii") + b"\n"


def request_from_line(line: bytes) -> Request:
    """The request that was made into a line."""
    values = json.loads(line)
    pdf = values.pop("pdf")
    return Request(**values, pdf=PdfOptions(tuple(pdf["parsers"]), pdf["password"], pdf["failed"]))


def encode(kind: str, content: Any) -> bytes:
    """One message as one line."""
    return json.dumps([kind, content]).encode("ascii") + b"\n"


def decode(line: bytes) -> tuple[str, Any]:
    """The kind and the content of a message.

    Raises:
        ValueError: the line is not whole; its sender was stopped in the middle of it.
    """
    kind, content = json.loads(line)
    return kind, content


def page_to_json(page: Page) -> list[Any]:
    """A page as JSON's types."""
    headings = [[heading.offset, heading.title, heading.level] for heading in page.headings]
    places = [page.index, page.label, page.text, headings, page.first_line]
    return [*places, page.skipped, page.running, page.dropped]


def page_from_json(content: list[Any]) -> Page:
    """The page that was made into JSON's types."""
    index, label, text, headings, first_line, skipped, running, dropped = content
    places = tuple(Heading(*heading) for heading in headings)
    spans = tuple((start, end) for start, end in running)
    counts = tuple((rule, characters) for rule, characters in dropped)
    return Page(index, label, text, places, first_line, skipped, spans, counts)
