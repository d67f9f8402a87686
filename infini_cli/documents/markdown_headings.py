"""The headings of a Markdown text that comes page by page."""

import html
import re
from collections.abc import Iterator

from infini_cli.documents.model import Heading

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_RAW_HTML = re.compile(r" {0,3}<(?:(pre|script|style|textarea)\b|!--)", re.IGNORECASE)
# Lines that begin or belong to a block whose text never is a heading: quotes, lists, tables, rules, code.
_OTHER_BLOCK = re.compile(r"(?: {0,3}(?:>|[-+*][ \t]|\d{1,9}[.)][ \t]|\|)|\t| {4})")
_FRONT_MATTER = re.compile(r"---[ \t]*\n[\w-]+[ \t]*:(?:.*\n)*?(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
# A rule drawn under a paragraph without a blank line between them is, to the letter, a heading of many lines.
_MAX_SETEXT_LINES = 2
_MAX_TITLE_CHARACTERS = 200

_MARKUP = (
    (re.compile(r"\{[#.][^}]*\}\s*$"), ""),  # attributes: {#identifier .class}
    (re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])"), r"\1"),  # links and images
    (re.compile(r"</?[a-zA-Z][^>]*>"), ""),
    (re.compile(r"(\*\*|__|\*|`+)(\S(?:.*?\S)?)\1"), r"\2"),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
)


class HeadingScanner:
    """Finds headings by CommonMark's rules, keeping in mind between pages which block is open.

    Headings inside fenced or indented code, HTML blocks, quotes, lists and front matter are not sections.
    """

    def __init__(self) -> None:
        self._first_page = True
        self._fence: str | None = None
        self._html_end: str | None = None

    def scan(self, text: str, following: str) -> tuple[Heading, ...]:
        """The headings of the next page.

        Args:
            text: the page.
            following: the page after it, whose first line may underline this one's last; "" at the end.
        """
        start = 0
        if self._first_page:
            self._first_page = False
            front_matter = _FRONT_MATTER.match(text)
            start = front_matter.end() if front_matter else 0
        return tuple(self._headings(text, start, following.partition("\n")[0]))

    def _headings(self, text: str, start: int, next_line: str) -> Iterator[Heading]:
        # Where the open paragraph starts, and its lines; None when there is none that could become a heading.
        paragraph: tuple[int, list[str]] | None = None
        in_other_block = False
        for offset, line in _lines(text, start):
            if self._skips(line):
                paragraph = None
            elif not line.strip():
                paragraph, in_other_block = None, False
            elif atx := _ATX.match(line):
                paragraph, in_other_block = None, False
                yield from _heading(offset, atx[2] or "", len(atx[1]))
            elif paragraph and (underline := _SETEXT.match(line)):
                yield from _setext_heading(paragraph, underline)
                paragraph = None
            elif paragraph:
                paragraph[1].append(line)
            elif in_other_block or _OTHER_BLOCK.match(line) or _SETEXT.match(line):
                in_other_block = not _SETEXT.match(line)
            else:
                paragraph = (offset, [line])
        if paragraph and (underline := _SETEXT.match(next_line)):
            yield from _setext_heading(paragraph, underline)

    def _skips(self, line: str) -> bool:
        """Whether a line is in a code fence or an HTML block, or begins or ends one."""
        if self._fence:
            mark, closing = self._fence[0], line.strip()
            if len(closing) >= len(self._fence) and not closing.strip(mark) and not line.startswith("    "):
                self._fence = None
            return True
        if self._html_end:
            if self._html_end in line.lower():
                self._html_end = None
            return True
        if fence := _FENCE.match(line):
            self._fence = fence[1]
            return True
        if raw := _RAW_HTML.match(line):
            end = f"</{raw[1].lower()}>" if raw[1] else "-->"
            self._html_end = None if end in line.lower() else end
            return True
        return False


def _lines(text: str, start: int) -> Iterator[tuple[int, str]]:
    """The lines of a text with their offsets, without their ends."""
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        # A form feed ends a page and stands before what begins a line.
        yield start, text[start:end].strip("\f")
        start = end + 1


def _setext_heading(paragraph: tuple[int, list[str]], underline: re.Match[str]) -> Iterator[Heading]:
    offset, lines = paragraph
    if len(lines) <= _MAX_SETEXT_LINES:
        yield from _heading(offset, " ".join(lines), 1 if underline[1][0] == "=" else 2)


def _heading(offset: int, source: str, level: int) -> Iterator[Heading]:
    title = plain_title(source)
    if title and len(title) <= _MAX_TITLE_CHARACTERS:
        yield Heading(offset, title, level)


def plain_title(source: str) -> str:
    """A heading's text without its Markdown."""
    for pattern, replacement in _MARKUP:
        source = pattern.sub(replacement, source)
    return " ".join(html.unescape(source).split())
