"""The headings of a reStructuredText that comes page by page."""

import re

from infini_cli.documents.model import Heading

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*\s*$")
_TITLE = re.compile(r"\S")
_SHORT = 4  # an underline below this length has to be as long as its title
_MAX_TITLE_CHARACTERS = 200

_MARKUP = (
    (re.compile(r":[\w:.+-]+:`([^`<]*?)\s*(?:<[^`]*>)?`"), r"\1"),  # roles, with or without a target
    (re.compile(r"``(.+?)``"), r"\1"),
    (re.compile(r"`([^`<]*?)\s*(?:<[^`]*>)?`__?"), r"\1"),  # links
    (re.compile(r"(\*\*|\*|`)(\S(?:.*?\S)?)\1"), r"\2"),
    (re.compile(r"\|(\S[^|]*)\|"), r"\1"),
    (re.compile(r"\\(.)"), r"\1"),
)


class RstHeadingScanner:
    """Finds titles by their adornment; which adornment is of which level is as the text first uses them."""

    def __init__(self) -> None:
        self._styles: list[tuple[str, bool]] = []  # adornment and whether it is also above, outermost first
        self._before = ""  # the last line of the page before

    def scan(self, text: str, following: str) -> tuple[Heading, ...]:
        """The headings of the next page.

        Args:
            text: the page.
            following: the page after it, whose first line may underline this one's last; "" at the end.
        """
        lines = text.split("\n")
        if not lines[-1]:
            lines.pop()
        after = following.split("\n", 2)[:2]
        headings = []
        offset = 0
        passed = -1  # lines up to this one belong to a heading
        for number, line in enumerate(lines):
            if number > passed and (found := self._heading(lines, number, after)) is not None:
                title, style, size = found
                headings.append(Heading(offset, title, self._level(style)))
                passed = number + size - 1
            offset += len(line) + 1
        if lines:
            self._before = lines[-1]
        return tuple(headings)

    def _heading(
        self, lines: list[str], number: int, after: list[str]
    ) -> tuple[str, tuple[str, bool], int] | None:
        """Title, style and number of lines of the heading that begins with a line, if one does."""
        before = lines[number - 1] if number else self._before
        one, two, three = ([*lines[number : number + 3], *after, "", "", ""])[:3]
        over = _ADORNMENT.match(one)
        if over and (under := _ADORNMENT.match(three)) and two.strip() and not _ADORNMENT.match(two):
            length = len(one.rstrip())
            if under[1] == over[1] and len(three.rstrip()) == length and len(two.strip()) <= length:
                return _described(two, (over[1], True), 3)
        under = _ADORNMENT.match(two)
        if before.strip() or over or under is None or not _TITLE.match(one):
            return None
        length = len(two.rstrip())
        if length < len(one.rstrip()) and length < _SHORT:
            return None
        return _described(one, (under[1], False), 2)

    def _level(self, style: tuple[str, bool]) -> int:
        if style not in self._styles:
            self._styles.append(style)
        return self._styles.index(style) + 1


def _described(title: str, style: tuple[str, bool], lines: int) -> tuple[str, tuple[str, bool], int] | None:
    title = plain_title(title)
    return (title, style, lines) if title and len(title) <= _MAX_TITLE_CHARACTERS else None


def plain_title(source: str) -> str:
    """A title's text without its markup."""
    for pattern, replacement in _MARKUP:
        source = pattern.sub(replacement, source)
    return " ".join(source.split())
