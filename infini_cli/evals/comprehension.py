"""Reading a passage that stands in the window, as `ask` presents it: SQuAD 2.0 (arXiv 1806.03822), unseen articles.

Answerable questions are scored by words in common and by equality after normalisation; of unanswerable ones, the share
that is refused. `model` has the memory of the whole article behind the window, as `ask` does; `memory_off` has none;
`base` is the untrained base model with the same prompt.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import torch

from infini_cli.answering.prompts import MARKS, REFUSAL, evidence_messages, is_refusal
from infini_cli.evals.asking import Prompt, greedy_answers
from infini_cli.evals.judging import contained, exact_match, token_f1
from infini_cli.evals.results import Entry, Ledger, ResultsFile
from infini_cli.evals.subject import Subject
from infini_cli.nn.generate import fold
from infini_cli.nn.memory import MemoryState, emptied, empty_state
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.training.corpus import Corpus
from infini_cli.training.questions import PassageQuestion, PassageSet

READERS = ("model", "memory_off", "base")
LONGEST_ANSWER = 48  # tokens


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question about one article."""

    number: int
    article: PassageSet
    question: PassageQuestion
    passages: tuple[str, ...]


def run_reading(
    subject: Subject,
    corpus: Corpus,
    file: ResultsFile,
    *,
    samples: int,
    passages: int = 1,
    seed: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Entry:
    """Measure reading.

    Args:
        samples: answerable questions, and as many unanswerable ones.
        passages: that stand in the window, the one that the question is about last.
        seed: which questions.
        on_progress: called with questions done and all questions.

    Raises:
        UsageError: the file holds results of another model, or with other options.
    """
    ledger = Ledger(file, subject, seed, passages=passages)
    have = {(record["answerable"], record["question_number"]) for record in ledger.records}
    todo = [
        asked
        for answerable in (True, False)
        for asked in _draw(corpus, answerable, samples, passages, seed)
        if (answerable, asked.number) not in have
    ]
    done = 0
    on_progress(done, len(todo))
    by_article: dict[str, list[_Asked]] = {}
    for asked in todo:
        by_article.setdefault(asked.article.title, []).append(asked)
    for together in by_article.values():
        text = subject.tokenizer.encode("\n\n".join(together[0].article.passages))
        with torch.inference_mode():
            state = fold(subject.model, text, empty_state(subject.model.config, 1, subject.model.device))
        tokens_read = len(text)
        for asked in together:
            ledger.add([_answer(subject, asked, state)], tokens_read)
            tokens_read = 0
            done += 1
            on_progress(done, len(todo))
        ledger.save(_summary(ledger.records))
    return ledger.entry(_summary(ledger.records))


def _draw(corpus: Corpus, answerable: bool, samples: int, n_passages: int, seed: int) -> list[_Asked]:
    """The same first questions whatever the number of samples."""
    every = [
        (article, question)
        for article in corpus.passage_sets("squad", "heldout")
        for question in article.questions
        if bool(question.answers) == answerable
    ]
    rng = Random(f"{seed}/reading/{answerable}")
    rng.shuffle(every)
    chosen = []
    for number, (article, question) in enumerate(every[:samples]):
        needed = [article.passages[index] for index in question.needed]
        others = [text for index, text in enumerate(article.passages) if index not in question.needed]
        draw = Random(f"{seed}/reading/{answerable}/{number}")
        beside = draw.sample(others, min(len(others), max(0, n_passages - len(needed))))
        chosen.append(_Asked(number, article, question, (*beside, *needed)))
    return chosen


def _answer(subject: Subject, asked: _Asked, state: MemoryState) -> Entry:
    """One question, put to all readers."""
    messages = evidence_messages(asked.question.question, asked.passages)
    tokens = tuple(subject.tokenizer.encode_chat(messages))
    model, base = subject.model, subject.base
    readers: dict[str, tuple[InfiniTransformer, MemoryState]] = {
        "model": (model, state),
        "memory_off": (model, emptied(state)),
        "base": (base, ()),
    }
    accepted = asked.question.answers
    answers = {
        name: shown_part(_write(subject, reader, tokens, memory))
        for name, (reader, memory) in readers.items()
    }
    return {
        "answerable": bool(accepted),
        "question_number": asked.number,
        "article": asked.article.title,
        "question": asked.question.question,
        "accepted": list(accepted) or [REFUSAL],
        "answers": answers,
        "refused": {name: is_refusal(answer) for name, answer in answers.items()},
        "f1": {name: round(token_f1(answer, accepted), 4) for name, answer in answers.items()}
        if accepted
        else None,
        "exact": {name: exact_match(answer, accepted) for name, answer in answers.items()}
        if accepted
        else None,
        "contained": {name: contained(answer, accepted) for name, answer in answers.items()}
        if accepted
        else None,
    }


def _write(subject: Subject, model: InfiniTransformer, tokens: tuple[int, ...], state: MemoryState) -> str:
    # the room for an answer does not depend on the right one, which readers of all kinds word differently
    prompt = Prompt(tokens, (0,) * LONGEST_ANSWER)
    return greedy_answers(model, [prompt], state, subject.tokenizer, check_first=False)[0]


def shown_part(text: str) -> str:
    """The first line of what was written, up to where the model begins to ask itself."""
    for mark in MARKS:
        text = text.split(mark)[0]
    return text.strip().split("\n")[0].strip()


def _summary(records: Sequence[Mapping[str, Any]]) -> Entry:
    answerable = [record for record in records if record["answerable"]]
    unanswerable = [record for record in records if not record["answerable"]]

    def mean(group: Sequence[Mapping[str, Any]], measure: str, name: str) -> float | None:
        return round(sum(record[measure][name] for record in group) / len(group), 4) if group else None

    return {
        "readers": {
            name: {
                "answerable": len(answerable),
                "f1": mean(answerable, "f1", name),
                "exact": mean(answerable, "exact", name),
                "contained": mean(answerable, "contained", name),
                "refused_wrongly": mean(answerable, "refused", name),
                "unanswerable": len(unanswerable),
                "refused_rightly": mean(unanswerable, "refused", name),
            }
            for name in READERS
        }
    }
