"""The options of the commands in which the model writes."""

from typing import Annotated

import typer

from infini_cli.commands.options import ANSWER, OUTPUT

MaxTokens = Annotated[
    int, typer.Option("--max-tokens", min=1, max=8192, help="Longest answer.", rich_help_panel=ANSWER)
]
Temperature = Annotated[
    float,
    typer.Option(
        "--temperature", min=0.0, max=5.0, help="0 always takes the likeliest word.", rich_help_panel=ANSWER
    ),
]
TopP = Annotated[
    float,
    typer.Option("--top-p", min=0.01, max=1.0, help="Leave out unlikely words.", rich_help_panel=ANSWER),
]
RepetitionPenalty = Annotated[
    float,
    typer.Option(
        "--repetition-penalty",
        min=0.1,
        max=10.0,
        help="Above 1: avoid words already there.",
        rich_help_panel=ANSWER,
    ),
]
Seed = Annotated[
    int,
    typer.Option("--seed", min=0, max=2**63 - 1, help="For a temperature above 0.", rich_help_panel=ANSWER),
]
Stream = Annotated[
    bool | None,
    typer.Option(
        "--stream/--no-stream",
        help="Print the answer as it is written; with --json, one object per line.",
        show_default="stream, except with --json",
        rich_help_panel=OUTPUT,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write the result to a file.", rich_help_panel=OUTPUT
    ),
]
