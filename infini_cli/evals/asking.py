"""Asking: greedy answers to questions behind a memory.

Where the answer is closed by the token that ends it, greedy decoding gives it exactly if and only if each of its tokens
is the most probable one after the right tokens before it. One forward pass tells; only questions that fail are decoded.
Shapes: Q questions, L tokens.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from infini_cli.nn.memory import MemoryState, take_rows
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.nn.window import Window
from infini_cli.tokenizers import Tokenizer
from infini_cli.training.tasks.sample import Question

TOKENS_AT_ONCE = 8_192  # of all questions that are answered in one batch
SPARE_TOKENS = 12  # how many more than the right answer has the model may write


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked, and the answer that is right."""

    tokens: tuple[int, ...]
    answer: tuple[int, ...]

    @property
    def most_tokens(self) -> int:
        """How many tokens are generated at most."""
        return len(self.answer) + SPARE_TOKENS


def prompt_of(question: Question) -> Prompt:
    return Prompt(question.prompt, question.answer)


@torch.inference_mode()
def greedy_answers(
    model: InfiniTransformer,
    prompts: Sequence[Prompt],
    state: MemoryState,
    tokenizer: Tokenizer,
    *,
    check_first: bool = True,
) -> list[str]:
    """What greedy decoding writes after each prompt, without the token that ends it.

    Args:
        state: one row per prompt; () for a model without memory.
        check_first: try the right answers in one pass before decoding; worth it where many are expected to be right.
    """
    found: dict[int, tuple[int, ...]] = {}
    if check_first:
        for rows in _batches(prompts, range(len(prompts))):
            exact = answered_exactly(model, [prompts[row] for row in rows], _rows(state, rows, model))
            found |= {
                row: prompts[row].answer[:-1]
                for row, right in zip(rows, exact, strict=True)
                if right and prompts[row].answer[-1] in tokenizer.eos_ids
            }
    by_length: dict[int, list[int]] = defaultdict(list)
    for row, prompt in enumerate(prompts):
        if row not in found:
            by_length[len(prompt.tokens)].append(row)
    for same in by_length.values():
        for rows in _batches(prompts, same):
            written = decode(
                model,
                [prompts[row].tokens for row in rows],
                _rows(state, rows, model),
                max(prompts[row].most_tokens for row in rows),
                tokenizer.eos_ids,
            )
            found |= dict(zip(rows, map(tuple, written), strict=True))
    return [tokenizer.decode(found[row]) for row in range(len(prompts))]


def answered_exactly(model: InfiniTransformer, prompts: Sequence[Prompt], state: MemoryState) -> list[bool]:
    """Whether greedy decoding after each prompt gives its answer, token for token; padding stands at right ends."""
    length = max(len(prompt.tokens) + len(prompt.answer) for prompt in prompts) - 1
    tokens = torch.zeros(len(prompts), length, dtype=torch.long)
    wanted = torch.zeros(len(prompts), length, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        whole = torch.tensor([*prompt.tokens, *prompt.answer])
        tokens[row, : len(whole) - 1] = whole[:-1]
        wanted[row, len(prompt.tokens) - 1 : len(whole) - 1] = True
    hidden, _ = model.hidden(tokens.unsqueeze(1).to(model.device), state)  # (Q, 1, L, d)
    likeliest = model.logits(hidden[:, 0][wanted.to(model.device)]).argmax(dim=-1).tolist()
    exact, place = [], 0
    for prompt in prompts:
        exact.append(likeliest[place : place + len(prompt.answer)] == list(prompt.answer))
        place += len(prompt.answer)
    return exact


@torch.inference_mode()
def decode(
    model: InfiniTransformer,
    prompts: Sequence[Sequence[int]],
    state: MemoryState,
    most_tokens: int,
    stop_ids: Collection[int],
) -> list[list[int]]:
    """Greedy decoding of prompts of one length, together; each row ends before its first stop id."""
    window = Window(
        model.config, len(prompts[0]) + most_tokens, model.dtype, model.device, batch=len(prompts)
    )
    logits = model.extend(
        torch.tensor([list(prompt) for prompt in prompts], device=model.device), state, window
    )
    written: list[list[int]] = [[] for _ in prompts]
    running = set(range(len(prompts)))
    for _ in range(most_tokens):
        chosen: Tensor = logits.argmax(dim=-1)  # (Q,)
        for row, token in enumerate(chosen.tolist()):
            if row in running and token in stop_ids:
                running.discard(row)
            elif row in running:
                written[row].append(token)
        if not running or len(written[min(running)]) == most_tokens:
            break
        logits = model.extend(chosen.unsqueeze(1), state, window)
    return written


def _batches(prompts: Sequence[Prompt], rows: Sequence[int]) -> list[list[int]]:
    """The rows in groups of a bounded number of tokens."""
    groups: list[list[int]] = []
    longest = 0
    for row in rows:
        longest = max(longest, len(prompts[row].tokens) + prompts[row].most_tokens)
        if not groups or longest * (len(groups[-1]) + 1) > TOKENS_AT_ONCE:
            groups.append([])
            longest = len(prompts[row].tokens) + prompts[row].most_tokens
        groups[-1].append(row)
    return groups


def _rows(state: MemoryState, rows: Sequence[int], model: InfiniTransformer) -> MemoryState:
    return take_rows(state, torch.tensor(rows, device=model.device))
