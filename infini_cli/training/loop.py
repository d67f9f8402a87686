"""The training loop: full back-propagation through the memory, on one device or several, resumable."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from infini_cli.errors import UsageError
from infini_cli.nn.checkpoint import load_base, save_adapter
from infini_cli.nn.lora import inject
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.training.batches import Batch, collate
from infini_cli.training.curriculum import Stage
from infini_cli.training.losses import exact_rows, read_documents, score, take_rows, teach, total_loss
from infini_cli.training.mixture import make_batches, parse_mixture
from infini_cli.training.optimizer import make_optimizer, schedule
from infini_cli.training.recall import Recall, measure_recall
from infini_cli.training.recipe import Recipe
from infini_cli.training.tasks.sample import Setting

CHECKPOINT = "checkpoint.pt"
ADAPTER = "adapter.safetensors"
LOG = "log.jsonl"
EVALUATIONS_WITHOUT_EFFECT = 4  # in a row, after which training stops: the memory is not being used


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log: a step, or an evaluation."""

    step: int
    steps: int
    stage: int
    segments: int
    loss: float
    exact: float  # share of the step's training questions answered exactly
    tokens: int  # since the run began
    seconds: float  # since this process began
    recall: Recall | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Step(nn.Module):
    """One batch to one loss, as a module, so that DistributedDataParallel can watch its gradients."""

    def __init__(self, model: InfiniTransformer, teacher: InfiniTransformer, recipe: Recipe) -> None:
        super().__init__()
        self.model = model
        # in a list, so that the frozen teacher is no part of what is trained, saved or reduced
        self.teacher = [teacher]
        self.recipe = recipe

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss, and which questions (Q,) were answered exactly."""
        taught = teach(self.teacher[0], batch, self.recipe.losses)
        state = take_rows(read_documents(self.model, batch), batch.rows)
        scored = score(self.model, batch, state)
        exact = exact_rows(scored, len(batch.questions))
        return total_loss(scored, batch.questions, self.recipe.losses, taught), exact


@dataclass(slots=True)
class Progress:
    """What a checkpoint keeps beside the weights and the optimizer."""

    step: int = 0
    stage: Stage = field(default_factory=Stage)
    tokens: int = 0
    without_effect: int = 0


def train(
    recipe: Recipe,
    *,
    base: Path,
    base_fingerprint: str,
    setting: Setting,
    folder: Path,
    device: torch.device,
    on_event: Callable[[Event], None] = lambda event: None,
    checkpoint_seconds: float = 120.0,
    stop_after_steps: int | None = None,
) -> Path:
    """Train an adapter; a run that was cut short goes on from its last checkpoint with the same losses.

    Args:
        base: the base model's folder or GGUF file; its weights stay frozen in bfloat16.
        setting: corpus and tokenizer; its segments and split are set by the recipe.
        folder: where checkpoint, log and adapter are written.
        on_event: called after each step and each evaluation.
        checkpoint_seconds: at least so long between two checkpoints.
        stop_after_steps: end this process early, with a checkpoint.

    Returns:
        The adapter's file.

    Raises:
        UsageError: the folder holds another recipe's run, or emptying the memory changes nothing.
    """
    rank, workers = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    model = load_base(base, memory=recipe.memory, device=device, dtype=torch.bfloat16)
    teacher = load_base(base, memory=None, device=device, dtype=torch.bfloat16)
    if recipe.lora is not None:
        inject(model, recipe.lora)
    step_module: nn.Module = Step(model, teacher, recipe)
    optimizer = make_optimizer(model, recipe.optimizer)
    progress = resume(folder / CHECKPOINT, recipe, model, optimizer)
    if workers > 1:
        step_module = DistributedDataParallel(step_module, find_unused_parameters=True)
    curriculum, mixture = recipe.curriculum, parse_mixture(recipe.mixture)
    setting = replace(setting, segment_length=recipe.memory.segment_length, split="train")
    began = saved = time.monotonic()
    last = (
        curriculum.steps
        if stop_after_steps is None
        else min(curriculum.steps, progress.step + stop_after_steps)
    )
    while progress.step < last:
        segments = progress.stage.segments(curriculum)
        batches = make_batches(
            mixture,
            setting,
            segments,
            curriculum.batch_documents,
            recipe.seed,
            first_step=progress.step,
            worker=rank,
        )
        batch = collate(next(batches), device)
        schedule(optimizer, progress.step, curriculum.steps, recipe.optimizer)
        loss, exact = step_module(batch)
        optimizer.zero_grad()
        loss.backward()
        trainable = [p for group in optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(trainable, recipe.optimizer.clip_norm, error_if_nonfinite=True)
        optimizer.step()
        progress.step += 1
        progress.tokens += workers * batch.n_tokens
        recall = None
        if progress.step % curriculum.evaluate_every == 0 or progress.step == curriculum.steps:
            recall = measure_recall(
                model, mixture, replace(setting, n_segments=segments[-1]),
                samples=curriculum.evaluation_samples, batch=curriculum.batch_documents, seed=f"recall/{recipe.seed}",
            )  # fmt: skip
            progress.without_effect = 0 if recall.memory_helps else progress.without_effect + 1
            progress.stage = progress.stage.after(progress.step, recall.exact, curriculum)
        event = Event(
            progress.step, curriculum.steps, progress.stage.index, batch.documents.shape[1], float(loss.detach()),
            float(exact.float().mean()), progress.tokens, time.monotonic() - began, recall,
        )  # fmt: skip
        on_event(event)
        if rank == 0:
            with (folder / LOG).open("a", encoding="utf-8") as log:
                log.write(event.to_json() + "\n")
            if time.monotonic() - saved >= checkpoint_seconds or progress.step == last or recall is not None:
                save(folder / CHECKPOINT, recipe, model, optimizer, progress)
                save_adapter(model, folder / ADAPTER, base=base_fingerprint, lora=recipe.lora)
                saved = time.monotonic()
        if progress.without_effect >= EVALUATIONS_WITHOUT_EFFECT:
            raise UsageError(
                f"stopped at step {progress.step}: in {progress.without_effect} evaluations in a row the answers were "
                "no better with the memory than without it",
                hint="raise the rates of maps and gates, begin with fewer segments, or give the memory more layers",
            )
    return folder / ADAPTER


def save(
    file: Path, recipe: Recipe, model: InfiniTransformer, optimizer: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write a checkpoint; the old one stays until the new one is complete."""
    temporary = file.with_name(file.name + ".part")
    trained = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    torch.save(
        {
            "recipe": json.dumps(recipe.to_dict(), sort_keys=True),
            "trained": trained,
            "optimizer": optimizer.state_dict(),
            "progress": asdict(progress),
        },
        temporary,
    )
    os.replace(temporary, file)


def resume(
    file: Path, recipe: Recipe, model: InfiniTransformer, optimizer: torch.optim.Optimizer
) -> Progress:
    """Load a checkpoint into model and optimizer, if there is one.

    Raises:
        UsageError: it belongs to another recipe.
    """
    if not file.exists():
        return Progress()
    values: dict[str, Any] = torch.load(file, map_location=model.device, weights_only=True)
    if values["recipe"] != json.dumps(recipe.to_dict(), sort_keys=True):
        raise UsageError(
            f"{file.parent} holds a run of another recipe",
            hint="choose another --output, or remove that folder",
        )
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in values["trained"].items():
            parameters[name].copy_(value)
    optimizer.load_state_dict(values["optimizer"])
    kept = values["progress"]
    return Progress(kept["step"], Stage(**kept["stage"]), kept["tokens"], kept["without_effect"])
