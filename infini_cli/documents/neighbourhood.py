"""A stream of pages, each seen among its neighbours, in flat memory."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from infini_cli.errors import DocumentError

T = TypeVar("T")


def neighbourhoods(items: Iterable[T], reach: int) -> Iterator[tuple[Sequence[T], int]]:
    """Each item in order, as a window of up to `reach` items before and after it, and its place in the window.

    Raises:
        DocumentError: from `items`, after the items that came before it.
    """
    window: deque[T] = deque()
    position = 0  # in the window, of the next item to give out
    failure: DocumentError | None = None
    arriving = iter(items)
    ended = False
    while not ended:
        try:
            window.append(next(arriving))
        except StopIteration:
            ended = True
        except DocumentError as error:
            failure, ended = error, True
        while position < len(window) - (0 if ended else reach):
            yield window, position
            position += 1
            if position > reach:
                window.popleft()
                position -= 1
    if failure is not None:
        raise failure
