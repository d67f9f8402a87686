"""Baselines: the base model with the same weights and no compressive memory, asked the same questions.

- plain_window: as much of the document's end as the window holds.
- xl_cache: the keys and values of the last segment, read segment after segment (see transformer_xl).
"""

import torch

from infini_cli.evals import transformer_xl
from infini_cli.evals.asking import greedy_answers, prompt_of
from infini_cli.evals.controls import Asked, shown_in_window
from infini_cli.evals.subject import Subject

BASELINES = ("plain_window", "xl_cache")


def run_baseline(name: str, subject: Subject, asked: Asked) -> list[str]:
    """The answers of a baseline. Raises KeyError for an unknown one."""
    return {"plain_window": _plain_window, "xl_cache": _xl_cache}[name](subject, asked)


def _plain_window(subject: Subject, asked: Asked) -> list[str]:
    prompts = [
        shown_in_window(
            subject, asked.documents[row].reshape(-1), question, in_chat=asked.in_chat, ends="last"
        )
        for question, row in zip(asked.questions, asked.rows, strict=True)
    ]
    return greedy_answers(subject.base, prompts, (), subject.tokenizer, check_first=False)


@torch.inference_mode()
def _xl_cache(subject: Subject, asked: Asked) -> list[str]:
    base = subject.base
    cache = transformer_xl.read(base, torch.from_numpy(asked.documents).to(base.device))
    answers = []
    for question, row in zip(asked.questions, asked.rows, strict=True):
        prompt = prompt_of(question)
        own = transformer_xl.take_rows(cache, torch.tensor([row], device=base.device))
        written: list[int] = []
        while len(written) < prompt.most_tokens:
            tokens = torch.tensor([[*prompt.tokens, *written]], device=base.device)
            hidden, _ = transformer_xl.step(base, tokens, own)
            token = int(base.logits(hidden[0, -1]).argmax())
            if token in subject.tokenizer.eos_ids:
                break
            written.append(token)
        answers.append(subject.tokenizer.decode(written))
    return answers
