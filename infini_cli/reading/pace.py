"""How fast this machine reads: as an earlier read shows, or by a trial."""

import time
from typing import NamedTuple

import torch

from infini_cli.errors import ModelError
from infini_cli.reading import library
from infini_cli.reading.engine import choose_device, choose_dtype, load_engine
from infini_cli.reading.segments import CHUNK_SEGMENTS
from infini_cli.settings import Settings

_ENOUGH_TOKENS = 2_000  # of a read that shows its pace
_TRIALS = 2  # chunks, the first of which warms up


class Pace(NamedTuple):
    """Tokens per second; `memory` is whose reading showed it, or None for a trial."""

    tokens_per_second: float
    memory: str | None


def remembered_pace(settings: Settings) -> Pace | None:
    """The pace of the latest read by the same model on the same device, in the same number format."""
    device = choose_device(settings.device)
    wanted = (settings.model, str(device), str(choose_dtype(settings.dtype, device)).removeprefix("torch."))
    infos = [listed.info for listed in library.list_memories() if listed.info is not None]
    fitting = [
        info
        for info in infos
        if (info.record.model, info.record.device, info.record.dtype) == wanted
        and info.record.tokens >= _ENOUGH_TOKENS
        and info.record.seconds > 0
    ]
    if not fitting:
        return None
    latest = max(fitting, key=lambda info: info.record.updated)
    return Pace(latest.record.tokens / latest.record.seconds, latest.name)


def tried_pace(settings: Settings) -> Pace | None:
    """The pace of reading a little, which takes some seconds; None when the model is not on this machine."""
    try:
        engine = load_engine(settings)
    except ModelError:
        return None
    count = CHUNK_SEGMENTS * engine.segment_length
    tokens = torch.arange(count).remainder(engine.tokenizer.vocab_size)
    state = engine.empty_state()
    seconds = 0.0
    for _ in range(_TRIALS):
        started = time.perf_counter()
        state = engine.read(tokens.view(1, CHUNK_SEGMENTS, engine.segment_length), state)
        if state[0].norm.is_cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - started
    return Pace(count / seconds, None)
