"""Documents of an exact number of tokens: real prose with other text put between its sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt

from infini_cli.tokenizers.protocol import Tokenizer
from infini_cli.training.books import LAYOUTS, WRAP_COLUMNS, Book, Layout, wrap

WRAPPED_SHARE = 0.35  # how many of the documents have lines of limited length, as files and PDFs have
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Insertion:
    """A text to put into a document: a sentence that runs on in its paragraph, or a paragraph of its own."""

    text: str
    paragraph: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A composed document."""

    tokens: npt.NDArray[np.int64]  # (n,)
    spans: tuple[tuple[int, int], ...]  # first token and one past the last token of each insertion
    layout: Layout
    books: tuple[str, ...]

    def segments(self, length: int) -> npt.NDArray[np.int64]:
        """The tokens as (S, T); their number must be a multiple of `length`."""
        return self.tokens.reshape(-1, length)


@dataclass(frozen=True, slots=True)
class Prose:
    """A stretch of real text."""

    tokens: npt.NDArray[np.int64]  # (n,)
    boundaries: list[int]  # offsets at which something may be put in: sentence starts, and the end
    text: str  # the sentences that are there in full
    layout: Layout
    books: tuple[str, ...]


def draw_layout(rng: Random) -> Layout:
    """Flowing text, or now and then text in lines as books are printed."""
    return LAYOUTS[1] if rng.random() < WRAPPED_SHARE else LAYOUTS[0]


def take_prose(rng: Random, books: Sequence[Book], layout: Layout, n_tokens: int) -> Prose:
    """Exactly `n_tokens` of prose that end where a sentence ends and begin wherever they then begin.

    Books are drawn with a chance that grows with the root of their length. When one is too short, it is used
    whole and another one is put before it.
    """
    parts: list[npt.NDArray[np.int64]] = []
    boundaries: list[int] = []
    texts: list[str] = []
    names: list[str] = []
    weights = [book.n_tokens**0.5 for book in books]
    missing = n_tokens
    while missing > 0:
        book = rng.choices(books, weights)[0]
        starts = book.token_starts[layout]
        first_end = int(np.searchsorted(starts, missing))
        whole = first_end >= len(starts)
        end = len(starts) - 1 if whole else rng.randint(first_end, len(starts) - 1)
        to_token = int(starts[end])
        from_token = max(0, to_token - missing)
        first_full = int(np.searchsorted(starts, from_token))
        part = np.asarray(book.tokens[layout][from_token:to_token], dtype=np.int64)
        inside = [int(start) - from_token for start in starts[first_full : end + 1]]
        missing -= len(part)
        # parts are found from the last to the first, so what is known of later ones moves on
        shift = len(part)
        first_allowed = 0 if first_full > 0 else 1  # nothing goes before the first sentence of a book
        boundaries = [each for each in inside if each >= first_allowed] + [
            each + shift for each in boundaries
        ]
        parts.insert(0, part)
        texts.insert(0, book.text[book.character_starts[first_full] : book.character_starts[end]])
        names.insert(0, book.name)
    tokens = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
    return Prose(tokens, sorted({*boundaries, n_tokens}), "".join(texts), layout, tuple(names))


def _prose_without(
    rng: Random, books: Sequence[Book], layout: Layout, n_tokens: int, avoid: Sequence[str]
) -> Prose:
    """Prose in which none of the words occurs, or as few of them as a few tries find."""
    best = take_prose(rng, books, layout, n_tokens)
    fewest = sum(word in best.text for word in avoid)
    for _ in range(_ATTEMPTS):
        if fewest == 0:
            break
        prose = take_prose(rng, books, layout, n_tokens)
        found = sum(word in prose.text for word in avoid)
        if found < fewest:
            best, fewest = prose, found
    return best


def _insertion_tokens(
    rng: Random, insertion: Insertion, tokenizer: Tokenizer, layout: Layout
) -> tuple[list[int], int]:
    """The tokens of an insertion with the white space it needs, and how many of them are its own."""
    text = insertion.text if insertion.paragraph else " " + insertion.text
    if layout == "wrapped":
        # the space before a sentence may itself become the end of a line
        text = wrap(text, first_column=0 if insertion.paragraph else rng.randrange(WRAP_COLUMNS))
    if not insertion.paragraph:
        own = tokenizer.encode(text)
        return own, len(own)
    own = tokenizer.encode("\n\n" + text)
    return own + tokenizer.encode("\n\n"), len(own)


def compose(
    rng: Random,
    books: Sequence[Book],
    tokenizer: Tokenizer,
    insertions: Sequence[Insertion],
    n_tokens: int,
    *,
    depths: Sequence[float] | None = None,
    avoid: Sequence[str] = (),
) -> Document:
    """Make a document of exactly `n_tokens` tokens; it ends where a sentence ends and begins anywhere.

    Args:
        insertions: put in at sentence boundaries, in this order.
        depths: the wanted place of each insertion, 0 (before the first whole sentence) to 1 (the end), not
            falling; without them the places are random.
        avoid: words the prose should not contain.

    Raises:
        ValueError: the insertions alone are longer than the document.
    """
    layout = draw_layout(rng)
    pieces = [_insertion_tokens(rng, each, tokenizer, layout) for each in insertions]
    n_prose = n_tokens - sum(len(piece) for piece, _ in pieces)
    if n_prose < 0:
        needed = n_tokens - n_prose
        raise ValueError(f"insertions of {needed} tokens do not fit into a document of {n_tokens}")
    prose = _prose_without(rng, books, layout, n_prose, avoid)
    places = _places(rng, prose, len(pieces), depths)
    parts: list[npt.NDArray[np.int64]] = []
    spans = []
    length = previous = 0
    for place, (piece, n_own) in zip(places, pieces, strict=True):
        parts += [prose.tokens[previous:place], np.array(piece, dtype=np.int64)]
        length += place - previous
        spans.append((length, length + n_own))
        length += len(piece)
        previous = place
    parts.append(prose.tokens[previous:])
    return Document(np.concatenate(parts), tuple(spans), layout, prose.books)


def _places(rng: Random, prose: Prose, count: int, depths: Sequence[float] | None) -> list[int]:
    """Where in the prose each of `count` insertions goes, not falling."""
    if depths is None:
        enough = len(prose.boundaries) >= count
        chosen = rng.sample(prose.boundaries, count) if enough else rng.choices(prose.boundaries, k=count)
        return sorted(chosen)
    first, last = prose.boundaries[0], prose.boundaries[-1]
    boundaries = np.array(prose.boundaries)
    return [int(boundaries[np.abs(boundaries - first - depth * (last - first)).argmin()]) for depth in depths]
