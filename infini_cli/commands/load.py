"""`infini load`: a memory brought back from a file that `infini save` made."""

from pathlib import Path
from typing import Annotated

import typer

from infini_cli.commands.options import MEMORY, Debug, Json, Model, NoColor, Quiet, Session, start
from infini_cli.errors import ModelError


def load(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file made by `infini save`.")],
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            "-n",
            metavar="NAME",
            help="The memory's name; by default its old one.",
            rich_help_panel=MEMORY,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace a memory of this name.", rich_help_panel=MEMORY)
    ] = False,
    model: Model = None,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Load a memory from a file; it is then the one that is asked.

    Every byte is verified first, and that the memory was read with the model in use here.
    """
    session = start(ctx)
    with session.reporter.progress(f"Loading {file.name}"):
        from infini_cli.commands.memories import describe, summary
        from infini_cli.reading import packing

        info = packing.unpack(file, name=name, force=force, expected=_expected_fingerprints(session))
    if session.reporter.json:
        session.reporter.emit_json(describe(info))
        return
    session.reporter.emit(info.name)
    session.reporter.note(f'loaded {summary(info)}; ask it: infini ask "…"')


def _expected_fingerprints(session: Session) -> dict[str, str] | None:
    """What the memory must carry to be of use here; None when the model is not here to compare with."""
    from infini_cli.reading.engine import expected_fingerprints

    try:
        return expected_fingerprints(session.settings)
    except ModelError as error:
        if session.settings.origins["model"] == "command line":
            raise
        session.reporter.warn(f"whether the memory fits the model cannot be checked: {error.message}")
        return None
