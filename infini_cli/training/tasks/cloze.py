"""A sentence of the document with a name left out, to be filled in from memory."""

import re
from itertools import pairwise
from random import Random

from infini_cli.training.composition import Document, draw_layout, take_prose
from infini_cli.training.manifest import Role
from infini_cli.training.tasks.asking import ask
from infini_cli.training.tasks.sample import Sample, Setting

BLANK = "____"
QUESTIONS: dict[Role, tuple[str, ...]] = {
    "train": (
        'Which name is missing in this sentence of the text? "{sentence}"',
        'Fill in the missing name: "{sentence}"',
        'Who or what belongs in the blank? "{sentence}"',
        'In the text it says: "{sentence}" What stands in place of the blank?',
    ),
    "heldout": ('Complete the quotation with the name that was left out: "{sentence}"',),
}
# a capitalised word inside a sentence, after a word in small letters
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{2,}(?=[ ,;.!?'’])")
_NOT_NAMES = frozenset(
    "Mrs Miss Sir God Lord Lady Heaven Monday Tuesday Wednesday Thursday Friday Saturday Sunday January "
    "February March April May June July August September October November December Chapter State States "
    "Government Congress President United English French The And But Oh Yes Well Why What This That They "
    "There She His Her You".split()
)
_WORDS = (8, 40)  # fewest and most words of a sentence that is asked for
_PATIENCE = 20


def _candidates(
    setting: Setting, tokens: list[int], boundaries: list[int]
) -> list[tuple[int, int, str, str]]:
    """Sentences with a name in them: first token, one past the last, the sentence, the name."""
    found = []
    for start, end in pairwise(boundaries):
        sentence = " ".join(setting.tokenizer.decode(tokens[start:end]).split())
        if not _WORDS[0] <= len(sentence.split()) <= _WORDS[1]:
            continue
        names = {name for name in _NAME.findall(sentence) if name not in _NOT_NAMES}
        found += [(start, end, sentence, name) for name in sorted(names) if sentence.count(name) == 1]
    return found


def make_cloze(rng: Random, setting: Setting, *, n_questions: int = 4) -> Sample:
    """Plain prose and up to `n_questions` of its sentences, each with one name left out.

    Raises:
        ValueError: the books hold no sentence with a name.
    """
    books = setting.corpus.books_of(setting.split)
    for _ in range(_PATIENCE):
        layout = draw_layout(rng)
        prose = take_prose(rng, books, layout, setting.n_tokens)
        candidates = _candidates(setting, prose.tokens.tolist(), prose.boundaries)
        if candidates:
            break
    else:
        raise ValueError(f"no sentence with a name in {_PATIENCE} stretches of {setting.n_tokens} tokens")
    chosen = rng.sample(candidates, min(n_questions, len(candidates)))
    document = Document(prose.tokens, tuple((start, end) for start, end, _, _ in chosen), layout, prose.books)
    questions = []
    for index, (_, _, sentence, name) in enumerate(chosen):
        question = rng.choice(QUESTIONS[setting.split]).format(sentence=sentence.replace(name, BLANK))
        questions.append(ask(setting, document, (index,), question, (name,), evidence=sentence))
    return Sample("cloze", document.segments(setting.segment_length), tuple(questions))
