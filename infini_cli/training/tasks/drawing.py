"""Small draws that several tasks share."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")
_PATIENCE = 1_000


def distinct(count: int, draw: Callable[[], T]) -> list[T]:
    """`count` different draws, in the order drawn.

    Raises:
        ValueError: the draws keep repeating.
    """
    found: dict[T, None] = {}
    for _ in range(_PATIENCE * max(1, count)):
        if len(found) == count:
            break
        found[draw()] = None
    if len(found) < count:
        raise ValueError(f"only {len(found)} of {count} different values could be drawn")
    return list(found)


def interleave(rng: Random, first: Sequence[T], second: Sequence[T]) -> list[T]:
    """Merge two sequences at random; each keeps its order."""
    from_first = set(rng.sample(range(len(first) + len(second)), len(first)))
    one, other = iter(first), iter(second)
    return [next(one) if place in from_first else next(other) for place in range(len(first) + len(second))]


def depths_around(rng: Random, count: int, fixed: int, depth: float) -> list[float]:
    """Depths for `count` insertions, not falling: `depth` at index `fixed`, the others random."""
    before = sorted(rng.uniform(0, depth) for _ in range(fixed))
    after = sorted(rng.uniform(depth, 1) for _ in range(count - fixed - 1))
    return [*before, depth, *after]
