"""Text that arrives in pieces, given on sentence by sentence."""

import re
from collections.abc import Generator, Iterable

from infini_cli.reading.splitter import sentence_spans

_MAY_END = re.compile(r"[.!?…。！？:;\n]")
_LONGEST = 800  # characters of a sentence; a small model can repeat a word for ever
_ENDS = re.compile(r"[.!?…。！？][\"'”’»)\]*_]*$")


def sentences_of(pieces: Iterable[str]) -> Generator[str, None, None]:
    """The sentences of a text as soon as each is known to be whole; joined, they are the text.

    A line end ends a sentence: list items and headings come one by one. The last sentence comes when the pieces end,
    whole or not, and so does one that has no end in sight.
    """
    text = ""
    for piece in pieces:
        text += piece
        # only a sign that can end a sentence, somewhere before the end, makes it worth looking
        while _MAY_END.search(text.rstrip()[:-1] + "\n" * text.endswith("\n")):
            end = _first_end(text)
            if end is None:
                break
            yield text[:end]
            text = text[end:]
        if len(text) > _LONGEST:
            yield text
            text = ""
    if text:
        yield text


def is_whole(sentence: str) -> bool:
    """Whether a sentence was written to its end."""
    return bool(_ENDS.search(sentence.rstrip()))


def _first_end(text: str) -> int | None:
    """Where the first sentence ends with the blanks after it, or None while that is not known."""
    blank = len(text) - len(text.lstrip())
    line = text.find("\n", blank)
    spans = sentence_spans(text if line < 0 else text[:line])
    if len(spans) > 1:
        return spans[1][0]
    return line + 1 if line >= 0 else None
