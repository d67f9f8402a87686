"""Samples as tensors.

Shapes: B documents, S segments, T tokens in a segment, Q questions, L tokens of prompt and answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from infini_cli.training.tasks.sample import Question, Sample

IGNORED = -100  # target of a position that is not scored


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents of one shape and the questions asked after them.

    Questions are padded at their right ends, where causal attention lets no real token see the padding.
    """

    documents: Tensor  # (B, S, T) token ids
    tokens: Tensor  # (Q, L-1) prompts and answers, each without its last token
    targets: Tensor  # (Q, L-1) the token that follows, where it belongs to an answer; else IGNORED
    # pairs (P, 2): a scored token, by its number in row order, and a token of `documents`, flat
    sources: Tensor
    # pairs (P, 2) of tokens of `documents`, flat: an answer's first, and that of what it has taken the place of
    replaced: Tensor
    rows: Tensor  # (Q,) the document that each question is about
    questions: tuple[Question, ...]
    tasks: tuple[str, ...]  # (Q,) the task of each question
    n_tokens: int  # read and asked, without padding

    @property
    def lengths(self) -> Tensor:
        """Of the rows of `tokens` without their padding, (Q,)."""
        return torch.tensor([len(question.tokens) - 1 for question in self.questions])


def collate(samples: Sequence[Sample], device: torch.device | str = "cpu") -> Batch:
    """Stack samples on a device. Raises ValueError where their documents differ in shape."""
    shapes = {sample.segments.shape for sample in samples}
    if len(shapes) != 1:
        raise ValueError(f"samples of one batch need documents of one shape, not {sorted(shapes)}")
    asked = [
        (row, sample.task, question) for row, sample in enumerate(samples) for question in sample.questions
    ]
    length = max(len(question.tokens) for _, _, question in asked) - 1
    tokens = torch.zeros(len(asked), length, dtype=torch.long)
    targets = torch.full_like(tokens, IGNORED)
    pairs = []
    replaced = []
    scored = 0
    for i, (row, _, question) in enumerate(asked):
        ids = torch.tensor(question.tokens)
        tokens[i, : len(ids) - 1] = ids[:-1]
        targets[i, len(question.prompt) - 1 : len(ids) - 1] = ids[len(question.prompt) :]
        start = row * samples[0].segments.size
        pairs += [(scored + n, start + place) for n, found in enumerate(question.sources) for place in found]
        scored += len(question.answer)
        if begins := next(filter(None, question.sources), ()):
            replaced += [(start + max(begins), start + place) for place in question.replaced]
    documents = torch.stack([torch.from_numpy(sample.segments) for sample in samples])
    return Batch(
        documents=documents.to(device),
        tokens=tokens.to(device),
        targets=targets.to(device),
        sources=torch.tensor(pairs, dtype=torch.long, device=device).reshape(-1, 2),
        replaced=torch.tensor(replaced, dtype=torch.long, device=device).reshape(-1, 2),
        rows=torch.tensor([row for row, _, _ in asked], device=device),
        questions=tuple(question for _, _, question in asked),
        tasks=tuple(task for _, task, _ in asked),
        n_tokens=documents.numel() + sum(len(question.tokens) for _, _, question in asked),
    )
