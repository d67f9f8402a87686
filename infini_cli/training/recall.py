"""How much of what a model answers comes from its memory: held-out exact match beside controls that take it away."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch

from infini_cli.nn.memory import emptied, take_rows
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.training.batches import collate
from infini_cli.training.losses import exact_rows, read_documents, score
from infini_cli.training.mixture import Part, make_sample
from infini_cli.training.tasks.sample import Setting

MEMORY_TASKS = frozenset({"passkey", "needle", "facts", "story", "passage-recall", "cloze"})


@dataclass(frozen=True, slots=True)
class Recall:
    """Shares of questions answered exactly, with the answer's tokens forced so that one pass scores them."""

    exact: float
    without_memory: float  # the same questions with every memory emptied
    other_memory: float  # … with the memory of another document
    by_task: dict[str, float]
    questions_by_task: dict[str, int]
    questions: int

    def to_dict(self) -> dict[str, object]:
        return asdict(self)

    @property
    def memory_helps(self) -> bool:
        """Whether the memory explains any right answer."""
        return self.exact > max(self.without_memory, self.other_memory)


def pooled(parts: Sequence[Recall]) -> Recall:
    """What several measurements say together."""
    questions = sum(part.questions for part in parts)

    def mean(field: str) -> float:
        return sum(getattr(part, field) * part.questions for part in parts) / questions

    tasks = sorted({task for part in parts for task in part.by_task})
    by_task = {}
    for task in tasks:
        of_task = [
            (part.by_task[task], part.questions_by_task[task]) for part in parts if task in part.by_task
        ]
        by_task[task] = sum(share * count for share, count in of_task) / sum(count for _, count in of_task)
    counts = {task: sum(part.questions_by_task.get(task, 0) for part in parts) for task in tasks}
    return Recall(mean("exact"), mean("without_memory"), mean("other_memory"), by_task, counts, questions)


@torch.no_grad()
def measure_recall(
    model: InfiniTransformer,
    mixture: tuple[Part, ...],
    setting: Setting,
    *,
    samples: int,
    batch: int,
    seed: str,
) -> Recall:
    """Ask held-out questions that only the memory can answer; the same seed always asks the same.

    Raises:
        ValueError: the mixture has no task whose answers stand in the memory alone.
    """
    parts = tuple(part for part in mixture if part.task in MEMORY_TASKS and part.weight > 0)
    if not parts:
        raise ValueError(
            f"no task of the mixture tests the memory; those that do: {', '.join(sorted(MEMORY_TASKS))}"
        )
    setting = replace(setting, split="heldout")
    counts = {"exact": 0, "empty": 0, "other": 0}
    by_task: dict[str, list[bool]] = {}
    questions = 0
    for start in range(0, samples, batch):
        made = [
            make_sample(parts, setting, f"{seed}/{row}") for row in range(start, min(samples, start + batch))
        ]
        collated = collate(made, model.device)
        state, rows = read_documents(model, collated), collated.rows
        own = take_rows(state, rows)
        memories = {"exact": own, "empty": emptied(own), "other": take_rows(state, (rows + 1) % len(made))}
        for control, memory in memories.items():
            right = exact_rows(score(model, collated, memory), len(collated.questions))
            counts[control] += int(right.sum())
            if control == "exact":
                for task, answered in zip(collated.tasks, right.tolist(), strict=True):
                    by_task.setdefault(task, []).append(answered)
        questions += len(collated.questions)
    return Recall(
        exact=counts["exact"] / questions,
        without_memory=counts["empty"] / questions,
        other_memory=counts["other"] / questions,
        by_task={task: sum(right) / len(right) for task, right in sorted(by_task.items())},
        questions_by_task={task: len(right) for task, right in sorted(by_task.items())},
        questions=questions,
    )
