"""The options that commands share, and the `Session` a command starts from them.

A command declares those it understands, so that they parse and stand in its help, and calls `start(ctx)`:

    def show(ctx: typer.Context, name: ..., json: Json = False, quiet: Quiet = False) -> None:
        session = start(ctx)

`start` reads the values from the context, not from arguments: the same options may also be given before the
command (`infini --json memories list`). The names in this module are therefore reserved: no command may use
them for anything else.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infini_cli.commands.completing import device_names, dtype_names, memory_names, model_names
from infini_cli.console import Reporter
from infini_cli.errors import UsageError

if TYPE_CHECKING:
    from infini_cli.settings import Settings

INPUT = "Input"
ANSWER = "Answer"
MEMORY = "Memory"
MODEL = "Model"
OUTPUT = "Output"

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|PATH",
        help="The model to use; see `infini models list`.",
        autocompletion=model_names,
        rich_help_panel=MODEL,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda|cuda:N|mps",
        help="Where the model runs.",
        autocompletion=device_names,
        rich_help_panel=MODEL,
    ),
]
Dtype = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        metavar="auto|float32|bfloat16",
        help="The number format of the weights.",
        autocompletion=dtype_names,
        rich_help_panel=MODEL,
    ),
]
SegmentLength = Annotated[
    int | None,
    typer.Option(
        "--segment-length", metavar="TOKENS", help="Tokens per segment while reading.", rich_help_panel=MODEL
    ),
]
Window = Annotated[
    int | None,
    typer.Option(
        "--window", metavar="TOKENS", help="Tokens an answer may attend to directly.", rich_help_panel=MODEL
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="NAME",
        help="The memory to use; by default the one read last.",
        autocompletion=memory_names,
        rich_help_panel=MEMORY,
    ),
]
Pdf = Annotated[
    str | None,
    typer.Option(
        "--pdf",
        metavar="auto|pdfium|pypdf",
        help="What reads PDFs; the other, if installed, tries what it cannot.",
        rich_help_panel=INPUT,
    ),
]
PasswordFile = Annotated[
    str | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="The first line of this file opens encrypted PDFs; so does INFINI_PASSWORD.",
        rich_help_panel=INPUT,
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never use the network.", rich_help_panel=MODEL)]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="Print one JSON object, and nothing on standard error.", rich_help_panel=OUTPUT
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress, notes or warnings.", rich_help_panel=OUTPUT)
]
NoColor = Annotated[
    bool, typer.Option("--no-color", help="No colour, as with NO_COLOR=1.", rich_help_panel=OUTPUT)
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an unexpected error.", rich_help_panel=OUTPUT)
]

SETTING_NAMES = frozenset(
    {"model", "device", "dtype", "memory", "segment_length", "window", "pdf", "offline", "quiet", "debug"}
)


@dataclass(frozen=True, slots=True)
class Session:
    """What every command needs: the settings and the voice; and for those that read, where the password is."""

    settings: "Settings"
    reporter: Reporter
    password_file: str | None = None


def start(ctx: typer.Context) -> Session:
    """The session of a command, from the options given to it and before it.

    Raises:
        UsageError: a setting has a value that is not allowed.
    """
    session, error = start_anyway(ctx)
    if error is not None:
        raise error
    return session


def start_anyway(ctx: typer.Context) -> tuple[Session, UsageError | None]:
    """The session of a command that has to work with wrong settings too: with the defaults, and what is wrong."""
    from infini_cli.settings import Settings, load_settings

    given: dict[str, Any] = {}
    for context in _from_root(ctx):
        given.update(
            {
                name: value
                for name, value in context.params.items()
                if value is not None and value is not False
            }
        )
    # main keeps the reporter too, to know whether an object was already printed when it has an error to show
    reporter = ctx.find_object(Reporter) or Reporter()
    reporter.json = bool(given.get("json"))
    try:
        settings = load_settings({name: value for name, value in given.items() if name in SETTING_NAMES})
    except UsageError as error:
        reporter.quiet = bool(given.get("quiet"))
        return Session(Settings(), reporter), error
    reporter.quiet = settings.quiet
    return Session(settings, reporter, given.get("password_file")), None


def _from_root(ctx: typer.Context) -> list[Any]:
    """The contexts from the program's own down to the command's."""
    chain: list[Any] = []
    context: Any = ctx
    while context is not None:
        chain.append(context)
        context = context.parent
    return chain[::-1]
