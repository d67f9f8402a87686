"""Markers: the tokens that structure a conversation, such as `<|im_start|>`, which no document may write."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infini_cli.tokenizers.chat import Piece

# tokens that end an answer; a model's files do not always list all of theirs
END_MARKERS = frozenset(
    {"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<|eom_id|>", "<|end|>", "</s>"}
)

_LOOKS_LIKE_MARKER = re.compile(r"<.+>|\[.+\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Marker:
    """One added token of a vocabulary."""

    id: int
    text: str
    special: bool = True  # left out of decoded text
    strips_left: bool = False  # swallows white space before it
    strips_right: bool = False  # and after it


def is_marker(text: str, *, special: bool) -> bool:
    """Whether an added token is a marker; others, such as runs of spaces, are text with its own token."""
    return special or _LOOKS_LIKE_MARKER.fullmatch(text) is not None


def split_at_markers(pieces: Iterable[Piece], markers: Mapping[str, Marker]) -> list[str | Marker]:
    """A rendered conversation as markers and texts; markers are looked for in the template's own words only.

    Neighbouring texts are joined, whoever wrote them, because a token may reach over their border.
    """
    # of markers that begin alike, the longest counts
    names = sorted(markers, key=len, reverse=True)
    pattern = re.compile(f"({'|'.join(map(re.escape, names))})") if names else None
    parts: list[str | Marker] = []
    for piece in pieces:
        found = pattern.split(piece.text) if piece.trusted and pattern else [piece.text]
        for place, part in enumerate(found):  # texts and markers in turn
            if place % 2:
                parts.append(markers[part])
            elif parts and isinstance(parts[-1], str):
                parts[-1] += part
            else:
                parts.append(part)
    return [part for part in _stripped(parts) if part]


def _stripped(parts: list[str | Marker]) -> list[str | Marker]:
    """The parts without the white space that neighbouring markers swallow."""
    stripped = list(parts)
    for index, part in enumerate(parts):
        if isinstance(part, Marker):
            if part.strips_left and index > 0:
                stripped[index - 1] = _text(stripped[index - 1]).rstrip()
            if part.strips_right and index + 1 < len(parts):
                stripped[index + 1] = _text(stripped[index + 1]).lstrip()
    return stripped


def _text(part: str | Marker) -> str:
    """Between two markers there is always a text, if only an empty one."""
    assert isinstance(part, str)
    return part
