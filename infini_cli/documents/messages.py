"""The lines of JSON that the extraction process sends to the reader."""

import json
from typing import Any

from infini_cli.documents.model import Heading, Page


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
