"""Needles in the words of RULER (arXiv 2404.06654, task niah_multikey_1 with one value a key), in unseen books.

The sentence and the question are among those of training; keys, values and books are not.
"""

from random import Random

import numpy as np

from infini_cli.training.composition import Document, Insertion, compose
from infini_cli.training.tasks.asking import ask
from infini_cli.training.tasks.drawing import distinct
from infini_cli.training.tasks.sample import Sample, Setting
from infini_cli.training.tasks.values import number, uuid, word_pair

INTRODUCTION = (
    "A special magic {kind} is hidden within the following text. Make sure to memorize it. "
    "I will quiz you about the {kind} afterwards.\n"
)
STATEMENT = "One of the special magic {kind}s for {key} is: {value}."
QUESTION = "What is the special magic {kind} for {key} mentioned in the provided text?"


def make_ruler_needles(rng: Random, setting: Setting, kind: str, *, n_keys: int = 4) -> Sample:
    """One document with a value for each key; every key is asked for.

    Args:
        kind: of the values: "number", "word" or "uuid".
        n_keys: how many.

    Raises:
        KeyError: no such kind.
        ValueError: the document is too short.
    """
    draw = {"number": number, "word": lambda rng: word_pair(rng, setting.split), "uuid": uuid}[kind]
    keys = distinct(n_keys, lambda: word_pair(rng, setting.split))
    values = [draw(rng) for _ in keys]
    statements = [
        STATEMENT.format(kind=kind, key=key, value=value) for key, value in zip(keys, values, strict=True)
    ]
    introduction = setting.tokenizer.encode(INTRODUCTION.format(kind=kind))
    text = compose(
        rng,
        setting.corpus.books_of(setting.split),
        setting.tokenizer,
        [Insertion(statement) for statement in statements],
        setting.n_tokens - len(introduction),
    )
    document = Document(
        np.concatenate((np.array(introduction, dtype=np.int64), text.tokens)),
        tuple((start + len(introduction), end + len(introduction)) for start, end in text.spans),
        text.layout,
        text.books,
    )
    questions = tuple(
        ask(setting, document, (place,), QUESTION.format(kind=kind, key=key), (value,))
        for place, (key, value) in enumerate(zip(keys, values, strict=True))
    )
    return Sample("needle", document.segments(setting.segment_length), questions, {"kind": kind})
