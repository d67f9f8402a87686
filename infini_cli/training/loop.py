"""The training loop: full back-propagation through the memory, on one device or several, resumable."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from infini_cli.errors import UsageError
from infini_cli.nn.checkpoint import load_adapter, load_base, save_adapter
from infini_cli.nn.lora import inject
from infini_cli.nn.memory import MemoryState, empty_state
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.reading.engine import choose_dtype
from infini_cli.training import checkpoints
from infini_cli.training.background import Background
from infini_cli.training.batches import Batch, collate
from infini_cli.training.curriculum import Place
from infini_cli.training.lookup import attention_inputs, lookup_loss
from infini_cli.training.losses import (
    asked_after,
    exact_rows,
    read_documents,
    score,
    teach,
    total_loss,
    writing_strength,
)
from infini_cli.training.mixture import make_batches, parse_mixture
from infini_cli.training.optimizer import make_optimizer, set_rate
from infini_cli.training.preparation import prepare
from infini_cli.training.read_gates import listening_loss
from infini_cli.training.recall import Recall, measure_recall, pooled
from infini_cli.training.recipe import Recipe, StageConfig
from infini_cli.training.replies import with_replies
from infini_cli.training.tasks.sample import Setting
from infini_cli.training.word_lookup import freeze
from infini_cli.training.workers import threads_of
from infini_cli.training.write_gates import shift_gates

T = TypeVar("T")

PREPARED = "prepared.pt"  # the memory's parameters before the stages
CHECKPOINT = "checkpoint.pt"
ADAPTER = "adapter.safetensors"
CONFIG = "config.json"  # the adapter's form in words, for people and other programs
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
    writing: float  # mean strength of the step's writes
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

    def forward(self, batch: Batch, before: MemoryState, stage: StageConfig) -> tuple[Tensor, Tensor, Tensor]:
        """The loss, which questions (Q,) were answered exactly, and the mean strength of the writes.

        before: the states (B rows) that the documents are read after; no gradient reaches further back.
        """
        weights = self.recipe.losses
        taught = teach(self.teacher[0], batch, weights)
        # kept for the lookup alone: they are large
        looked_up = weights.lookup > 0 and len(batch.sources) > 0
        memory = self.recipe.memory
        traced = memory.layers if looked_up else ()
        listened = weights.listening > 0
        asking = {memory.hearing_layer(layer) for layer in memory.layers} if listened else set()
        if looked_up and not memory.word_keys:
            asking |= set(memory.layers)
        if looked_up and memory.word_context:
            asking.add(memory.gate_layer(memory.layers[0]))
        with attention_inputs(self.model, [memory.gate_layer(layer) for layer in traced]) as read:
            after = read_documents(self.model, batch, before)
        with attention_inputs(self.model, sorted(asking)) as asked:
            together = bool(asking) and len(batch.sources) > 0
            scored = score(self.model, batch, asked_after(after, batch), together=together)
        writing = writing_strength(before, after, batch.documents[0].numel())
        loss = total_loss(scored, batch.questions, weights, taught) + stage.writing * writing
        if looked_up:
            loss = loss + weights.lookup * lookup_loss(self.model, batch, before, read, asked)
        if listened:
            loss = loss + weights.listening * listening_loss(self.model, batch, asked)
        return loss, exact_rows(scored, len(batch.questions)), writing.detach()


@dataclass(slots=True)
class Progress:
    """What a checkpoint keeps beside the weights and the optimizer."""

    step: int = 0
    place: Place = field(default_factory=Place)
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
    adapter: Path | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
    on_word_lookup: Callable[[int, float, float], None] = lambda step, loss, right: None,
    on_write_gates: Callable[[int, float], None] = lambda step, loss: None,
    on_read_gates: Callable[[int, float], None] = lambda step, loss: None,
    checkpoint_seconds: float = 120.0,
    stop_after_steps: int | None = None,
) -> Path:
    """Train an adapter; a run that was cut short goes on from its last checkpoint with the same losses.

    Args:
        base: the base model's folder or GGUF file; its weights stay frozen, in bfloat16 where the device
            computes in it.
        setting: corpus and tokenizer; its segments and split are set by the recipe.
        folder: where checkpoint, log and adapter are written.
        adapter: an adapter of the same form to begin from, in place of an untrained one.
        on_event: called after each step and each evaluation.
        on_word_lookup: called after each step of the training of word keys: see learn_word_keys.
        on_write_gates: called after each step of the training of write gates: see learn_write_gates.
        on_read_gates: called after each step of the training of read gates: see learn_read_gates.
        checkpoint_seconds: at least so long between two checkpoints.
        stop_after_steps: end this process early, with a checkpoint.

    Returns:
        The adapter's file.

    Raises:
        UsageError: the folder holds another recipe's run, the workers cannot share the batches evenly, or emptying
            the memory changes nothing.
        ModelError: the adapter to begin from is damaged or of another form.
    """
    rank, workers = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    for stage in recipe.stages:
        if stage.batch_documents % workers:
            raise UsageError(f"{workers} workers cannot share batches of {stage.batch_documents} documents")
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    dtype = choose_dtype("auto", device)
    model = load_base(base, memory=recipe.memory, device=device, dtype=dtype)
    teacher = load_base(base, memory=None, device=device, dtype=dtype)
    if adapter is not None:
        load_adapter(model, adapter, base=base_fingerprint, merged=False)
    else:
        if rank == 0 and not (folder / CHECKPOINT).exists():
            # the other workers get it all from the first one when DistributedDataParallel begins
            with threads_of(workers):
                prepare(
                    model,
                    teacher,
                    recipe,
                    setting,
                    folder / PREPARED,
                    on_word_lookup=on_word_lookup,
                    on_write_gates=on_write_gates,
                    on_read_gates=on_read_gates,
                )
            torch.manual_seed(recipe.seed)
        if recipe.lora is not None:
            inject(model, recipe.lora)
    freeze(model)
    if not recipe.stages:
        # all that the recipe trains is trained
        if rank == 0:
            write_adapter(model, recipe, folder, base_fingerprint)
        return folder / ADAPTER
    step_module: nn.Module = Step(model, teacher, recipe)
    optimizer = make_optimizer(model, recipe.optimizer)
    progress, backgrounds = resume(folder / CHECKPOINT, recipe, model, optimizer)
    if rank == 0 and not (folder / CHECKPOINT).exists():
        # what comes before the stages may have taken longer than they will
        save(folder / CHECKPOINT, recipe, model, optimizer, progress, [])
    background = backgrounds[rank] if len(backgrounds) == workers else None
    if workers > 1:
        step_module = DistributedDataParallel(step_module, find_unused_parameters=True)
    setting = replace(setting, split="train")
    began = saved = time.monotonic()
    last = recipe.steps if stop_after_steps is None else progress.step + stop_after_steps
    while progress.step < last and not progress.place.finished(recipe):
        stage = progress.place.config(recipe)
        if progress.step == progress.place.begun_at_step:
            shift_gates(model, stage.gate_shift)
        set_threshold(model, recipe, stage)
        setting = replace(setting, segment_length=stage.segment_length or recipe.memory.segment_length)
        batch = draw_batch(recipe, stage, setting, progress.step, rank, workers, teacher)
        seed = f"background/{recipe.seed}/{progress.step}/{rank}"
        background = read_background(background, model, len(batch.documents), stage, setting, seed)
        before = (
            empty_state(model.config, len(batch.documents), device)
            if background is None
            else background.under(stage.background_share, f"under/{seed}")
        )
        set_rate(optimizer, progress.place.rate(progress.step, recipe))
        loss, exact, writing = step_module(batch, before, stage)
        optimizer.zero_grad()
        loss.backward()
        trainable = [p for group in optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(trainable, recipe.optimizer.clip_norm, error_if_nonfinite=True)
        optimizer.step()
        progress.step += 1
        progress.tokens += sum(shared(batch.n_tokens))
        recall = None
        if progress.step % recipe.evaluation.every == 0 or progress.step == recipe.steps:
            measured = measure_recall(
                model,
                parse_mixture(stage.mixture),
                replace(setting, n_segments=recipe.evaluation.segments or max(stage.segments)),
                samples=-(-recipe.evaluation.samples // workers),
                batch=len(batch.documents),
                seed=f"recall/{recipe.seed}/{rank}",
            )
            recall = pooled(shared(measured))
            progress.without_effect = 0 if recall.memory_helps else progress.without_effect + 1
        event = Event(
            step=progress.step,
            steps=recipe.steps,
            stage=progress.place.stage,
            segments=batch.documents.shape[1],
            loss=float(loss.detach()),
            exact=float(exact.float().mean()),
            writing=float(writing),
            tokens=progress.tokens,
            seconds=time.monotonic() - began,
            recall=recall,
        )
        place = progress.place.after(progress.step, None if recall is None else recall.exact, recipe)
        if place != progress.place:
            # the next stage may have rows and segments of other sizes
            progress.place, background = place, None
        on_event(event)
        done = progress.step == last or progress.place.finished(recipe)
        due = shared(time.monotonic() - saved >= checkpoint_seconds or done or recall is not None)[0]
        backgrounds = shared(background) if due else []
        if rank == 0:
            with (folder / LOG).open("a", encoding="utf-8") as log:
                log.write(event.to_json() + "\n")
            if due:
                save(folder / CHECKPOINT, recipe, model, optimizer, progress, backgrounds)
                write_adapter(model, recipe, folder, base_fingerprint)
                saved = time.monotonic()
        if progress.without_effect >= EVALUATIONS_WITHOUT_EFFECT:
            raise UsageError(
                f"stopped at step {progress.step}: in {progress.without_effect} evaluations in a row the answers were "
                "no better with the memory than without it",
                hint="raise the rates of maps and gates, begin with fewer segments, or give the memory more layers",
            )
    return folder / ADAPTER


def write_adapter(model: InfiniTransformer, recipe: Recipe, folder: Path, base_fingerprint: str) -> None:
    """The adapter as it is now, and its form in words."""
    # what updates are added to is mostly in bfloat16; the checkpoint keeps them in float32
    save_adapter(model, folder / ADAPTER, base=base_fingerprint, lora=recipe.lora, dtype=torch.bfloat16)
    (folder / CONFIG).write_text(describe(recipe, base_fingerprint), encoding="utf-8")


def describe(recipe: Recipe, base_fingerprint: str) -> str:
    """What an adapter of this recipe is, as JSON; the same stands in the adapter's own metadata."""
    values = recipe.to_dict()
    kept = {key: values[key] for key in ("name", "base", "memory", "lora")}
    return json.dumps({**kept, "base_sha256": base_fingerprint}, indent=1) + "\n"


def shared(value: T) -> list[T]:
    """Every worker's value, in order of their ranks."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def draw_batch(
    recipe: Recipe,
    stage: StageConfig,
    setting: Setting,
    step: int,
    worker: int,
    workers: int,
    teacher: InfiniTransformer,
) -> Batch:
    """A worker's share of the batch of a step: the same however often training was resumed before it.

    teacher: the base model, which writes the replies that are replayed.
    """
    batches = make_batches(
        parse_mixture(stage.mixture),
        setting,
        stage.segments,
        stage.batch_documents,
        recipe.seed,
        window_segments=stage.window_segments,
        first_step=step,
        worker=worker,
        workers=workers,
    )
    return collate(with_replies(next(batches), teacher, setting.tokenizer), teacher.device)


def set_threshold(model: InfiniTransformer, recipe: Recipe, stage: StageConfig) -> None:
    """Below which strength a token is not written while this stage goes on."""
    threshold = recipe.memory.write_threshold if stage.write_threshold is None else stage.write_threshold
    for memory in model.memories():
        memory.write_threshold = threshold


def read_background(
    background: Background | None,
    model: InfiniTransformer,
    rows: int,
    stage: StageConfig,
    setting: Setting,
    seed: str,
) -> Background | None:
    """The background of the next step's rows, begun if there is none yet; None for a stage without one."""
    if stage.background_share == 0:
        return None
    if background is None:
        background = Background(empty_state(model.config, rows, model.device))
    return background.read_on(model, setting, stage.background_segments, seed)


def save(
    file: Path,
    recipe: Recipe,
    model: InfiniTransformer,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    backgrounds: list[Background | None],
) -> None:
    """Write a checkpoint."""
    trained = {
        name: p.detach() for name, p in model.named_parameters() if p.requires_grad or ".memory." in name
    }
    checkpoints.write(
        file,
        _recipe_in_words(recipe),
        trained,
        optimizer=optimizer.state_dict(),
        progress=asdict(progress),
        backgrounds=[None if each is None else each.tensors() for each in backgrounds],
    )


def resume(
    file: Path, recipe: Recipe, model: InfiniTransformer, optimizer: torch.optim.Optimizer
) -> tuple[Progress, list[Background | None]]:
    """Load a checkpoint into model and optimizer, if there is one; the backgrounds are those of all workers.

    Raises:
        UsageError: it belongs to another recipe.
    """
    values = checkpoints.read(file, _recipe_in_words(recipe), model)
    if values is None:
        return Progress(), []
    optimizer.load_state_dict(values["optimizer"])
    kept = values["progress"]
    progress = Progress(kept["step"], Place(**kept["place"]), kept["tokens"], kept["without_effect"])
    return progress, [
        None if tensors is None else Background.from_tensors(tensors) for tensors in values["backgrounds"]
    ]


def _recipe_in_words(recipe: Recipe) -> str:
    return json.dumps(recipe.to_dict(), sort_keys=True)
