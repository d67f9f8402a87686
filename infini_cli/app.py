"""The Typer app: every command, and the options that may stand before any of them."""

from typing import Annotated

import typer

from infini_cli import __version__
from infini_cli.commands import (
    ask,
    chat,
    config,
    doctor,
    evaluate,
    ingest,
    load,
    memories,
    models,
    save,
    summarize,
    train,
)
from infini_cli.commands.manual import add_manuals
from infini_cli.commands.options import (
    Debug,
    Device,
    Dtype,
    Json,
    Memory,
    Model,
    NoColor,
    Offline,
    Pdf,
    Quiet,
    SegmentLength,
    Window,
)

READ = "Read and ask"
KEEP = "Keep memories"
SET_UP = "Set up"
MEASURE = "Train and measure"

CONTEXT = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="infini",
    no_args_is_help=True,
    context_settings=CONTEXT,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"infini {__version__}")
        raise typer.Exit()


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop."),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    offline: Offline = False,
    model: Model = None,
    device: Device = None,
    dtype: Dtype = None,
    segment_length: SegmentLength = None,
    window: Window = None,
    memory: Memory = None,
    pdf: Pdf = None,
) -> None:
    """Read documents of any length with a language model, keep a small memory of them, and ask about them.

    First `infini ingest book.pdf`, then `infini ask "Who is the narrator?"` or `infini summarize`.
    """


app.command("ingest", rich_help_panel=READ, no_args_is_help=True)(ingest.ingest)
app.command("ask", rich_help_panel=READ, no_args_is_help=True)(ask.ask)
app.command("summarize", rich_help_panel=READ)(summarize.summarize)
app.command("chat", rich_help_panel=READ)(chat.chat)
app.command("save", rich_help_panel=KEEP)(save.save)
app.command("load", rich_help_panel=KEEP, no_args_is_help=True)(load.load)
app.add_typer(memories.app, name="memories", rich_help_panel=KEEP)
app.add_typer(models.app, name="models", rich_help_panel=SET_UP)
app.command("train", rich_help_panel=MEASURE, no_args_is_help=True)(train.train)
app.add_typer(evaluate.app, name="eval", rich_help_panel=MEASURE)
app.add_typer(config.app, name="config", rich_help_panel=SET_UP)
app.command("doctor", rich_help_panel=SET_UP)(doctor.doctor)
add_manuals(app)
