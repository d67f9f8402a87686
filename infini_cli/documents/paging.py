"""Pages for plain text: at form feeds where there are any, else stretches that end with a paragraph."""

import re
from collections.abc import Iterable, Iterator

_FORM_FEED = "\f"
# A form feed further away than any printed page is long ends a chapter, not a page.
_FORM_FEED_REACH_CHARACTERS = 16_000
SHORTEST_CHARACTERS = 2_000
USUAL_CHARACTERS = 3_000
LONGEST_CHARACTERS = 4_000
# Where a page ends depends on this much text after its start and on nothing else, so that it is the same in
# whatever pieces the text comes.
_LOOKAHEAD_CHARACTERS = _FORM_FEED_REACH_CHARACTERS + LONGEST_CHARACTERS

_PARAGRAPH_END = re.compile(r"\n(?:[ \t]*\n)+")
_LINE_END = re.compile(r"\n")
_WORD_END = re.compile(r"\s")


def split_pages(pieces: Iterable[str]) -> Iterator[str]:
    """Cut a stream of text into pages; together they are the whole text, character by character.

    A form feed is the last character of its page.
    """
    buffer, position = "", 0
    source = iter(pieces)
    exhausted = False
    while True:
        while not exhausted and len(buffer) - position < _LOOKAHEAD_CHARACTERS:
            piece = next(source, None)
            exhausted = piece is None
            buffer, position = buffer[position:] + (piece or ""), 0
        if position == len(buffer):
            return
        end = _page_end(buffer, position)
        # White space at the very end of the text is no page of its own.
        if exhausted and not buffer[end:].strip():
            end = len(buffer)
        yield buffer[position:end]
        position = end


def _page_end(buffer: str, start: int) -> int:
    """Where the page that begins at `start` ends."""
    form_feed = buffer.find(_FORM_FEED, start, start + _FORM_FEED_REACH_CHARACTERS)
    if form_feed >= 0:
        return form_feed + 1
    if len(buffer) - start <= LONGEST_CHARACTERS:
        return len(buffer)
    shortest, usual, longest = (
        start + length for length in (SHORTEST_CHARACTERS, USUAL_CHARACTERS, LONGEST_CHARACTERS)
    )
    for boundary in (_PARAGRAPH_END, _LINE_END, _WORD_END):
        before = [match.end() for match in boundary.finditer(buffer, shortest, usual)]
        if before:
            return before[-1]
        after = boundary.search(buffer, usual, longest)
        if after:
            return after.end()
    return longest
