"""Sentences of the model as they are written, each let through only when the evidence bears it out."""

import re
from collections.abc import Generator
from contextlib import closing

from infini_cli.answering import words
from infini_cli.answering.prompts import MARKS, Messages, is_refusal
from infini_cli.answering.sentences import is_whole, sentences_of
from infini_cli.answering.support import TOGETHER_FROM, Witness
from infini_cli.answering.writing import Writer

_ITEM = re.compile(r"^(?:[-+•–]\s*(?=[^\W\d])|\*\s+|\(?\d{1,2}[.)]\s+)")
_MOST_ITEMS = 8  # of a list
_LEAST_NEW = 2  # content words that every sentence after the first must add


def held_sentences(
    writer: Writer,
    messages: Messages,
    witness: Witness,
    *,
    limit: int,
    max_tokens: int | None = None,
    together: float = TOGETHER_FROM,
) -> Generator[str, None, None]:
    """The sentences that hold, with the blanks between them, or the refusal with which the model begins.

    Closing the iterator stops the model.

    Args:
        writer: the model.
        messages: what it is asked.
        witness: the evidence.
        limit: sentences after which the model is stopped; items of a list do not count.
        max_tokens: after which it is stopped too.
        together: how much of a sentence one sentence of the evidence must say.
    """
    said: set[str] = set()
    kept = items = 0
    blank = announced = ""
    with closing(sentences_of(writer.write(messages, max_tokens=max_tokens))) as sentences:
        for sentence in sentences:
            text = sentence.strip()
            if not kept and not announced:
                text = _ITEM.sub("", text)
            if not text:
                continue
            if not kept and is_refusal(text):
                yield text
                return
            if text.startswith(MARKS):
                return
            heard = witness.hear(text, said)
            unfinished = writer.cut and not is_whole(text)
            if unfinished or (kept and heard.adds < _LEAST_NEW) or not heard.holds(together):
                return
            said.update(words.stem(text))
            after = "\n" if "\n" in sentence else " "
            if text.endswith(":"):
                # what is announced is said with the first item that follows
                announced, blank = announced + blank + text, after
                continue
            yield announced + blank + text
            announced, blank = "", after
            item = kept > 0 and bool(_ITEM.match(text))
            kept, items = kept + (not item), items + item
            if kept == limit or items == _MOST_ITEMS:
                return
