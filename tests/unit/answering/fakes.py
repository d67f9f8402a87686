"""Memories of a few passages, and a writer that says what it was told to say."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infini_cli.answering.prompts import Messages
from infini_cli.answering.writing import Usage
from infini_cli.reading.memory import OpenMemory
from infini_cli.reading.passages import Passage, PassageStore
from infini_cli.reading.records import DocumentRecord, MemoryRecord

FILLER = [
    f"The {colour} {animal} slept near the {place} until the {hour} bell rang for the {meal}."
    for colour, animal, place, hour, meal in zip(
        "grey brown white black red blue green spotted".split() * 4,
        "cat horse goat hen dog sheep".split() * 6,
        "barn river gate wall orchard".split() * 7,
        "first second third fourth noon evening morning".split() * 5,
        "porridge soup bread cheese".split() * 8,
        strict=False,
    )
]


@dataclass(frozen=True)
class Said:
    """One passage of a document to be made."""

    text: str
    section: str | None = None
    level: int = 1
    page: int | None = None
    line: int | None = None
    document: int = 1


def make_memory(path: Path, passages: Sequence[Said]) -> OpenMemory:
    """A memory of these passages, each on a page of its own unless it says otherwise; labels are "p<page>"."""
    store = PassageStore(path, create=True)
    documents = sorted({each.document for each in passages})
    for number in documents:
        store.add_document(f"book{number}.pdf", f"hash{number}", "pdf")
    section: tuple[int, str] | None = None
    document = 0
    for number, each in enumerate(passages, start=1):
        page = each.page if each.page is not None else number
        if each.document != document:
            section, document = None, each.document
        if each.section is not None and (section is None or section[1] != each.section):
            section = (
                store.add_section(each.document, each.section, each.level, page, f"p{page}", number),
                each.section,
            )
        store.add(
            [
                Passage(
                    id=number,
                    document_id=each.document,
                    page=page,
                    page_label=f"p{page}",
                    section=section[1] if section else None,
                    line=each.line,
                    start=0,
                    end=len(each.text),
                    tokens=len(each.text.split()),
                    text=each.text,
                    section_id=section[0] if section else None,
                )
            ]
        )
    store.commit()
    record = MemoryRecord(
        created="2026-01-01T00:00:00Z",
        updated="2026-01-01T00:00:00Z",
        program="0",
        model="scripted",
        fingerprints={},
        segment_length=512,
        device="cpu",
        dtype="float32",
        documents=[
            DocumentRecord(
                path=f"book{number}.pdf", content_hash=f"hash{number}", format="pdf", complete=True
            )
            for number in documents
        ],
        complete=True,
    )
    return OpenMemory(record, (), store)


@dataclass
class ScriptedWriter:
    """Says one reply after another, three characters at a time; the last one again and again."""

    replies: Sequence[str]
    window: int = 10_000  # characters stand for tokens
    limit: int | None = None  # characters after which every reply is cut
    usage: Usage = field(default_factory=Usage)
    first_token_at: float | None = None
    cut: bool = False
    sureness: float = 1.0
    asked: list[Messages] = field(default_factory=list)
    given: str = ""  # what was taken of all replies
    state: tuple[str, ...] = ()  # the texts read into the memory

    def write(self, messages: Messages, *, max_tokens: int | None = None) -> Generator[str, None, None]:
        reply = self.replies[min(len(self.asked), len(self.replies) - 1)]
        self.asked.append(messages)
        self.cut = False
        shown = reply[: self.limit]
        for place in range(0, len(shown), 3):
            piece = shown[place : place + 3]
            self.cut = len(shown) < len(reply) and place + 3 >= len(shown)
            self.given += piece
            yield piece

    def room(self, messages: Messages, *, max_tokens: int | None = None) -> int:
        return self.window - sum(len(message["content"]) for message in messages)

    def read(self, text: str) -> int:
        self.state = (*self.state, text)
        return len(text)
