"""Mixtures of tasks: which task a sample is of is drawn by weight, and batches hold documents of one size."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from infini_cli.training.tasks.babilong import make_story
from infini_cli.training.tasks.cloze import make_cloze
from infini_cli.training.tasks.facts import make_facts
from infini_cli.training.tasks.needle import make_needle
from infini_cli.training.tasks.passages import make_passage_reading, make_passage_recall
from infini_cli.training.tasks.passkey import make_passkey
from infini_cli.training.tasks.sample import Sample, Setting
from infini_cli.training.tasks.text import make_continuation, make_replay

# (rng, setting, **options); the same rng state, setting and options always give the same sample
TaskMaker = Callable[..., Sample]

TASKS: dict[str, TaskMaker] = {
    "passkey": make_passkey,
    "needle": make_needle,
    "facts": make_facts,
    "story": make_story,
    "passage-recall": make_passage_recall,
    "passage-reading": make_passage_reading,
    "cloze": make_cloze,
    "continuation": make_continuation,
    "replay": make_replay,
}
# tasks whose questions carry passages or a whole segment of text
LONG_WINDOWS = frozenset({"passage-reading", "continuation", "replay"})


@dataclass(frozen=True, slots=True)
class Part:
    """One entry of a mixture: a task, its weight, and options that its maker takes."""

    task: str
    weight: float
    options: Mapping[str, Any]


def parse_mixture(table: Mapping[str, Any]) -> tuple[Part, ...]:
    """A mixture from a recipe: NAME = WEIGHT, or NAME = {weight = ..., task = ..., OPTION = ...}.

    Without `task`, NAME is the task; with it, a task can stand in a mixture several times with other options.

    Raises:
        ValueError: an unknown task, a weight below 0, or no weight above it.
    """
    parts = []
    for name, entry in table.items():
        options = dict(entry) if isinstance(entry, Mapping) else {"weight": entry}
        task, weight = options.pop("task", name), float(options.pop("weight", 1))
        if task not in TASKS:
            raise ValueError(f"no task {task!r}; there are {', '.join(sorted(TASKS))}")
        if weight < 0:
            raise ValueError(f"the weight of {name} is below 0: {weight}")
        parts.append(Part(task, weight, options))
    if sum(part.weight for part in parts) <= 0:
        raise ValueError("a mixture needs a weight above 0")
    return tuple(parts)


def make_sample(mixture: tuple[Part, ...], setting: Setting, seed: str) -> Sample:
    """One sample; the seed alone decides it."""
    rng = Random(seed)
    part = rng.choices(mixture, [each.weight for each in mixture])[0]
    return TASKS[part.task](rng, setting, **part.options)


def make_batches(
    mixture: tuple[Part, ...],
    setting: Setting,
    segments: tuple[int, ...],
    batch_size: int,
    seed: int | str,
    *,
    window_segments: int | None = None,
    first_step: int = 0,
    worker: int = 0,
    workers: int = 1,
) -> Iterator[list[Sample]]:
    """Batches without end; the batch of a step is the same however often training was resumed before it.

    Args:
        setting: its number of segments is replaced.
        segments: numbers of segments, one of which is drawn for each batch.
        batch_size: documents in a batch; a document may carry several questions.
        window_segments: segments of the documents whose questions carry long windows, in place of a draw.
        first_step: where to begin.
        worker: which of `workers` asks; each gets its share of the rows, so that together they see the same batch.
    """
    long = tuple(part for part in mixture if part.task in LONG_WINDOWS)
    short = tuple(part for part in mixture if part.task not in LONG_WINDOWS)
    windows = [group for group in (short, long) if sum(part.weight for part in group) > 0]
    for step in itertools.count(first_step):
        draw = Random(f"{seed}/{step}")
        sized = replace(setting, n_segments=draw.choice(segments))
        # rows are padded to the longest, so questions with long windows come in batches of their own
        window = draw.choices(windows, [sum(part.weight for part in group) for group in windows])[0]
        if window is long and window_segments is not None:
            sized = replace(setting, n_segments=window_segments)
        yield [
            make_sample(window, sized, f"{seed}/{step}/{row}") for row in range(batch_size)[worker::workers]
        ]
