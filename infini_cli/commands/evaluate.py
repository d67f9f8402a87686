"""`infini eval`: measure what a model recalls, predicts and reads, with controls beside every number."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infini_cli.commands.options import (
    MODEL,
    OUTPUT,
    Debug,
    Device,
    Dtype,
    Json,
    Model,
    NoColor,
    Offline,
    Quiet,
    SegmentLength,
    Session,
    Window,
    start,
)
from infini_cli.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from infini_cli.evals.recall import Progress as RecallProgress
    from infini_cli.evals.recall import RecallTask
    from infini_cli.evals.subject import Subject
    from infini_cli.training.corpus import Corpus

app = typer.Typer(
    no_args_is_help=True,
    help="Measure what a model recalls of long documents, by length and depth, with controls.",
)

MEASURE = "Measure"
Row = dict[str, Any]

Adapter = Annotated[
    str | None,
    typer.Option(
        "--adapter",
        metavar="PATH|none",
        help="An adapter.safetensors to use with the model; none: its memory untrained.",
        rich_help_panel=MODEL,
    ),
]
Depths = Annotated[
    str,
    typer.Option(
        "--depths", metavar="LIST", help="Places of the needed text, 0 to 1.", rich_help_panel=MEASURE
    ),
]
Controls = Annotated[
    bool,
    typer.Option(
        "--controls",
        help="Ask again without memory, with another document's, with the last segment only, and truncated.",
        rich_help_panel=MEASURE,
    ),
]
Baselines = Annotated[
    bool,
    typer.Option(
        "--baselines",
        help="Ask the base model too: with a plain window, and with a one-segment cache.",
        rich_help_panel=MEASURE,
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", help="Of everything random.", rich_help_panel=MEASURE)
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch",
        metavar="N",
        min=1,
        help="Documents read together; 4, or 16 on a GPU.",
        rich_help_panel=MEASURE,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE.json",
        help="Where results go after every batch; the same command goes on from there.",
        rich_help_panel=OUTPUT,
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE.png", help="A heat map, depth by length.", rich_help_panel=OUTPUT),
]
FIVE_DEPTHS = "0,0.25,0.5,0.75,1"


def lengths_option(default: str) -> Any:
    """The option --lengths, whose default differs between evaluations; to be used as `lengths: str = …`."""
    return typer.Option(
        default,
        "--lengths",
        metavar="LIST",
        help="Tokens of the documents, such as 4K,16K,1M.",
        rich_help_panel=MEASURE,
    )


def samples_option(default: int, what: str) -> Any:
    """The option --samples, counted in what the evaluation reads."""
    return typer.Option(
        default, "--samples", metavar="N", min=1, help=f"How many {what}.", rich_help_panel=MEASURE
    )


class Form(str, Enum):
    """How the pass key is asked for."""

    chat = "chat"
    continuation = "continuation"


@app.command("passkey")
def passkey(
    ctx: typer.Context,
    lengths: str = lengths_option("4K,16K"),
    depths: Depths = FIVE_DEPTHS,
    samples: int = samples_option(10, "pass keys for each length and depth"),
    kinds: Annotated[
        str,
        typer.Option(
            "--kinds", metavar="LIST", help="What hides the key: filler, prose.", rich_help_panel=MEASURE
        ),
    ] = "filler",
    form: Annotated[
        Form,
        typer.Option(
            "--form",
            help="Ask in chat, or by an unfinished sentence as the paper does.",
            rich_help_panel=MEASURE,
        ),
    ] = Form.chat,
    controls: Controls = False,
    baselines: Baselines = False,
    seed: Seed = 1,
    batch: Batch = None,
    adapter: Adapter = None,
    output: Output = None,
    plot: Plot = None,
    model: Model = None,
    device: Device = None,
    dtype: Dtype = None,
    segment_length: SegmentLength = None,
    window: Window = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """A number hidden in repeated filler, as the Infini-attention paper measures it."""
    session = start(ctx)
    from infini_cli.evals import tasks

    chosen = _chosen(kinds, tasks.PASSKEY_KINDS, "--kinds")
    run = _Recall(lengths, depths, samples, seed, controls, baselines, batch, adapter, output, plot)
    run.execute(session, tasks.passkey(chosen, form.value), needs_corpus="prose" in chosen)


@app.command("needle")
def needle(
    ctx: typer.Context,
    lengths: str = lengths_option("4K,16K"),
    depths: Depths = FIVE_DEPTHS,
    samples: int = samples_option(10, "documents for each kind and length; each is asked four questions"),
    kinds: Annotated[
        str,
        typer.Option(
            "--kinds", metavar="LIST", help="Of values: number, word, uuid.", rich_help_panel=MEASURE
        ),
    ] = "number,word,uuid",
    controls: Controls = False,
    baselines: Baselines = False,
    seed: Seed = 1,
    batch: Batch = None,
    adapter: Adapter = None,
    output: Output = None,
    plot: Plot = None,
    model: Model = None,
    device: Device = None,
    dtype: Dtype = None,
    segment_length: SegmentLength = None,
    window: Window = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Four keys with their values somewhere in the prose of unseen books; each is asked for."""
    session = start(ctx)
    from infini_cli.evals import tasks

    chosen = _chosen(kinds, tasks.NEEDLE_KINDS, "--kinds")
    run = _Recall(lengths, depths, samples, seed, controls, baselines, batch, adapter, output, plot)
    run.execute(session, tasks.needle(chosen))


@app.command("babilong")
def babilong(
    ctx: typer.Context,
    lengths: str = lengths_option("4K,16K"),
    depths: Depths = FIVE_DEPTHS,
    samples: int = samples_option(
        10, "documents for each task and length; each is asked up to four questions"
    ),
    tasks_: Annotated[
        str,
        typer.Option(
            "--tasks", metavar="LIST", help="Kinds of stories: qa1 to qa5.", rich_help_panel=MEASURE
        ),
    ] = "qa1,qa2,qa3,qa4,qa5",
    controls: Controls = False,
    baselines: Baselines = False,
    seed: Seed = 1,
    batch: Batch = None,
    adapter: Adapter = None,
    output: Output = None,
    plot: Plot = None,
    model: Model = None,
    device: Device = None,
    dtype: Dtype = None,
    segment_length: SegmentLength = None,
    window: Window = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Stories of who went where with what, told here and there among the prose of unseen books."""
    session = start(ctx)
    from infini_cli.evals import tasks

    chosen = _chosen(tasks_, tasks.BABILONG_TASKS, "--tasks")
    run = _Recall(lengths, depths, samples, seed, controls, baselines, batch, adapter, output, plot)
    run.execute(session, tasks.babilong(chosen))


def _chosen(text: str, known: tuple[str, ...], option: str) -> tuple[str, ...]:
    """Names from a list on the command line, in the order in which they are known.

    Raises:
        UsageError: one is not known.
    """
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if name not in known:
            raise UsageError(f"{name!r} is not a value for {option}", hint=f"allowed: {', '.join(known)}")
    return tuple(name for name in known if name in names)


class _Recall:
    """What the three evaluations of recall have in common."""

    def __init__(
        self,
        lengths: str,
        depths: str,
        samples: int,
        seed: int,
        controls: bool,
        baselines: bool,
        batch: int | None,
        adapter: str | None,
        output: Path | None,
        plot: Path | None,
    ) -> None:
        from infini_cli.evals.grid import parse_depths, parse_lengths

        self.lengths, self.depths = parse_lengths(lengths), parse_depths(depths)
        self.samples, self.seed, self.batch = samples, seed, batch
        self.controls, self.baselines = controls, baselines
        self.adapter, self.output, self.plot = adapter, output, plot

    def execute(self, session: Session, task: "RecallTask", *, needs_corpus: bool = True) -> None:
        """Load, measure, show."""
        check_output(self.output)
        check_output(self.plot)
        if self.plot is not None:
            check_plotting()
        subject = load(session, self.adapter)
        corpus = open_corpus(subject) if needs_corpus else empty_corpus()
        entry = self.measure(session, subject, corpus, task)
        if self.plot is not None:
            from infini_cli.evals.plot import heat_map

            heat_map(entry, task.name, self.plot)
        if session.reporter.json:
            session.reporter.emit_json({"evaluation": task.name, **without_records(entry)})
        else:
            show_recall(session, entry)

    def measure(self, session: Session, subject: "Subject", corpus: "Corpus", task: "RecallTask") -> Row:
        """The evaluation's entry; progress is shown meanwhile."""
        from infini_cli.evals.baselines import BASELINES
        from infini_cli.evals.controls import CONTROLS
        from infini_cli.evals.recall import RecallOptions, run_recall
        from infini_cli.evals.results import ResultsFile

        on_gpu = subject.engine.device.startswith("cuda")
        options = RecallOptions(
            lengths=self.lengths,
            depths=self.depths,
            samples=self.samples,
            seed=self.seed,
            controls=CONTROLS if self.controls else (),
            baselines=BASELINES if self.baselines else (),
            batch=self.batch or (16 if on_gpu else 4),
        )
        with (
            going_on_later(self.output),
            session.reporter.progress(f"Evaluating {task.name}", total=1.0) as bar,
        ):

            def show(progress: "RecallProgress") -> None:
                speed = progress.tokens_read / max(progress.seconds, 1e-9)
                right = f", {progress.right:.0%} right" if progress.documents else ""
                tokens = f"{progress.tokens_done:,} of {progress.tokens_total:,} tokens"
                share = progress.tokens_done / max(1, progress.tokens_total)
                bar.update(share, detail=f"{tokens}, {speed:,.0f} tokens/s{right}")

            try:
                return run_recall(
                    task, subject, corpus, options, ResultsFile(self.output, task.name), on_progress=show
                )
            except ValueError as error:
                raise UsageError(str(error), hint="choose longer --lengths") from error


def load(session: Session, adapter: str | None) -> "Subject":
    """The model under evaluation."""
    with session.reporter.progress("Loading the model"):
        from infini_cli.evals.subject import load_subject

        return load_subject(session.settings, adapter)


def open_corpus(subject: "Subject") -> "Corpus":
    """The texts for the model's tokenizer. Raises DocumentError when they have not been prepared."""
    from infini_cli.training import corpus

    return corpus.open_corpus(subject.tokenizer)


def empty_corpus() -> "Corpus":
    """For evaluations that need no text."""
    from infini_cli.training.corpus import Corpus

    return Corpus((), {})


def check_output(output: Path | None) -> None:
    """Raise UsageError, before anything is measured, when results could not be written."""
    if output is not None and (output.is_dir() or not output.absolute().parent.is_dir()):
        raise UsageError(f"{output} cannot be written: it is a folder, or its folder is not there")


def check_plotting() -> None:
    """Raise UsageError, before anything is measured, when no plot could be drawn."""
    from infini_cli.evals.plot import check_matplotlib

    check_matplotlib()


@contextmanager
def going_on_later(output: Path | None) -> Iterator[None]:
    """Tell, when the user stops the command, that it can go on."""
    try:
        yield
    except KeyboardInterrupt:
        hint = "with --output FILE.json, an evaluation that was stopped can go on"
        if output is not None:
            hint = f"the same command goes on with what is in {output}"
        raise Interrupted("interrupted", hint=hint) from None


def without_records(entry: Row) -> Row:
    """What is measured, without the questions it was measured with; those are in the file of --output."""
    return {key: value for key, value in entry.items() if key != "records"}


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f}%"


def show_recall(session: Session, entry: Row) -> None:
    """The shares of right answers: a row for each kind and length, a column for each depth and control."""
    from infini_cli.evals.grid import format_length

    depths = sorted({cell["depth"] for cell in entry["cells"]})
    controls = list(dict.fromkeys(name for total in entry["totals"] for name in total.get("controls", {})))
    at = {(cell["kind"], cell["length"], cell["depth"]): cell["exact"] for cell in entry["cells"]}
    rows = []
    for total in entry["totals"]:
        low, high = total["interval"]
        rows.append(
            (
                total["kind"],
                format_length(total["length"]),
                str(total["n"]),
                _percent(total["exact"]),
                f"{_percent(low)}–{_percent(high)}",
                *(_percent(at.get((total["kind"], total["length"], depth))) for depth in depths),
                *(_percent(total.get("controls", {}).get(name, {}).get("exact")) for name in controls),
            )
        )
    numbers = ("length", "n", "right", "95%", *(f"at {depth:g}" for depth in depths), *controls)
    names = tuple(name.replace("_", " ") for name in numbers)
    session.reporter.emit_table(("kind", *names), rows, right=names)
