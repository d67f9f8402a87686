"""Passages taken apart for quoting: sentences, headings and lines that stand alone, each a verbatim slice."""

import re
from collections.abc import Iterator

from infini_cli.answering import words
from infini_cli.reading.splitter import sentence_spans

MAX_CHARACTERS = 300  # of a piece
_SHORT_LINE = 0.6  # of the longest line: a line so short did not reach the margin, so its end was meant
_OPENS = re.compile(r"\s*(?:[\"'“‘(\[$#>*•–-]\s?)?(?:[A-ZÀ-ÖØ-ÞΑ-ΩА-Я0-9]|[-*•–]\s)")
_SENTENCE = re.compile(r"[\"'“‘„«(「]?(?![a-z])[^\W\d_].*[.!?…。！？][\"'”’»)」]*", re.S)
_LEAST_SENTENCE, _MOST_SENTENCE = 40, 400  # characters of a sentence that can stand alone
_LEAST_SPACELESS = 12  # the same in scripts that put no spaces between words
_NUMBERING = re.compile(r"\(?(?:[A-Z]\.)?[\d.]{1,9}[.)]|\(?[A-Za-z][.)]")
_CODE_SIGNS = re.compile(r"[/\\=_%*#{}<>|$@^~`\[\]+&:]")
_CODE_FROM = 0.06  # share of signs of code from which a sentence is none


def pieces_of(text: str, section: str | None = None) -> list[tuple[int, int]]:
    """Where the sentences of a passage start and end, without the heading of its section at its beginning.

    A line that ends well before the margin, such as a heading or a line of code, is a piece of its own; what is longer
    than a quote may be is cut at a line end or a space.
    """
    begin = heading_end(text, section)
    longest = max((len(line) for line in text.splitlines()), default=0)
    return [
        part
        for start, end in _numbers_joined(text[begin:])
        for line in _lines_apart(text, begin + start, begin + end, longest)
        for part in _short_enough(text, *line)
    ]


def heading_end(text: str, section: str | None) -> int:
    """Where the text below the heading begins, if a passage begins with the title of its section; else 0."""
    if not section:
        return 0
    title = r"\s+".join(re.escape(word) for word in section.split())
    match = re.match(rf"\s*#*\s*{title}\s*(?=\n|$)\n?", text)
    return match.end() if match and text[match.end() :].strip() else 0


def one_line(text: str) -> str:
    """A piece as it reads in running text: words that a line end cut are whole, and line ends are spaces."""
    return " ".join(words.mend(text).split())


def is_sentence(text: str) -> bool:
    """Whether a piece is a sentence that can stand alone, rather than a heading, a fragment or code."""
    least = _LEAST_SENTENCE if " " in text else _LEAST_SPACELESS
    return (
        least <= len(text) <= _MOST_SENTENCE
        and code_share(text) < _CODE_FROM
        and bool(_SENTENCE.fullmatch(text))
    )


def code_share(text: str) -> float:
    """How many of the characters are signs that stand in code, addresses and tables."""
    return len(_CODE_SIGNS.findall(text)) / max(1, len(text))


def _numbers_joined(text: str) -> list[tuple[int, int]]:
    """The sentences of a text, with numbers such as "11.4." put before what they number."""
    spans: list[tuple[int, int]] = []
    for start, end in sentence_spans(text):
        if spans and _NUMBERING.fullmatch(text, *spans[-1]):
            start = spans.pop()[0]
        spans.append((start, end))
    return spans


def _lines_apart(text: str, start: int, end: int, longest: int) -> Iterator[tuple[int, int]]:
    """text[start:end] cut after short lines before one that can begin something new."""
    begin = start
    for match in re.finditer(r"[ \t]*\n\s*", text[start:end]):
        stop, following = start + match.start(), start + match.end()
        line = text.rfind("\n", 0, stop) + 1
        if stop - line < _SHORT_LINE * longest and _OPENS.match(text, following):
            yield begin, stop
            begin = following
    if begin < end:
        yield begin, end


def _short_enough(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """text[start:end] cut at line ends, else at spaces, into pieces of at most MAX_CHARACTERS."""
    while end - start > MAX_CHARACTERS:
        piece = text[start : start + MAX_CHARACTERS + 1]
        place = max(piece.rfind("\n"), 0) or max(piece.rfind(" "), 0) or MAX_CHARACTERS
        yield start, start + len(piece[:place].rstrip())
        start += place
        start += len(text[start:end]) - len(text[start:end].lstrip())
    if start < end:
        yield start, end
