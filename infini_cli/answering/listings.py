"""Tables of contents and indexes told from prose: they hold every keyword and answer nothing."""

import itertools
import re

_LEADERS = re.compile(r"(?:(?:\.\s?){4,}|…{2,}|·{4,}|_{4,})\s*(?:\d{1,4}|[ivxlc]{1,7})\b")
_ENDS_IN_PAGE = re.compile(r"[^\d\s].*?[\s,](\d{1,4})\s*$")
_ENDS_IN_PAGES = re.compile(
    r"[^\W\d].*?,\s*\d{1,4}(?:[-\u2013]\d{1,4})?(?:,\s*\d{1,4}(?:[-\u2013]\d{1,4})?)*\s*$"
)
_TITLES = re.compile(
    r"^\W*(?:table of contents|contents|(?:general |subject )?index"
    r"|list of (?:figures|tables|illustrations|examples))\W*$",
    re.I,
)


def listing_share(text: str, section: str | None = None) -> float:
    """How much of a passage is entries of a table of contents or an index, from 0 (none) to 1 (all of it)."""
    if section and _TITLES.match(section):
        return 1.0
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    leaders = len(_LEADERS.findall(text))
    if not lines or len(lines) < 3:
        # Extracted as one long line: a leader for every few words is a table of contents all the same.
        return 1.0 if leaders >= 3 and leaders * 25 >= len(text.split()) else 0.0
    by_leaders = leaders / len(lines)
    by_pages = sum(bool(_ENDS_IN_PAGES.match(line)) for line in lines) / len(lines)
    ending = [
        int(match.group(1)) for line in lines if len(line) < 120 and (match := _ENDS_IN_PAGE.match(line))
    ]
    # Page numbers of a table of contents never fall; the last column of a table of figures does.
    rising = (
        len(ending) >= 4 and all(a <= b for a, b in itertools.pairwise(ending)) and ending[0] < ending[-1]
    )
    by_order = len(ending) / len(lines) if rising else 0.0
    return min(1.0, max(by_leaders, by_pages, by_order))
