"""A page cut into passages of 80 to 200 tokens at sentence ends, each a verbatim slice of its text."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from infini_cli.documents import Page
from infini_cli.documents.folding import fold_letters

MIN_TOKENS = 80  # of a passage, where the page has as many
MAX_TOKENS = 200
MAX_CHARACTERS = 2_000  # of one piece; 200 tokens of prose are about 900, so that only odd text is cut by it

CountTokens = Callable[[str], int]
Span = tuple[int, int]  # start and end, in characters of the page's text

# sentencex 1.0.32 counts each of these as one byte and panics (": A\u00a0. B"); so they go in as plain spaces
_WIDE_SPACE = re.compile(r"[^\S\x00-\x7f]")
_LINE = re.compile(r"[^\n]+")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence, or a part of one that is too long for a passage."""

    start: int
    end: int
    tokens: int
    ends_paragraph: bool


def split_page(page: Page, count_tokens: CountTokens) -> list[Span]:
    """The passages of `page` in order; together they hold every character of it that is not blank, once.

    Only its running lines, which stand at its edges, are in none. A heading starts a passage. `count_tokens`
    says how many tokens the model reads for a text; no passage has more than MAX_TOKENS, and one below
    MIN_TOKENS is made only where headings or the page leave no other way.
    """
    text = page.text
    edges = {edge for span in page.running for edge in span}
    cuts = sorted({0, len(text)} | edges | {h.offset for h in page.headings if 0 < h.offset < len(text)})
    spans: list[Span] = []
    for start, end in pairwise(cuts):
        if any(first <= start < last for first, last in page.running):
            continue
        for group in _group(list(_pieces(text, start, end, count_tokens))):
            spans += _within_limit(text, group, count_tokens)
    return spans


def sentence_spans(text: str, title: str | None = None) -> list[Span]:
    """The sentences of `text` without the blanks around them, by sentencex; blank ones are left out.

    When `text` begins with the lines of `title`, that of its section, these are a sentence of their own.
    """
    title_end = _title_end(text, title) if title else 0
    spans = []
    for begin, stop in ((0, title_end), (title_end, len(text))):
        part = text[begin:stop]
        # a title is one sentence, whatever stops are in it
        found = [(0, len(part))] if stop == title_end else _boundaries(_WIDE_SPACE.sub(" ", part))
        for start, end in found:
            if (span := _trimmed(text, begin + start, begin + end)) is not None:
                spans.append(span)
    return spans


def _title_end(text: str, title: str) -> int:
    """Where the first lines of `text` end if they are exactly the title, with or without its number; else 0."""
    letters = fold_letters(title)
    wanted = {letters, letters.lstrip("0123456789")} - {""}
    head = ""
    for line in _LINE.finditer(text):
        head += fold_letters(line.group())
        if head in wanted:
            return line.end()
        if len(head) >= len(letters):
            break
    return 0


def _boundaries(text: str) -> list[Span]:
    import sentencex

    try:
        # the English rules also know the full stops of other scripts
        found = sentencex.get_sentence_boundaries("en", text)
    except BaseException as failure:
        # a panic of the Rust library derives from BaseException; a page must not cost the whole document
        if type(failure).__name__ != "PanicException":
            raise
        return [(0, len(text))]
    return [(sentence["start_index"], sentence["end_index"]) for sentence in found]


def _trimmed(text: str, start: int, end: int) -> Span | None:
    """The span without blanks at its ends, or None when nothing else is in it."""
    inside = text[start:end]
    stripped = inside.strip()
    if not stripped:
        return None
    start += len(inside) - len(inside.lstrip())
    return start, start + len(stripped)


def _pieces(text: str, start: int, end: int, count_tokens: CountTokens) -> Iterator[Piece]:
    """The sentences of text[start:end], those too long for a passage cut at words."""
    sentences = [(start + first, start + last) for first, last in sentence_spans(text[start:end])]
    following = [*(first for first, _ in sentences), end][1:]
    for (first, last), after in zip(sentences, following, strict=True):
        ends_paragraph = after == end or _BLANK_LINE.search(text, last, after) is not None
        parts = list(_parts(text, first, last, count_tokens))
        for number, (part_start, part_end, tokens) in enumerate(parts, start=1):
            yield Piece(part_start, part_end, tokens, ends_paragraph and number == len(parts))


def _parts(text: str, start: int, end: int, count_tokens: CountTokens) -> Iterator[tuple[int, int, int]]:
    """(start, end, tokens) of the longest parts of a sentence that fit into a passage."""
    while start < end:
        stop, tokens = _longest_fit(text, start, end, count_tokens)
        yield start, stop, tokens
        rest = text[stop:end]
        start = stop + len(rest) - len(rest.lstrip())


def _longest_fit(text: str, start: int, end: int, count_tokens: CountTokens) -> tuple[int, int]:
    """The end and the tokens of the longest part from `start` that keeps both limits."""
    limit = min(end, start + MAX_CHARACTERS)
    if limit == end and (tokens := count_tokens(text[start:end])) <= MAX_TOKENS:
        return end, tokens
    low, high = start + 1, limit  # text[start:low] is known to fit, or is a single character
    while low < high:
        middle = (low + high + 1) // 2
        if count_tokens(text[start:middle]) <= MAX_TOKENS:
            low = middle
        else:
            high = middle - 1
    stop = _word_end(text, start, low, end)
    while (tokens := count_tokens(text[start:stop])) > MAX_TOKENS and stop > start + 1:
        stop = start + max(1, (stop - start) // 2)
    return stop, tokens


def _word_end(text: str, start: int, stop: int, end: int) -> int:
    """The end of the last whole word in text[start:stop], or `stop` when a single word fills it."""
    if stop == end or text[stop].isspace():
        return start + len(text[start:stop].rstrip())
    head = text[start:stop]
    blanks = [match.start() for match in re.finditer(r"\s+", head)]
    return start + blanks[-1] if blanks else stop


def _group(pieces: list[Piece]) -> list[list[Piece]]:
    """Consecutive pieces put together to passages; paragraph ends are preferred."""
    groups: list[list[Piece]] = []
    current: list[Piece] = []
    for piece in pieces:
        if current and _tokens(current) + piece.tokens > MAX_TOKENS:
            groups.append(current)
            current = []
        current.append(piece)
        if piece.ends_paragraph and _tokens(current) >= MIN_TOKENS:
            groups.append(current)
            current = []
    if current:
        groups.append(current)
    return _without_short_groups(groups)


def _without_short_groups(groups: list[list[Piece]]) -> list[list[Piece]]:
    """Groups below MIN_TOKENS joined with the one before, or filled up from its end, where there is room."""
    result: list[list[Piece]] = []
    for group in groups:
        if result and _tokens(group) < MIN_TOKENS:
            before = result[-1]
            if _tokens(before) + _tokens(group) <= MAX_TOKENS:
                before += group
                continue
            while _tokens(group) < MIN_TOKENS and _can_give(before, to=group):
                group = [before.pop(), *group]
        result.append(group)
    return result


def _can_give(group: list[Piece], *, to: list[Piece]) -> bool:
    last = group[-1].tokens
    return _tokens(group) - last >= MIN_TOKENS and _tokens(to) + last <= MAX_TOKENS


def _tokens(group: list[Piece]) -> int:
    return sum(piece.tokens for piece in group)


def _within_limit(text: str, group: list[Piece], count_tokens: CountTokens) -> list[Span]:
    """The group as one span, or as several where the whole has more tokens than its pieces."""
    start, end = group[0].start, group[-1].end
    if len(group) == 1 or count_tokens(text[start:end]) <= MAX_TOKENS:
        return [(start, end)]
    half = len(group) // 2
    return _within_limit(text, group[:half], count_tokens) + _within_limit(text, group[half:], count_tokens)
