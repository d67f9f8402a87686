"""Where in a document the tokens of an answer stand."""

from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from infini_cli.tokenizers.protocol import Tokenizer

Sources = tuple[tuple[int, ...], ...]


def find_sources(
    tokenizer: Tokenizer,
    tokens: Sequence[int] | npt.NDArray[np.int64],
    spans: Iterable[tuple[int, int]],
    value: str,
    answer: Sequence[int],
) -> Sources:
    """For each token of an answer, the places in the document of the tokens that hold the same characters.

    The token after the value, which mostly ends the answer, has what follows the value in the document for its source:
    a read that finds it knows that the value is over, where one that finds nothing takes what is nearest.

    Args:
        tokens: the document's.
        spans: the parts of the document in which the answer is looked for, first token and one past the last.
        value: the answer in words; case and kinds of white space do not matter.
        answer: its tokens, which may hold more than the value; what is neither of it nor right after it has no source.
    """
    wanted = _plain(value)
    own_starts, own_text = _pieces(tokenizer, answer)
    begin = own_text.find(wanted)
    if begin < 0:
        return tuple(() for _ in answer)
    sources: list[set[int]] = [set() for _ in answer]
    end = begin + len(wanted)
    after = next((i for i in range(len(answer)) if own_starts[i] >= end), None)
    for first, past in spans:
        starts, text = _pieces(tokenizer, tokens[first:past])
        place = text.find(wanted)
        while place >= 0:
            shift = place - begin
            for i in range(len(answer)):
                low, high = max(own_starts[i], begin) + shift, min(own_starts[i + 1], end) + shift
                sources[i].update(
                    first + t for t in range(past - first) if starts[t] < high and starts[t + 1] > low
                )
            follows = next((t for t in range(past - first) if starts[t] >= end + shift), None)
            if after is not None and follows is not None:
                sources[after].add(first + follows)
            place = text.find(wanted, place + 1)
    return tuple(tuple(sorted(each)) for each in sources)


def find_first(
    tokenizer: Tokenizer,
    tokens: Sequence[int] | npt.NDArray[np.int64],
    span: tuple[int, int],
    value: str,
) -> int | None:
    """The place of the first token of a value in a part of the document; None if it is not there."""
    return next(iter(_held(tokenizer, tokens, span, _plain(value))), None)


def spelled_as(
    tokenizer: Tokenizer,
    tokens: Sequence[int] | npt.NDArray[np.int64],
    span: tuple[int, int],
    value: str,
) -> tuple[int, ...] | None:
    """The tokens of a value as it first stands in a part of the document; None where they hold anything else.

    Capital letters and the white space before it may differ.
    """
    spelled = tuple(int(tokens[t]) for t in _held(tokenizer, tokens, span, _plain(value).strip()))
    # a line may end within the value, which no answer should do
    exact = (
        "".join(tokenizer.decode([token]) for token in spelled).strip().casefold() == value.strip().casefold()
    )
    return spelled if exact else None


def _held(
    tokenizer: Tokenizer,
    tokens: Sequence[int] | npt.NDArray[np.int64],
    span: tuple[int, int],
    wanted: str,
) -> list[int]:
    """The places of the tokens that hold a text, in the form of `_plain`, where it first stands in a part of them."""
    first, past = span
    starts, text = _pieces(tokenizer, tokens[first:past])
    place = text.find(wanted)
    if place < 0:
        return []
    end = place + len(wanted)
    return [first + t for t in range(past - first) if starts[t] < end and starts[t + 1] > place]


def _pieces(tokenizer: Tokenizer, tokens: Iterable[int]) -> tuple[list[int], str]:
    """The text of tokens in the form of `_plain`, and the offset at which each token begins, and the last one ends.

    A character that several tokens share counts as one for each of them, which no value matches.
    """
    pieces = [tokenizer.decode([int(token)]) for token in tokens]
    return list(accumulate(map(len, pieces), initial=0)), _plain("".join(pieces))


def _plain(text: str) -> str:
    """Lower case and plain spaces, character for character."""
    return "".join(" " if c.isspace() else c.lower() if len(c.lower()) == 1 else c for c in text)
