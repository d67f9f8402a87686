"""The two axes of an evaluation: lengths of documents in tokens, and depths in them."""

import re
from collections.abc import Sequence

from infini_cli.errors import UsageError

_UNITS = {"": 1, "K": 1024, "M": 1024 * 1024}
_LENGTH = re.compile(r"(\d+)\s*([KM]?)", re.IGNORECASE)


def parse_lengths(text: str) -> tuple[int, ...]:
    """Tokens from a list such as "4K,16K,1M" (K is 1,024), ascending.

    Raises:
        UsageError: something in the list is no length.
    """
    lengths = set()
    for part in text.split(","):
        found = _LENGTH.fullmatch(part.strip())
        if found is None or int(found[1]) == 0:
            raise UsageError(f"{part.strip()!r} is not a length", hint="lengths look like this: 4K,16K,1M")
        lengths.add(int(found[1]) * _UNITS[found[2].upper()])
    return tuple(sorted(lengths))


def parse_depths(text: str) -> tuple[float, ...]:
    """Depths from a list such as "0,0.5,1", ascending.

    Raises:
        UsageError: something in the list is not between 0 and 1.
    """
    depths = set()
    for part in text.split(","):
        try:
            depth = float(part)
        except ValueError:
            depth = -1.0
        if not 0 <= depth <= 1:
            raise UsageError(
                f"{part.strip()!r} is not a depth", hint="depths look like this: 0,0.5,1 (start, middle, end)"
            )
        depths.add(depth)
    return tuple(sorted(depths))


def format_length(tokens: int) -> str:
    """A length for people: "4K", "1M", "1000"."""
    for unit in ("M", "K"):
        if tokens % _UNITS[unit] == 0:
            return f"{tokens // _UNITS[unit]}{unit}"
    return str(tokens)


def nearest(depth: float, depths: Sequence[float]) -> float:
    """The one of `depths` that is closest; of two as close, the first."""
    return min(depths, key=lambda each: abs(each - depth))


def whole_segments(lengths: Sequence[int], segment_length: int) -> tuple[int, ...]:
    """The lengths as they can be read: the nearest whole numbers of segments, in tokens, ascending.

    Raises:
        UsageError: a length is shorter than one segment.
    """
    if min(lengths) < segment_length:
        raise UsageError(
            f"{min(lengths)} tokens are less than one segment of {segment_length}",
            hint="choose longer --lengths, or a shorter --segment-length",
        )
    return tuple(sorted({round(length / segment_length) * segment_length for length in lengths}))
