"""Controls: the same questions with the memory taken away. Where they do well, an answer proves nothing.

- memory_off: the question alone, every memory emptied.
- other_memory: the memory of another document of the same kind, length and depth.
- local_window: no memory, but the document's last segment before the question.
- truncation: the base model, and as much of the document's beginning and end as its window holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from infini_cli.answering.prompts import memory_messages
from infini_cli.evals.asking import Prompt, greedy_answers, prompt_of
from infini_cli.evals.haystack import Documents
from infini_cli.evals.subject import Subject
from infini_cli.nn.memory import MemoryState, empty_state, take_rows
from infini_cli.training.tasks.sample import Question

CONTROLS = ("memory_off", "other_memory", "local_window", "truncation")


@dataclass(frozen=True, slots=True)
class Asked:
    """The questions of a batch of documents.

    Attributes:
        documents: (B, S, T) token ids.
        state: the memories, one row per document.
        questions: all of them.
        rows: the document of each.
        in_chat: whether the questions are put in chat form.
    """

    documents: Documents
    state: MemoryState
    questions: Sequence[Question]
    rows: Sequence[int]
    in_chat: bool


def run_control(name: str, subject: Subject, asked: Asked) -> list[str] | None:
    """The answers under a control, or None when it needs a second document and there is none.

    Raises:
        KeyError: no such control.
    """
    return {
        "memory_off": _memory_off,
        "other_memory": _other_memory,
        "local_window": _local_window,
        "truncation": _truncation,
    }[name](subject, asked)


def _memory_off(subject: Subject, asked: Asked) -> list[str]:
    prompts = [prompt_of(question) for question in asked.questions]
    return _without_memory(subject, prompts)


def _other_memory(subject: Subject, asked: Asked) -> list[str] | None:
    if len(asked.documents) < 2:
        return None
    others = torch.tensor(
        [(row + 1) % len(asked.documents) for row in asked.rows], device=subject.model.device
    )
    return greedy_answers(
        subject.model,
        [prompt_of(question) for question in asked.questions],
        take_rows(asked.state, others),
        subject.tokenizer,
        check_first=False,
    )


def _local_window(subject: Subject, asked: Asked) -> list[str]:
    prompts = [
        Prompt((*asked.documents[row, -1].tolist(), *question.prompt), question.answer)
        for question, row in zip(asked.questions, asked.rows, strict=True)
    ]
    return _without_memory(subject, prompts)


def _without_memory(subject: Subject, prompts: Sequence[Prompt]) -> list[str]:
    state = empty_state(subject.model.config, len(prompts), subject.model.device)
    return greedy_answers(subject.model, prompts, state, subject.tokenizer, check_first=False)


def _truncation(subject: Subject, asked: Asked) -> list[str]:
    return greedy_answers(
        subject.base,
        [
            shown_in_window(
                subject, asked.documents[row].reshape(-1), question, in_chat=asked.in_chat, ends="both"
            )
            for question, row in zip(asked.questions, asked.rows, strict=True)
        ],
        (),
        subject.tokenizer,
        check_first=False,
    )


def shown_in_window(
    subject: Subject, document: np.ndarray, question: Question, *, in_chat: bool, ends: str
) -> Prompt:
    """A question after as much of its document as the window holds.

    Args:
        document: (n,) token ids.
        ends: "both" leaves out the middle, "last" all but the end.
    """
    tokenizer = subject.tokenizer
    # a little is kept free, since text cut in two and joined may take other tokens than it had
    room = subject.window - len(question.tokens) - 64
    while True:
        text = tokenizer.decode(_kept(document, room, ends).tolist())
        if in_chat:
            tokens = tokenizer.encode_chat(memory_messages(f"{text}\n\n{question.text}"))
        else:
            tokens = tokenizer.encode(f"{text}\n{question.text}")
        prompt = Prompt(tuple(tokens), question.answer)
        excess = len(prompt.tokens) + prompt.most_tokens - subject.window
        if excess <= 0 or room == 0:
            return prompt
        room = max(0, room - excess)


def _kept(document: np.ndarray, room: int, ends: str) -> np.ndarray:
    """At most `room` tokens of a document."""
    if len(document) <= room:
        return document
    if ends == "last":
        return document[len(document) - room :]
    return np.concatenate((document[: room - room // 2], document[len(document) - room // 2 :]))
