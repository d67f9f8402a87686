"""Text after a prompt: choosing tokens one by one, with a memory behind a local window of fixed length."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from infini_cli.nn.memory import MemoryState
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.nn.window import Window


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen; temperature 0 is greedy."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0  # keep the most probable tokens that together reach this probability
    repetition_penalty: float = (
        1.0  # above 1: tokens already seen become less likely (arXiv 1909.05858, section 4.1)
    )
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {self.max_new_tokens}; it must be at least 1")
        if self.temperature < 0:
            raise ValueError(f"temperature is {self.temperature}; it must not be negative")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}; it must be above 0 and at most 1")
        if self.repetition_penalty <= 0:
            raise ValueError(f"repetition_penalty is {self.repetition_penalty}; it must be above 0")


@torch.inference_mode()
def generate(
    model: InfiniTransformer,
    prompt: Sequence[int],
    state: MemoryState,
    sampling: Sampling,
    *,
    stop_ids: Collection[int] = (),
    window_length: int = 2048,
    on_choice: Callable[[float], None] = lambda sureness: None,
) -> Iterator[int]:
    """Yield the ids that follow `prompt`, without the stop id that ends them; the caller's state is left as it was.

    on_choice: called with the probability of the likeliest token at each place, before one is yielded or ends the text.

    What does not fit into the window of `window_length` tokens, of the prompt or of a long answer, is folded into a
    copy of the memory, oldest tokens first; nothing is cut away. Raises ValueError for an empty prompt.
    """
    if not prompt:
        raise ValueError("the prompt is empty")
    choose = Chooser(sampling, prompt, model.device)
    room = min(
        sampling.max_new_tokens, max(1, window_length // 4)
    )  # for the answer, before anything is folded
    local = list(prompt)
    state, local = fold_oldest(model, local, state, keep=max(1, window_length - room))
    window, logits = open_window(model, local, state, window_length)
    for produced in range(1, sampling.max_new_tokens + 1):
        token = choose(logits)
        on_choice(choose.sureness)
        if token in stop_ids:
            return
        yield token
        if produced == sampling.max_new_tokens:
            return
        local.append(token)
        if len(local) > window_length:
            state, local = fold_oldest(model, local, state, keep=max(1, window_length // 2))
            window, logits = open_window(model, local, state, window_length)
        else:
            logits = model.extend(torch.tensor([[token]], device=model.device), state, window)[0]


def open_window(
    model: InfiniTransformer, local: Sequence[int], state: MemoryState, capacity: int
) -> tuple[Window, Tensor]:
    """A window that holds `local`, and the logits (V,) that follow it."""
    window = Window(model.config, capacity, model.dtype, model.device)
    return window, model.extend(torch.tensor([local], device=model.device), state, window)[0]


def fold_oldest(
    model: InfiniTransformer, local: list[int], state: MemoryState, *, keep: int
) -> tuple[MemoryState, list[int]]:
    """Read all but the last `keep` tokens into the memory; a model without one keeps the window's end only."""
    return fold(model, local[:-keep], state), local[-keep:]


def fold(
    model: InfiniTransformer, tokens: Sequence[int], state: MemoryState, *, at_once: int = 4
) -> MemoryState:
    """The state after reading `tokens`: whole segments, `at_once` in one pass, then the shorter last one."""
    if model.config.memory is None:
        return state
    length = model.config.memory.segment_length
    for start in range(0, len(tokens), length * at_once):
        chunk = torch.tensor(tokens[start : start + length * at_once], dtype=torch.long, device=model.device)
        whole = len(chunk) // length * length
        if whole:
            state = model.read(chunk[:whole].view(1, -1, length), state)
        if whole < len(chunk):
            state = model.read(chunk[whole:].view(1, 1, -1), state)
    return state


class Chooser:
    """Chooses the next token from logits; remembers what was seen and its own random state."""

    def __init__(self, sampling: Sampling, prompt: Sequence[int], device: torch.device) -> None:
        self.sampling = sampling
        self.random = torch.Generator(device=device).manual_seed(sampling.seed)
        self.seen = set(prompt) if sampling.repetition_penalty != 1.0 else set()
        self.sureness = (
            0.0  # probability of the likeliest token at the last place, before any penalty, at temperature 1
        )

    def __call__(self, logits: Tensor) -> int:
        """logits (V,) float32 to a token id."""
        self.sureness = float((logits.max() - logits.logsumexp(dim=-1)).exp())
        logits = penalize(logits, self.seen, self.sampling.repetition_penalty)
        if self.sampling.temperature == 0:
            token = int(logits.argmax())
        else:
            probabilities = nucleus((logits / self.sampling.temperature).softmax(dim=-1), self.sampling.top_p)
            token = int(torch.multinomial(probabilities, 1, generator=self.random))
        if self.sampling.repetition_penalty != 1.0:
            self.seen.add(token)
        return token


def penalize(logits: Tensor, seen: Collection[int], penalty: float) -> Tensor:
    """Logits (V,) with those of `seen` ids made less likely: divided by the penalty if positive, else multiplied."""
    if penalty == 1.0 or not seen:
        return logits
    ids = torch.tensor(sorted(seen), device=logits.device)
    values = logits[ids]
    return logits.index_copy(0, ids, torch.where(values > 0, values / penalty, values * penalty))


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Probabilities (V,) with all but the smallest set of the most probable tokens that reaches `top_p` set to zero."""
    if top_p >= 1.0:
        return probabilities
    ordered, ids = probabilities.sort(descending=True)
    before = ordered.cumsum(dim=0) - ordered  # probability of everything more likely
    return torch.zeros_like(probabilities).scatter(0, ids, ordered.masked_fill(before >= top_p, 0.0))
