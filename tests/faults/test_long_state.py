"""The memory stays finite over millions of tokens, whatever the tokens are."""

import math
import sys
import time

import pytest
import torch
from torch import Tensor

from infini_cli.nn.memory import MemoryState, state_bytes
from infini_cli.reading.engine import ModelEngine, load_engine
from infini_cli.settings import load_settings

SEGMENTS = 128  # of each stream in one pass
STREAMS = ("one token", "two in turn", "random", "adversarial")


@pytest.fixture(scope="module")
def engine() -> ModelEngine:
    return load_engine(load_settings({"model": "for-tests-tiny", "dtype": "float32", "device": "cpu"}))


def size(state: MemoryState) -> float:
    """The largest number anywhere in a memory."""
    return max(float(part.abs().max()) for layer in state for part in layer if part.numel())


def worst_tokens(engine: ModelEngine, count: int) -> Tensor:
    """The tokens of which a segment full of each makes the memory largest."""
    vocabulary = engine.tokenizer.vocab_size
    tokens = torch.arange(vocabulary).view(-1, 1, 1).expand(-1, 1, engine.segment_length)
    state = tuple(
        type(layer)(*(part.expand(vocabulary, *part.shape[1:]) for part in layer))
        for layer in engine.empty_state()
    )
    after = engine.read(tokens, state)
    sizes = torch.stack(
        [part.abs().flatten(1).amax(1) for layer in after for part in layer if part.numel()]
    ).amax(0)
    return sizes.topk(count).indices


def streams(engine: ModelEngine, worst: Tensor, chance: torch.Generator) -> Tensor:
    """The next tokens of each stream, (B, S, T)."""
    shape = (SEGMENTS, engine.segment_length)
    one = torch.full(shape, int(worst[0]))
    two = one.clone()
    two[:, ::2] = int(worst[1])
    vocabulary = engine.tokenizer.vocab_size
    random = torch.randint(vocabulary, shape, generator=chance)
    adversarial = worst[torch.randint(len(worst), shape, generator=chance)]
    return torch.stack([one, two, random, adversarial])


def read_long(engine: ModelEngine, tokens: int) -> list[float]:
    """Read so many tokens of each stream and return the sizes of the memory on the way."""
    chance = torch.Generator().manual_seed(0)
    worst = worst_tokens(engine, 16)
    batch = len(STREAMS)
    state: MemoryState = tuple(
        type(layer)(*(part.repeat(batch, *[1] * (part.dim() - 1)) for part in layer))
        for layer in engine.empty_state()
    )
    bytes_before = state_bytes(state)
    sizes = []
    for _ in range(math.ceil(tokens / (SEGMENTS * engine.segment_length))):
        state = engine.read(streams(engine, worst, chance), state)
        sizes.append(size(state))
        assert all(bool(torch.isfinite(part).all()) for layer in state for part in layer)
        assert all(bool((layer.norm >= 0).all()) for layer in state)
    assert state_bytes(state) == bytes_before
    return sizes


def check(sizes: list[float]) -> None:
    """It may grow as the number of tokens does, by sums, but no faster."""
    assert math.isfinite(sizes[-1])
    assert sizes[-1] <= 1.01 * sizes[0] * len(sizes)


def test_the_memory_is_finite_after_a_hundred_thousand_tokens(engine: ModelEngine) -> None:
    check(read_long(engine, 25_000))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_the_memory_is_finite_after_ten_million_tokens(engine: ModelEngine) -> None:
    started = time.monotonic()
    sizes = read_long(engine, 10_000_000)
    sys.stderr.write(
        f"\n{len(STREAMS)} streams of 10,000,000 tokens in {time.monotonic() - started:.0f} s;"
        f" largest number after {SEGMENTS} segments {sizes[0]:.3g}, at the end {sizes[-1]:.3g}\n"
    )
    check(sizes)
