"""Words that typesetting divided at the ends of lines, made whole, with their hyphen where it is their own."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from infini_cli.documents.model import Page
from infini_cli.documents.neighbourhood import neighbourhoods

REACH = 4  # pages either side whose words decide

_HYPHENS = "-\u2010\u00ad"
_SOFT = "\u00ad"
_OWN_HYPHEN = "[-\u2010]"
_WORD = re.compile(r"[^\W\d_]+(?:[-\u2010][^\W\d_]+)*")
# A word's first part at the end of a line, and at the beginning of the next its rest with what clings to it.
_DIVIDED = re.compile(
    rf"(?<![^\W_])(?P<first>{_WORD.pattern})(?P<hyphen>[{_HYPHENS}])[ \t]*\n[ \t]*"
    rf"(?P<rest>{_WORD.pattern})(?P<cling>\S*)(?P<blank>[ \t]*)"
)


def mend_hyphens(pages: Iterable[Page], start: int = 1) -> Iterator[Page]:
    """The pages from index `start` on, with divided words whole; the line then ends after the word.

    Whether "well-" and "known" are one word or two is told by the words of the pages around: which of both
    forms they have, or else what the other divided words there turn out to be.

    Args:
        pages: in order without gaps, from REACH pages before `start` (or from the first page) on, so that a
            page is mended the same wherever reading starts.
        start: index of the first page to give out.

    Raises:
        DocumentError: from `pages`, after the pages that came before it.
    """
    for sheets, position in neighbourhoods(map(_Sheet, pages), REACH):
        page = sheets[position].page
        if page.index >= start:
            yield _mend(page, _Words(sheets)) if sheets[position].divided else page


class _Sheet:
    """A page with its words, and with those that are divided."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.divided = [(match["first"], match["rest"]) for match in _DIVIDED.finditer(page.text)]
        self.words = Counter(map(_folded, _WORD.findall(_DIVIDED.sub(" ", page.text))))


class _Words:
    """The words of several pages."""

    def __init__(self, sheets: Sequence[_Sheet]) -> None:
        self._sheets = sheets
        votes = [self._vote(first, rest) for sheet in sheets for first, rest in sheet.divided]
        self._divides = votes.count(False) > votes.count(True)

    def own_hyphen(self, first: str, rest: str) -> bool:
        """Whether the hyphen between two parts belongs to the word."""
        vote = self._vote(first, rest)
        if vote is not None:
            return vote
        if rest[0].isupper() and not first.isupper():
            return True
        before, after = re.split(_OWN_HYPHEN, first), re.split(_OWN_HYPHEN, rest)
        is_compound = len(before) > 1 or len(after) > 1
        return (is_compound or not self._divides) and bool(self._count(before[-1]) and self._count(after[0]))

    def _vote(self, first: str, rest: str) -> bool | None:
        """The same, from how the word stands within lines; None where it does not."""
        together, apart = self._count(first + rest), self._count(f"{first}-{rest}")
        return apart > together if apart or together else None

    def _count(self, word: str) -> int:
        folded = _folded(word)
        return sum(sheet.words[folded] for sheet in self._sheets)


def _folded(word: str) -> str:
    return word.casefold().replace("\u2010", "-")


@dataclass(frozen=True, slots=True)
class _Cut:
    """Characters that went."""

    start: int
    length: int


def _mend(page: Page, words: _Words) -> Page:
    """A page with its divided words whole."""
    text, pieces, cuts, reached = page.text, [], [], 0
    for match in _DIVIDED.finditer(text):
        kept = match["hyphen"] != _SOFT and words.own_hyphen(match["first"], match["rest"])
        hyphen = match["hyphen"] if kept else ""
        at_line_end = text[match.end() : match.end() + 1] in ("", "\n")
        # The line now ends after the word.
        blank = match["blank"] if at_line_end or not match["blank"] else "\n"
        pieces += [text[reached : match.start("hyphen")], hyphen, match["rest"], match["cling"], blank]
        joint = match.start("hyphen") + len(hyphen)
        cuts.append(_Cut(joint, match.start("rest") - joint))
        cuts.append(_Cut(match.start("blank") + len(blank), len(match["blank"]) - len(blank)))
        reached = match.end()
    pieces.append(text[reached:])
    headings = tuple(
        replace(heading, offset=heading.offset - _gone(cuts, heading.offset)) for heading in page.headings
    )
    return replace(page, text="".join(pieces), headings=headings)


def _gone(cuts: Sequence[_Cut], offset: int) -> int:
    """How many of the characters before an offset went."""
    return sum(min(cut.length, max(0, offset - cut.start)) for cut in cuts)
