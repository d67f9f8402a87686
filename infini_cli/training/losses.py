"""What training makes small.

Shapes: B documents, S segments, T tokens, Q questions, L tokens of prompt and answer, N scored tokens, V vocabulary.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from infini_cli.nn.memory import MemoryState, empty_rows, empty_state, take_rows
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.nn.window import Window
from infini_cli.training.batches import IGNORED, Batch
from infini_cli.training.recipe import Losses
from infini_cli.training.tasks.sample import Question

_ALIKE = 64  # tokens that questions have in common from which on they are run once


@dataclass(frozen=True, slots=True)
class Scored:
    """The logits of every token that a batch's targets score, in row order."""

    logits: Tensor  # (N, V) float32
    targets: Tensor  # (N,)
    rows: Tensor  # (N,) the question each belongs to


def read_documents(model: InfiniTransformer, batch: Batch, before: MemoryState | None = None) -> MemoryState:
    """The memory of each document (B rows), with gradients, read after `before` or into an empty memory."""
    if before is None:
        before = empty_state(model.config, len(batch.documents), model.device)
    return model.read(batch.documents, before)


def asked_after(after: MemoryState, batch: Batch) -> MemoryState:
    """The memories (Q rows) behind the questions, of the documents' (B rows); empty for those asked alone."""
    alone = torch.tensor([question.alone for question in batch.questions], device=batch.rows.device)
    return tuple(empty_rows(layer, alone) for layer in take_rows(after, batch.rows))


def writing_strength(before: MemoryState, after: MemoryState, n_tokens: int) -> Tensor:
    """How much of the features of a token was written on average, over rows, layers and heads.

    z sums the features of what was written, so its growth is what the write gates let through. With features that sum
    to one for every token ("hedgehog") it is the mean of the gates themselves.
    """
    grown = [(new.norm - old.norm).sum(dim=-1).mean() for old, new in zip(before, after, strict=True)]
    return torch.stack(grown).mean() / n_tokens


def score(model: InfiniTransformer, batch: Batch, state: MemoryState, *, together: bool = False) -> Scored:
    """Logits of the answers' tokens behind a state of Q rows, with the LM head run at those positions only.

    What many questions to the same document begin with, such as passages, is run once for all of them.

    together: all questions in one pass, however much longer some are than others.
    """
    wanted = batch.targets != IGNORED  # (Q, L-1)
    places = torch.arange(1, wanted.shape[1] + 1, device=wanted.device)
    lengths = (wanted * places).amax(dim=1)  # (Q,) up to the last scored token
    everything = torch.arange(len(lengths), device=lengths.device)
    logits, row = [], []
    shared = [] if together else _that_begin_alike(batch)
    for rows, start in shared:
        longest = int(lengths[rows].max())
        # (Q', L'-start, d)
        hidden = _branched(model, batch.tokens[rows, :longest], start, take_rows(state, rows))
        scored = wanted[rows, start:longest]
        logits.append(hidden[scored])
        row.append(rows[scored.nonzero()[:, 0]])
    alone = everything[~torch.isin(everything, torch.cat([everything[:0], *(rows for rows, _ in shared)]))]
    for rows in [alone] if together else [alone[group] for group in _of_like_length(lengths[alone])]:
        longest = int(lengths[rows].max())
        hidden, _ = model.hidden(batch.tokens[rows, None, :longest], take_rows(state, rows))  # (Q', 1, L', d)
        scored = wanted[rows, :longest]
        logits.append(hidden[:, 0][scored])
        row.append(rows[scored.nonzero()[:, 0]])
    rows = torch.cat(row)
    order = rows.argsort(stable=True)
    return Scored(model.logits(torch.cat(logits)[order]), batch.targets[wanted], rows[order])


def _that_begin_alike(batch: Batch) -> list[tuple[Tensor, int]]:
    """Rows of questions to one document that have at least _ALIKE tokens in common, and how many those are."""
    found = []
    alone = torch.tensor([question.alone for question in batch.questions], device=batch.rows.device)
    for document in batch.rows.unique():
        rows = ((batch.rows == document) & ~alone).nonzero()[:, 0]
        tokens = batch.tokens[rows]
        alike = int((tokens == tokens[:1]).all(dim=0).cumprod(dim=0).sum())
        # a scored token stands behind what is shared
        alike = min([alike, *(len(batch.questions[row].prompt) - 1 for row in rows.tolist())])
        if len(rows) > 1 and alike >= _ALIKE:
            found.append((rows, alike))
    return found


def _branched(model: InfiniTransformer, tokens: Tensor, start: int, state: MemoryState) -> Tensor:
    """Normed hidden states (Q, L - start, d) of what follows the first `start` of tokens (Q, L), which are alike."""
    first = torch.zeros(1, dtype=torch.long, device=tokens.device)
    window = Window.growing(model.config, model.dtype, model.device)
    model.extend_each(tokens[:1, :start], take_rows(state, first), window)
    return model.norm(model.extend_each(tokens[:, start:], state, window.branched(len(tokens))))


def _of_like_length(lengths: Tensor) -> list[Tensor]:
    """The rows (Q,) in groups: padded to its longest, no row of a group grows by more than a third."""
    order = lengths.argsort(descending=True, stable=True)
    groups: list[list[Tensor]] = []
    longest = 0
    for row in order:
        if not groups or 4 * int(lengths[row]) < 3 * longest:
            groups.append([])
            longest = int(lengths[row])
        groups[-1].append(row)
    return [torch.stack(group) for group in groups]


def total_loss(
    scored: Scored, questions: tuple[Question, ...], weights: Losses, teacher: Scored | None
) -> Tensor:
    """The mean over the batch's questions, each of which is the weighted mean over its scored tokens.

    Answers count fully, running text by `weights.text`. With `weights.missed`, what a memory has not found does not
    count: nothing that is trained here could say it, and what it would teach is to trust the memory less. Where a
    teacher scored the same tokens, the divergence KL(teacher || model) is added by `weights.distill`, or, for replay,
    stands alone with `weights.replay`.
    """
    device = scored.logits.device
    by_objective = {"answer": 1.0, "text": weights.text, "replay": 0.0}
    token_weights = torch.tensor([by_objective[q.objective] for q in questions], device=device)[
        scored.rows
    ]  # (N,)
    losses = token_weights * F.cross_entropy(scored.logits, scored.targets, reduction="none")
    if weights.missed:
        recalled = torch.tensor([any(q.sources) for q in questions], device=device)[scored.rows]
        ends = torch.cat((scored.rows[1:] != scored.rows[:-1], scored.rows.new_ones(1, dtype=torch.bool)))
        losses = losses.masked_fill(recalled & ~ends & (losses > weights.missed), 0.0)
    if teacher is not None:
        by_objective = {"answer": weights.distill, "text": weights.distill, "replay": weights.replay}
        taught = [by_objective[q.objective] if q.teacher_prompt is not None else 0.0 for q in questions]
        kept = torch.isin(scored.rows, teacher.rows)
        target = teacher.logits.log_softmax(dim=-1)
        divergence = F.kl_div(
            scored.logits[kept].log_softmax(dim=-1), target, reduction="none", log_target=True
        )
        losses = losses.index_add(
            0,
            kept.nonzero()[:, 0],
            torch.tensor(taught, device=device)[scored.rows[kept]] * divergence.sum(dim=-1),
        )
    n_scored = torch.bincount(scored.rows, minlength=len(questions))  # (Q,)
    return (losses / n_scored[scored.rows]).sum() / len(questions)


@torch.no_grad()
def teach(teacher: InfiniTransformer, batch: Batch, weights: Losses) -> Scored | None:
    """What the base model, which sees the needed text in its window and has no memory, says at the same tokens."""
    wanted = [
        row
        for row, question in enumerate(batch.questions)
        if question.teacher_prompt is not None
        and (weights.replay if question.objective == "replay" else weights.distill) > 0
    ]
    if not wanted:
        return None
    logits, targets, rows = [], [], []
    for row in wanted:  # prompts differ much in length; one by one costs no padding
        question = batch.questions[row]
        assert question.teacher_prompt is not None
        ids = torch.tensor([[[*question.teacher_prompt, *question.answer]]], device=teacher.device)[..., :-1]
        hidden, _ = teacher.hidden(ids, ())
        logits.append(teacher.logits(hidden[0, 0, len(question.teacher_prompt) - 1 :]))
        targets.append(torch.tensor(question.answer, device=teacher.device))
        rows.append(torch.full((len(question.answer),), row, device=teacher.device))
    return Scored(torch.cat(logits), torch.cat(targets), torch.cat(rows))


def exact_rows(scored: Scored, n_questions: int) -> Tensor:
    """(Q,) bool: whether greedy decoding would give each question's targets token for token."""
    wrong = scored.rows[scored.logits.argmax(dim=-1) != scored.targets]
    exact = torch.ones(n_questions, dtype=torch.bool, device=scored.rows.device)
    return exact.index_fill(0, wrong, False)
