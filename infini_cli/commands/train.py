"""`infini train`: train a memory from a recipe."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infini_cli.commands.options import Debug, Device, Json, NoColor, Offline, Quiet, Session, start
from infini_cli.errors import Interrupted, ModelError, UsageError

if TYPE_CHECKING:
    from infini_cli.progress import Progress
    from infini_cli.training.loop import Event

TRAIN = "Train"


def train(
    ctx: typer.Context,
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE.toml", help="What is trained, on what, for how long.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Where adapter, checkpoint and log go; a run that was stopped goes on from there.",
            rich_help_panel=TRAIN,
        ),
    ],
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            metavar="N",
            min=1,
            help="Stop after so many steps; the same command goes on later.",
            rich_help_panel=TRAIN,
        ),
    ] = None,
    adapter: Annotated[
        Path | None,
        typer.Option(
            "--adapter",
            metavar="FILE",
            help="An adapter of the same form to begin from; by default the memory begins untrained.",
            rich_help_panel=TRAIN,
        ),
    ] = None,
    device: Device = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Train the memory of a base model, and low-rank updates of its weights, into an adapter.

    On several GPUs: torchrun --nproc-per-node N -m infini_cli train RECIPE.toml --output FOLDER
    """
    session = start(ctx)
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file; --output needs a folder")
    if adapter is not None and not adapter.is_file():
        raise ModelError(f"there is no adapter {adapter}", hint="give the path of an adapter.safetensors")
    from infini_cli.training.recipe import load_recipe

    plan = load_recipe(recipe)
    with session.reporter.progress("Preparing"):
        from infini_cli.tokenizers import load_tokenizer
        from infini_cli.training import loop
        from infini_cli.training.corpus import open_corpus
        from infini_cli.training.tasks.sample import Setting
        from infini_cli.training.workers import join_workers
        from infini_cli.zoo import resolve

        base = resolve(plan.base, offline=session.settings.offline)
        tokenizer = load_tokenizer(base.folder)
        setting = Setting(open_corpus(tokenizer), tokenizer, 1, plan.memory.segment_length)
    with join_workers(session.settings.device) as worker:
        session.reporter.quiet = session.reporter.quiet or not worker.speaks
        with session.reporter.progress(f"Training {plan.name}", total=1.0) as bar:
            gate_steps = plan.write_gates.batches + plan.write_gates.steps
            read_steps = plan.read_gates.batches + plan.read_gates.steps
            shown = _Shown(session, bar, plan.word_lookup.steps, gate_steps, read_steps)
            try:
                trained = loop.train(
                    plan,
                    base=base.folder,
                    base_fingerprint=base.fingerprint,
                    setting=setting,
                    folder=output,
                    device=worker.device,
                    adapter=adapter,
                    on_event=shown.event,
                    on_word_lookup=shown.word_lookup,
                    on_write_gates=shown.write_gates,
                    on_read_gates=shown.read_gates,
                    stop_after_steps=steps,
                )
            except KeyboardInterrupt:
                raise Interrupted(
                    "interrupted", hint=f"the same command goes on from the last checkpoint in {output}"
                ) from None
    if worker.speaks:
        shown.end(trained)


class _Shown:
    """Tells how training goes."""

    def __init__(
        self, session: Session, bar: "Progress", word_steps: int, gate_steps: int, read_steps: int
    ) -> None:
        self._reporter = session.reporter
        self._bar = bar
        self._word_steps = word_steps
        self._gate_steps = gate_steps
        self._read_steps = read_steps
        self._prepared = False  # whether anything was learned before the stages
        self._first: Event | None = None
        self._last: Event | None = None

    def word_lookup(self, step: int, loss: float, right: float) -> None:
        """Show a step of the training of word keys, which comes before the first stage."""
        self._before_stages(
            f"word keys, step {step} of {self._word_steps}, loss {loss:.3f}, {right:.0%} on the right words"
        )

    def write_gates(self, step: int, loss: float) -> None:
        """Show a step of the training of write gates, which comes next."""
        self._before_stages(f"write gates, step {step:,} of {self._gate_steps:,}, loss {loss:.3f}")

    def read_gates(self, step: int, loss: float) -> None:
        """Show a step of the training of read gates, the last before the stages."""
        self._before_stages(f"read gates, step {step:,} of {self._read_steps:,}, loss {loss:.3f}")

    def _before_stages(self, detail: str) -> None:
        self._prepared = True
        self._bar.update(0.0, detail=detail)

    def event(self, event: "Event") -> None:
        """Show a step, and an evaluation in a line that stays."""
        self._first = self._first or event
        self._last = event
        seconds = event.seconds - self._first.seconds
        speed = f", {(event.tokens - self._first.tokens) / seconds:,.0f} tokens/s" if seconds > 0 else ""
        self._bar.update(
            event.step / event.steps,
            detail=f"step {event.step:,} of {event.steps:,}, stage {event.stage + 1}, {event.segments} segments, "
            f"loss {event.loss:.3f}, {event.exact:.0%} exact{speed}",
        )
        if event.recall is not None:
            recall = event.recall
            self._reporter.note(
                f"step {event.step:,}: {recall.exact:.0%} of {recall.questions} held-out questions right, "
                f"{recall.without_memory:.0%} without the memory, {recall.other_memory:.0%} with another document's"
            )

    def end(self, adapter: Path) -> None:
        """Print where the adapter is, or everything with --json."""
        last = self._last
        if self._reporter.json:
            self._reporter.emit_json(
                {
                    "adapter": str(adapter),
                    "step": None if last is None else last.step,
                    "steps": None if last is None else last.steps,
                    "tokens": None if last is None else last.tokens,
                    "seconds": None if last is None else round(last.seconds, 3),
                    "loss": None if last is None else last.loss,
                    "recall": None if last is None or last.recall is None else last.recall.to_dict(),
                }
            )
            return
        self._reporter.emit(str(adapter))
        if last is None and not self._prepared:
            self._reporter.note("this run was finished before")
        elif last is not None and last.step < last.steps:
            self._reporter.note(
                f"stopped after step {last.step:,} of {last.steps:,}; the same command goes on"
            )
