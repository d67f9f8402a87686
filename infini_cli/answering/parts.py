"""A memory cut into parts to be summarized one by one: by the outline where there is one, else into equal stretches."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from infini_cli.answering.listings import listing_share
from infini_cli.reading.passages import PassageStore

_FEWEST = 3  # parts from which an outline's level is fine enough
_FINER = 1.5  # sections to a part; what is too fine is joined, what is too coarse stays so
_SMALL = 0.25  # of the average part: smaller ones join a neighbour
_LARGE = 2.5  # of the average part: larger ones are cut
_LEAST_TOKENS = 400  # of a part of a text without an outline
_LISTING_FROM = 0.5  # share of tables of contents and indexes from which a part says nothing


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of one document.

    Attributes:
        document_id: of the document it belongs to.
        titles: of the sections in it, in order; none for a text without an outline.
        first, last: numbers of its passages.
        tokens: of its passages.
    """

    document_id: int
    titles: tuple[str, ...]
    first: int
    last: int
    tokens: int

    @property
    def title(self) -> str | None:
        """What it is called: one title, or the first and the last of several."""
        if not self.titles:
            return None
        return self.titles[0] if len(self.titles) == 1 else f"{self.titles[0]} – {self.titles[-1]}"


def cut_into_parts(store: PassageStore, limit: int) -> list[Part]:
    """Parts that together hold all the prose of a memory, in order; at most `limit`, but one for each document."""
    total = store.token_total() or 1
    parts: list[Part] = []
    first = 1
    for document in store.documents():
        end = store.last_passage(document.id)
        if end is not None:
            share = max(1, round(limit * store.token_total(first, end.id) / total))
            parts += _cut_document(store, document.id, first, end.id, share)
            first = end.id + 1
    return parts


def _cut_document(store: PassageStore, document: int, first: int, last: int, limit: int) -> list[Part]:
    parts = _by_outline(store, document, first, last, limit)
    parts = [part for part in parts if not _is_listing(store, part)]
    if len(parts) < 2:
        tokens = store.token_total(first, last)
        stretches = store.equal_stretches(max(1, min(limit, tokens // _LEAST_TOKENS)), first=first, last=last)
        return [Part(document, (), a, b, store.token_total(a, b)) for a, b in stretches]
    average = sum(part.tokens for part in parts) / min(limit, len(parts))
    return _cut_large(store, _join_small(parts, average, limit), average, limit)


def _by_outline(store: PassageStore, document: int, first: int, last: int, limit: int) -> list[Part]:
    """The sections of the level that has about as many as there may be parts, and what stands before the first."""
    sections = store.sections(document_id=document)
    levels: list[dict[int, str]] = []
    for level in sorted({section.level for section in sections}):
        starts: dict[int, str] = {}
        for section in sections:
            if section.level <= level:
                starts.setdefault(section.first_passage, section.title)
        levels.append(starts)
    fine = [starts for starts in levels if len(starts) >= _FEWEST] or levels[-1:]
    starts = min(fine, key=lambda each: abs(math.log(len(each) / (_FINER * limit))), default={})
    edges = sorted({first, *starts})
    parts = []
    for start, after in zip(edges, [*edges[1:], last + 1], strict=True):
        titles = (starts[start],) if start in starts else ()
        parts.append(Part(document, titles, start, after - 1, store.token_total(start, after - 1)))
    return parts


def _join_small(parts: Sequence[Part], average: float, limit: int) -> list[Part]:
    """Neighbours joined until none is very small and there are few enough; always the two that make the least."""
    joined = list(parts)
    while len(joined) > 1:
        pairs = range(len(joined) - 1)
        place = min(pairs, key=lambda i: joined[i].tokens + joined[i + 1].tokens)
        small = min(joined[place].tokens, joined[place + 1].tokens) < _SMALL * average
        if len(joined) <= limit and not small:
            smallest = min(range(len(joined)), key=lambda i: joined[i].tokens)
            if joined[smallest].tokens >= _SMALL * average:
                break
            beside = [i for i in (smallest - 1, smallest) if 0 <= i < len(joined) - 1]
            place = min(beside, key=lambda i: joined[i].tokens + joined[i + 1].tokens)
        one, other = joined[place], joined[place + 1]
        both = replace(
            one, titles=one.titles + other.titles, last=other.last, tokens=one.tokens + other.tokens
        )
        joined[place : place + 2] = [both]
    return joined


def _cut_large(store: PassageStore, parts: Sequence[Part], average: float, limit: int) -> list[Part]:
    """Parts that are much larger than the others cut into equal stretches, as long as there may be more parts."""
    spare = limit - len(parts)
    result: list[Part] = []
    for part in parts:
        pieces = min(spare + 1, round(part.tokens / average)) if part.tokens > _LARGE * average else 1
        if pieces < 2:
            result.append(part)
            continue
        spare -= pieces - 1
        for number, (first, last) in enumerate(
            store.equal_stretches(pieces, first=part.first, last=part.last), start=1
        ):
            titles = (f"{part.title} ({number})",) if part.title else ()
            result.append(Part(part.document_id, titles, first, last, store.token_total(first, last)))
    return result


def _is_listing(store: PassageStore, part: Part) -> bool:
    """Whether a part is a table of contents or an index."""
    listed = sum(
        passage.tokens * listing_share(passage.text, passage.section)
        for passage in store.passages_between(part.first, part.last)
    )
    return listed > _LISTING_FROM * part.tokens
