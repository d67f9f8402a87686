"""`infini eval`: measure what a model recalls, predicts and reads, with controls beside every number."""

import typer

from infini_cli.commands.evaluation_options import (
    FIVE_DEPTHS,
    Adapter,
    AskedForm,
    Baselines,
    Batch,
    ChosenWording,
    Controls,
    Depths,
    Form,
    Output,
    Passages,
    Plot,
    Seed,
    Wording,
    kinds_option,
    lengths_option,
    samples_option,
)
from infini_cli.commands.options import (
    Debug,
    Device,
    Dtype,
    Json,
    Model,
    NoColor,
    Offline,
    Quiet,
    SegmentLength,
    Window,
    start,
)

app = typer.Typer(
    no_args_is_help=True,
    help="Measure what a model recalls of long documents, by length and depth, and what it reads and predicts.",
)

PASSKEY_KINDS = ("filler", "prose")
NEEDLE_KINDS = ("number", "word", "uuid")
STORIES = ("qa1", "qa2", "qa3", "qa4", "qa5")
KEYS = "pass keys for each length and depth"
DOCUMENTS = "documents for each kind and length; each is asked up to four questions"


@app.command("passkey")
def passkey(
    ctx: typer.Context,
    lengths: str = lengths_option("4K,16K"),
    depths: Depths = FIVE_DEPTHS,
    samples: int = samples_option(10, KEYS),
    kinds: str = kinds_option("--kinds", PASSKEY_KINDS[:1], "What hides the key: filler, prose."),
    form: AskedForm = Form.chat,
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
    from infini_cli.commands import measuring
    from infini_cli.evals import tasks

    hidden_in = measuring.chosen(kinds, PASSKEY_KINDS, "--kinds")
    measuring.check_plot(plot)
    run = measuring.Measuring(session, adapter, output, seed, batch)
    entry = run.recall(
        tasks.passkey(hidden_in, form.value),
        lengths=lengths,
        depths=depths,
        samples=samples,
        controls=controls,
        baselines=baselines,
        needs_corpus="prose" in hidden_in,
    )
    measuring.draw(plot, "passkey", entry)
    run.show("passkey", entry)


@app.command("needle")
def needle(
    ctx: typer.Context,
    lengths: str = lengths_option("4K,16K"),
    depths: Depths = FIVE_DEPTHS,
    samples: int = samples_option(10, DOCUMENTS),
    kinds: str = kinds_option("--kinds", NEEDLE_KINDS, "Of values: number, word, uuid."),
    wording: ChosenWording = Wording.unseen,
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
    from infini_cli.commands import measuring
    from infini_cli.evals import tasks

    task = tasks.needle(measuring.chosen(kinds, NEEDLE_KINDS, "--kinds"), wording.value)
    measuring.check_plot(plot)
    run = measuring.Measuring(session, adapter, output, seed, batch)
    entry = run.recall(
        task, lengths=lengths, depths=depths, samples=samples, controls=controls, baselines=baselines
    )
    measuring.draw(plot, task.name, entry)
    run.show(task.name, entry)


@app.command("babilong")
def babilong(
    ctx: typer.Context,
    lengths: str = lengths_option("4K,16K"),
    depths: Depths = FIVE_DEPTHS,
    samples: int = samples_option(10, DOCUMENTS),
    stories: str = kinds_option("--tasks", STORIES, "Kinds of stories: qa1 to qa5."),
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
    from infini_cli.commands import measuring
    from infini_cli.evals import tasks

    task = tasks.babilong(measuring.chosen(stories, STORIES, "--tasks"))
    measuring.check_plot(plot)
    run = measuring.Measuring(session, adapter, output, seed, batch)
    entry = run.recall(
        task, lengths=lengths, depths=depths, samples=samples, controls=controls, baselines=baselines
    )
    measuring.draw(plot, "babilong", entry)
    run.show("babilong", entry)


@app.command("perplexity")
def perplexity(
    ctx: typer.Context,
    lengths: str = lengths_option("16K"),
    samples: int = samples_option(4, "documents of each length"),
    seed: Seed = 1,
    batch: Batch = None,
    adapter: Adapter = None,
    output: Output = None,
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
    """How well unseen books are predicted with the memory, without it, and with a one-segment cache."""
    session = start(ctx)
    from infini_cli.commands import measuring

    run = measuring.Measuring(session, adapter, output, seed, batch)
    run.show("perplexity", run.perplexity(lengths=lengths, samples=samples))


@app.command("reading")
def reading(
    ctx: typer.Context,
    samples: int = samples_option(100, "answerable questions, and as many unanswerable ones"),
    passages: Passages = 1,
    seed: Seed = 1,
    adapter: Adapter = None,
    output: Output = None,
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
    """Answering from a passage in the window, or refusing, as `infini ask` does it; unseen articles of SQuAD 2.0."""
    session = start(ctx)
    from infini_cli.commands import measuring

    run = measuring.Measuring(session, adapter, output, seed)
    run.show("reading", run.reading(samples=samples, passages=passages))


@app.command("short-text")
def short_text(
    ctx: typer.Context,
    samples: int = samples_option(50, "stretches of unseen books, one segment each"),
    seed: Seed = 1,
    adapter: Adapter = None,
    output: Output = None,
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
    """Whether the model is still its base where no memory is needed: short text, and 50 plain requests."""
    session = start(ctx)
    from infini_cli.commands import measuring

    run = measuring.Measuring(session, adapter, output, seed)
    run.show("short-text", run.short_text(samples=samples))


@app.command("all")
def all_(
    ctx: typer.Context,
    lengths: str = lengths_option("4K,16K"),
    samples: int | None = samples_option(None, "of everything; by default as many as each evaluation has"),
    controls: Controls = False,
    baselines: Baselines = False,
    seed: Seed = 1,
    batch: Batch = None,
    adapter: Adapter = None,
    output: Output = None,
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
    """Every evaluation, one after the other."""
    session = start(ctx)
    from infini_cli.commands import measuring
    from infini_cli.evals import tasks

    run = measuring.Measuring(session, adapter, output, seed, batch)
    entries = {}
    for task in (tasks.passkey(), tasks.needle(), tasks.babilong()):
        entries[task.name] = run.recall(
            task,
            lengths=lengths,
            depths=FIVE_DEPTHS,
            samples=samples or 10,
            controls=controls,
            baselines=baselines,
        )
    entries["perplexity"] = run.perplexity(lengths=lengths, samples=samples or 4)
    entries["reading"] = run.reading(samples=samples or 100, passages=1)
    entries["short-text"] = run.short_text(samples=samples or 50)
    if session.reporter.json:
        session.reporter.emit_json(
            {"evaluations": {name: measuring.without_records(entry) for name, entry in entries.items()}}
        )
        return
    for name, entry in entries.items():
        session.reporter.emit(f"{name}:")
        run.show_table(name, entry)
