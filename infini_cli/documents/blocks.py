"""Text that comes in blocks (headings, paragraphs, list items, table rows), made into stretches of about a page."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from infini_cli.documents.model import Heading, Page
from infini_cli.documents.paging import (
    LONGEST_CHARACTERS,
    SHORTEST_CHARACTERS,
    USUAL_CHARACTERS,
    split_pages,
)

MAX_TITLE_CHARACTERS = 200  # what is longer is a paragraph that looks like a heading
_PARAGRAPH_BREAK = "\n\n"
_LINE_BREAK = "\n"


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of text with a break before and after it.

    Attributes:
        text: never blank; without white space around it, but for an indentation that means something.
        level: of a heading, 1 the outermost; None for anything else.
        tight: it follows the block before it on the next line, as list items and table rows do.
        anchors: the names of places at its beginning, to which links may point.
        sections: (title, level) of each section that starts with it.
    """

    text: str
    level: int | None = None
    tight: bool = False
    anchors: tuple[str, ...] = ()
    sections: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Stretch:
    """What stands in for a page in a document that has none."""

    text: str
    headings: tuple[Heading, ...]


def with_own_headings(blocks: Iterable[Block]) -> Iterator[Block]:
    """The blocks, each heading as the beginning of a section."""
    for block in blocks:
        if block.level is not None and _is_title(block):
            yield replace(block, sections=((one_line(block.text), block.level),))
        else:
            yield block


def one_line(text: str) -> str:
    """A text without line breaks."""
    return " ".join(text.split())


def stretches(blocks: Iterable[Block]) -> Iterator[Stretch]:
    """Cut a stream of blocks where a section or a block ends, as evenly as that allows.

    A heading is never the last of its stretch, unless the document ends there. A block longer than a stretch
    is cut where a line or a word ends. The result depends on the blocks alone.
    """
    pending: list[Block] = []
    size = 0
    for block in _bounded(blocks):
        length = len(block.text) + len(_PARAGRAPH_BREAK)
        starts_section = bool(block.sections) and size >= SHORTEST_CHARACTERS
        if pending and (starts_section or size >= USUAL_CHARACTERS or size + length > LONGEST_CHARACTERS):
            kept = _last_text(pending) or (len(pending) if size > LONGEST_CHARACTERS else 0)
            if kept:
                yield _stretch(pending[:kept])
                pending = pending[kept:]
                size = sum(len(each.text) + len(_PARAGRAPH_BREAK) for each in pending)
        pending.append(block)
        size += length
    if pending:
        yield _stretch(pending)


def number_pages(found: Iterable[Stretch], dropped: Counter[str], first: int = 1) -> Iterator[Page]:
    """Stretches as pages, numbered from `first` on.

    Args:
        found: in order.
        dropped: characters left out so far, by rule, which grows while `found` is run through; each page
            carries what was left out since the page before it.
    """
    counted: Counter[str] = Counter()
    held: Page | None = None
    for index, stretch in enumerate(found, start=first):
        if held is not None:
            yield held
        left_out = dropped - counted
        counted += left_out
        held = Page(index, None, stretch.text, stretch.headings, dropped=tuple(left_out.items()))
    if held is not None:
        rest = Counter(dict(held.dropped)) + (dropped - counted)
        yield replace(held, dropped=tuple(rest.items()))


def _bounded(blocks: Iterable[Block]) -> Iterator[Block]:
    """The blocks, those longer than a stretch in pieces."""
    for block in blocks:
        if len(block.text) <= LONGEST_CHARACTERS:
            yield block
            continue
        first, *others = split_pages([block.text])
        yield replace(block, text=first)
        for text in others:
            yield Block(text, tight=True)


def _last_text(pending: list[Block]) -> int:
    """How many of the blocks come before the headings at their end, which belong to what follows."""
    count = len(pending)
    while count and _is_title(pending[count - 1]):
        count -= 1
    return count


def _is_title(block: Block) -> bool:
    return block.level is not None and len(block.text) <= MAX_TITLE_CHARACTERS


def _stretch(blocks: list[Block]) -> Stretch:
    parts: list[str] = []
    headings: list[Heading] = []
    offset = 0
    for block in blocks:
        if parts:
            separator = _LINE_BREAK if block.tight else _PARAGRAPH_BREAK
            parts.append(separator)
            offset += len(separator)
        headings += [Heading(offset, title, level) for title, level in block.sections]
        parts.append(block.text)
        offset += len(block.text)
    return Stretch("".join(parts), tuple(headings))
