"""The pass key hidden in repeated filler, as the paper measured it, and the same among real prose."""

from random import Random

import numpy as np

from infini_cli.training.composition import Document, Insertion, compose
from infini_cli.training.sources import find_sources
from infini_cli.training.tasks.asking import ask, place_of
from infini_cli.training.tasks.sample import Question, Sample, Setting

LARGEST_KEY = 50_000
INTRODUCTION = (
    "There is an important info hidden inside a lot of irrelevant text. Find it and memorize them. "
    "I will quiz you about the important information there."
)
FILLER = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
QUESTION = "What is the pass key?"
CONTINUATION = "What is the pass key? The pass key is"
STATEMENT = "The pass key is {key}. Remember it. {key} is the pass key."


def _filler_document(rng: Random, setting: Setting, key: str, depth: float | None) -> Document:
    """Introduction, filler, key, filler; the filler begins anew after the key and is cut to length."""
    tokenizer = setting.tokenizer
    introduction = tokenizer.encode(INTRODUCTION + "\n")
    statement = tokenizer.encode("\n" + STATEMENT.format(key=key) + "\n")
    unit = tokenizer.encode(" " + FILLER)
    n_filler = setting.n_tokens - len(introduction) - len(statement)
    if n_filler < 0:
        raise ValueError(f"{setting.n_tokens} tokens are too few for a pass key")
    before = rng.randint(0, n_filler) if depth is None else round(depth * n_filler)
    stream = np.array(unit * (n_filler // len(unit) + 1), dtype=np.int64)
    tokens = np.concatenate(
        [np.array(introduction), stream[:before], np.array(statement), stream[: n_filler - before]]
    ).astype(np.int64)
    start = len(introduction) + before
    return Document(tokens, ((start, start + len(statement)),), "flowing", ())


def make_passkey(
    rng: Random,
    setting: Setting,
    *,
    depth: float | None = None,
    prose: bool = False,
    as_continuation: bool = False,
) -> Sample:
    """One pass key.

    Args:
        depth: where the key stands, 0 to 1; random by default.
        prose: real prose in place of the repeated filler.
        as_continuation: ask as the paper does, with an unfinished sentence and no chat form.
    """
    key = str(rng.randint(1, LARGEST_KEY))
    statement = STATEMENT.format(key=key)
    if prose:
        books = setting.corpus.books_of(setting.split)
        depths = None if depth is None else (depth,)
        needle = [Insertion(statement)]
        document = compose(rng, books, setting.tokenizer, needle, setting.n_tokens, depths=depths)
    else:
        document = _filler_document(rng, setting, key, depth)
    if as_continuation:
        question = _continuation(setting, document, key)
    else:
        question = ask(setting, document, (0,), QUESTION, (key,), evidence=statement)
    form = "continuation" if as_continuation else "chat"
    details = {"haystack": "prose" if prose else "filler", "form": form}
    return Sample("passkey", document.segments(setting.segment_length), (question,), details)


def _continuation(setting: Setting, document: Document, key: str) -> Question:
    depth, distance = place_of(setting, document, (0,))
    tokenizer = setting.tokenizer
    answer = tuple(tokenizer.encode(f" {key}."))
    return Question(
        prompt=tuple(tokenizer.encode(CONTINUATION)),
        answer=answer,
        text=CONTINUATION,
        accepted=(key,),
        depth=depth,
        distance=distance,
        sources=find_sources(tokenizer, document.tokens, document.spans, key, answer),
    )
