"""`infini save`: a memory packed into one file, to keep or to give away."""

from pathlib import Path
from typing import Annotated

import typer

from infini_cli.commands.completing import memory_names
from infini_cli.commands.options import OUTPUT, Debug, Json, Memory, NoColor, Quiet, start


def save(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="The memory; by default the one read last.",
            autocompletion=memory_names,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to; NAME.infini by default.", rich_help_panel=OUTPUT
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace the file if it is there.", rich_help_panel=OUTPUT)
    ] = False,
    memory: Memory = None,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Save a memory as one file, which `infini load` reads here or on another machine.

    The file holds the text of the documents: give it away only as you would give away the documents.
    """
    from infini_cli.errors import UsageError
    from infini_cli.progress import format_bytes
    from infini_cli.reading import library, packing

    session = start(ctx)
    # `infini save book.infini` names the file, not the memory
    names_file = name is not None and name.endswith(packing.SUFFIX) and output is None
    chosen = library.resolve(session.settings.memory if names_file else name or session.settings.memory)
    file = Path(name) if name is not None and names_file else output or Path(chosen + packing.SUFFIX)
    if not file.absolute().parent.is_dir():
        raise UsageError(
            f"there is no folder {file.absolute().parent}", hint="make it first, or choose another with -o"
        )
    with session.reporter.progress(f"Saving {chosen}"):
        size = packing.pack(chosen, file, force=force)
    if session.reporter.json:
        session.reporter.emit_json({"memory": chosen, "file": str(file), "bytes": size})
        return
    session.reporter.emit(str(file))
    session.reporter.note(
        f"saved the memory {chosen!r}, {format_bytes(size)}; infini load {file} brings it back"
    )
