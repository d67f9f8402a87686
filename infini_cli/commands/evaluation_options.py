"""The options that the commands of `infini eval` share."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from infini_cli.commands.options import MODEL, OUTPUT

MEASURE = "Measure"
FIVE_DEPTHS = "0,0.25,0.5,0.75,1"

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
Passages = Annotated[
    int,
    typer.Option(
        "--passages",
        metavar="N",
        min=1,
        help="In the window: the one the question is about, after others of the same article.",
        rich_help_panel=MEASURE,
    ),
]


class Form(str, Enum):
    """How a pass key is asked for."""

    chat = "chat"
    continuation = "continuation"


AskedForm = Annotated[
    Form,
    typer.Option(
        "--form",
        help="Ask in chat, or by an unfinished sentence as the paper does.",
        rich_help_panel=MEASURE,
    ),
]


class Wording(str, Enum):
    """Whose words say and ask for what is hidden."""

    unseen = "unseen"
    ruler = "ruler"


ChosenWording = Annotated[
    Wording,
    typer.Option(
        "--wording",
        help="Sentences held out from training, or those of RULER.",
        rich_help_panel=MEASURE,
    ),
]


def lengths_option(default: str | None) -> Any:
    """The option --lengths; its default differs between evaluations."""
    return typer.Option(
        default,
        "--lengths",
        metavar="LIST",
        help="Tokens of the documents, such as 4K,16K,1M.",
        rich_help_panel=MEASURE,
    )


def samples_option(default: int | None, what: str) -> Any:
    """The option --samples, counted in what the evaluation asks or reads."""
    return typer.Option(
        default, "--samples", metavar="N", min=1, help=f"How many {what}.", rich_help_panel=MEASURE
    )


def kinds_option(name: str, default: tuple[str, ...], what: str) -> Any:
    """An option that lists kinds."""
    return typer.Option(",".join(default), name, metavar="LIST", help=what, rich_help_panel=MEASURE)
