"""Running headers, footers and page numbers of typeset pages, told from the text by what recurs."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from infini_cli.documents.folding import fold_letters
from infini_cli.documents.model import Page
from infini_cli.documents.neighbourhood import neighbourhoods

REACH = 4  # pages either side in which a line has to recur: twice more on pages of the same hand
# A neighbour's line counts by what recurs around the neighbour, and is numbered by what is around that.
CONTEXT = 3 * REACH

_EDGE_LINES = 2  # from the top, and from the bottom
_MAX_LINE_CHARACTERS = 120  # longer "lines" are paragraphs of a producer that does not break lines
_ENOUGH_PAGES = 3  # that hold an unnumbered line, or numbers that rise with the pages
_MIN_LETTERS = 4  # of an unnumbered line: "yes" at the foot of three pages is the end of three tables
_LINE = re.compile(r"[^\n]+")
_TOKEN = re.compile(r"[^\W_]+")
_ROMAN = re.compile(r"(?=.)m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})")
_ROMAN_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}

Edge = Literal["top", "bottom"]


def mark_running_lines(pages: Iterable[Page], start: int = 1) -> Iterator[Page]:
    """The pages from index `start` on, each with its running lines marked, in flat memory.

    Args:
        pages: in order without gaps, from CONTEXT pages before `start` (or from the first page) on, so that
            a page is marked the same wherever reading starts.
        start: index of the first page to give out.

    Raises:
        DocumentError: from `pages`, after the pages that came before it.
    """
    for sheets, position in neighbourhoods(map(_Sheet, pages), CONTEXT):
        page = sheets[position].page
        if page.index >= start:
            yield replace(page, running=_spans(sheets, position))


@dataclass(frozen=True, slots=True)
class _Line:
    """A line at a page's edge: words and numbers in `tokens`, words alone in `words`."""

    start: int
    end: int
    tokens: tuple[str, ...]
    words: tuple[str, ...]
    numbers: tuple[int, ...]


class _Sheet:
    """A page with the lines at its edges, the outermost first."""

    def __init__(self, page: Page) -> None:
        self.page = page
        spans = [span for match in _LINE.finditer(page.text) if (span := _stripped(match)) is not None]
        self.line_count = len(spans)
        self.edges: dict[Edge, list[_Line]] = {
            "top": [_line(page.text, *span) for span in spans[:_EDGE_LINES]],
            "bottom": [_line(page.text, *span) for span in reversed(spans[-_EDGE_LINES:])],
        }
        label = tuple(_TOKEN.findall((page.label or "").casefold()))
        # Labels without a number are names ("Cover"), and stand in any text.
        self.label = label if any(_value(token) is not None for token in label) else ()
        lines = (*self.edges["top"], *self.edges["bottom"])
        self.offsets = {number - page.index for line in lines for number in line.numbers}
        self.numbering: frozenset[int] | None = None  # the offsets that are page numbers; found when needed


def _stripped(match: re.Match[str]) -> tuple[int, int] | None:
    text = match.group()
    stripped = text.strip()
    start = match.start() + len(text) - len(text.lstrip())
    return (start, start + len(stripped)) if stripped else None


def _line(text: str, start: int, end: int) -> _Line:
    line = _Line(start, end, (), (), ())
    if end - start > _MAX_LINE_CHARACTERS:
        return line
    return _with_tokens(line, tuple(_TOKEN.findall(text[start:end].casefold())))


def _with_tokens(line: _Line, tokens: tuple[str, ...]) -> _Line:
    values = [_value(token) for token in tokens]
    words = tuple(token for token, value in zip(tokens, values, strict=True) if value is None)
    return replace(line, tokens=tokens, words=words, numbers=tuple(v for v in values if v is not None))


def _value(token: str) -> int | None:
    """The number that a folded token writes in digits or Roman numerals."""
    if token.isdecimal():
        return int(token)
    if not _ROMAN.fullmatch(token):
        return None
    values = [_ROMAN_VALUES[letter] for letter in token]
    after = [*values[1:], 0]
    return sum(-value if value < later else value for value, later in zip(values, after, strict=True))


def _spans(sheets: Sequence[_Sheet], position: int) -> tuple[tuple[int, int], ...]:
    """The running lines of one page among its neighbours."""
    sheet = sheets[position]
    found: set[tuple[int, int]] = set()
    for edge in sheet.edges:
        for depth, line in enumerate(sheet.edges[edge]):
            if _is_heading(sheet.page, line) or not (
                _is_page_number(sheets, position, line)
                or _recurs(sheets, position, edge, line)
                or (depth == 0 and _stands_in_for_header(sheets, position, edge, line))
            ):
                break  # text begins here
            found.add((line.start, line.end))
    # What stands alone on a page is its content.
    return tuple(sorted(found)) if len(found) < sheet.line_count else ()


def _is_heading(page: Page, line: _Line) -> bool:
    """Whether the outline says that a section starts with this line."""
    letters = fold_letters(page.text[line.start : line.end])
    # A title that was not found on the page has been given a place all the same.
    return any(
        line.start <= heading.offset < line.end
        and (letters in (title := fold_letters(heading.title)) or title.lstrip("0123456789") in letters)
        for heading in page.headings
    )


def _around(sheets: Sequence[_Sheet], position: int) -> range:
    return range(max(0, position - REACH), min(len(sheets), position + REACH + 1))


def _holds_number(sheets: Sequence[_Sheet], position: int, line: _Line) -> bool:
    """Whether the page's label, or a number that rises with the pages, is in the line."""
    sheet = sheets[position]
    if sheet.numbering is None:
        near = [sheets[other].offsets for other in _around(sheets, position)]
        sheet.numbering = frozenset(
            offset for offset in sheet.offsets if sum(offset in offsets for offsets in near) >= _ENOUGH_PAGES
        )
    if any(number - sheet.page.index in sheet.numbering for number in line.numbers):
        return True
    size = len(sheet.label)
    places = range(len(line.tokens) - size + 1) if size else ()
    return any(line.tokens[place : place + size] == sheet.label for place in places)


def _is_page_number(sheets: Sequence[_Sheet], position: int, line: _Line) -> bool:
    alone = line.tokens == sheets[position].label or len(line.tokens) == 1 == len(line.numbers)
    return bool(line.tokens) and alone and _holds_number(sheets, position, line)


def _is_numbered(sheets: Sequence[_Sheet], position: int, line: _Line) -> bool:
    """Whether the line holds the page's number, and the page does not have that in a line of its own."""
    return _holds_number(sheets, position, line) and not any(
        _is_page_number(sheets, position, other)
        for lines in sheets[position].edges.values()
        for other in lines
    )


def _recurs(sheets: Sequence[_Sheet], position: int, edge: Edge, line: _Line) -> bool:
    """Whether the line stands on pages near: on one more if numbered like the pages, else on two, unchanged.

    An unnumbered line may be the title of slides or the head of a table: it stays on the first of its pages.
    """
    if not line.tokens:
        return False
    others = [other for other in _around(sheets, position) if other != position]
    letters = "".join(line.words)
    if len(letters) >= _MIN_LETTERS or not letters.isascii():
        equal = [
            other for other in others if any(near.tokens == line.tokens for near in sheets[other].edges[edge])
        ]
        if len(equal) + 1 >= _ENOUGH_PAGES and equal[0] < position:
            return True
    return _is_numbered(sheets, position, line) and any(
        near.words == line.words and _is_numbered(sheets, other, near)
        for other in others
        for near in sheets[other].edges[edge]
    )


def _stands_in_for_header(sheets: Sequence[_Sheet], position: int, edge: Edge, line: _Line) -> bool:
    """Whether the line has the page's number at an end, where the pages near have theirs in running lines.

    So has the only right-hand page of a short chapter, whose title is in no other header.
    """
    size = max(1, len(sheets[position].label))
    ends = (_with_tokens(line, line.tokens[:size]), _with_tokens(line, line.tokens[-size:]))
    if not any(_is_numbered(sheets, position, end) for end in ends):
        return False
    alike = 0
    for other in _around(sheets, position):
        outermost = sheets[other].edges[edge][:1]
        if other != position and outermost and _is_numbered(sheets, other, outermost[0]):
            alike += _recurs(sheets, other, edge, outermost[0])
    return alike + 1 >= _ENOUGH_PAGES
