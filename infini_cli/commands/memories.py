"""`infini memories`: what has been read and kept."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from infini_cli.commands.completing import memory_names
from infini_cli.commands.options import Debug, Json, Memory, NoColor, Quiet, start

if TYPE_CHECKING:
    from infini_cli.reading.library import ListedMemory, MemoryInfo

app = typer.Typer(no_args_is_help=True, help="List, show, rename and remove memories.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The memory.", autocompletion=memory_names)]


@app.command("list")
def list_(
    ctx: typer.Context,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """List all memories; the one that is used when none is named has a star."""
    from infini_cli.progress import format_bytes
    from infini_cli.reading import library

    session = start(ctx)
    listed = library.list_memories()
    current = library.current()
    if session.reporter.json:
        session.reporter.emit_json(
            {"current": current, "memories": [_describe_listed(memory) for memory in listed]}
        )
        return
    rows = []
    for memory in listed:
        name = f"{memory.name} *" if memory.name == current and session.reporter.to_terminal else memory.name
        if memory.info is None:
            rows.append((name, "-", "-", "-", "-", "damaged"))
            session.reporter.warn(str(memory.error))
            continue
        record = memory.info.record
        state = "whole" if record.complete else "unfinished"
        documents = str(len(record.documents))
        rows.append(
            (
                name,
                documents,
                f"{record.tokens:,}",
                format_bytes(memory.info.disk_bytes),
                record.created[:10],
                state,
            )
        )
    session.reporter.emit_table(
        ("name", "documents", "tokens", "on disk", "created", "state"),
        rows,
        right=("documents", "tokens", "on disk"),
    )
    if not listed:
        session.reporter.note("there is no memory yet; read a document first: infini ingest FILE")


@app.command("show")
def show(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="The memory; by default the one read last.",
            autocompletion=memory_names,
        ),
    ] = None,
    memory: Memory = None,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Show what a memory holds: documents, pages, tokens, size, model."""
    from infini_cli.progress import format_bytes
    from infini_cli.reading import library

    session = start(ctx)
    info = library.show(library.resolve(name or session.settings.memory))
    if session.reporter.json:
        session.reporter.emit_json(describe(info))
        return
    record = info.record
    fields = [
        ("name", info.name),
        ("created", record.created),
        ("state", "whole" if record.complete else "unfinished; the same `infini ingest` command goes on"),
        ("model", record.model),
        ("tokens", f"{record.tokens:,}"),
        ("segments", f"{record.segments:,} of up to {record.segment_length:,} tokens"),
        ("memory", format_bytes(record.memory_bytes)),
        ("passages", f"{record.passages:,}"),
        *_conversation(record.conversation_tokens),
        ("on disk", f"{format_bytes(info.disk_bytes)} in {info.directory}"),
    ]
    for document in record.documents:
        pages = f"{document.pages_read} of {document.pages_total or 'unknown'} pages"
        fields.append(
            ("document", f"{document.path} ({document.format}, {pages}, {document.tokens:,} tokens)")
        )
        fields.extend(("skipped", f"page {page.page}: {page.reason}") for page in document.pages_skipped)
    session.reporter.emit_fields(fields)


@app.command("rename")
def rename(
    ctx: typer.Context,
    name: Name,
    new_name: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")],
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Give a memory another name."""
    from infini_cli.reading import library

    session = start(ctx)
    library.rename(name, new_name)
    if session.reporter.json:
        session.reporter.emit_json({"renamed": {"from": name, "to": new_name}})
    else:
        session.reporter.note(f"the memory {name!r} is now {new_name!r}")


@app.command("rm")
def rm(
    ctx: typer.Context,
    names: Annotated[
        list[str], typer.Argument(metavar="NAME", help="The memories.", autocompletion=memory_names)
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Remove memories for good, after a question. The documents themselves stay."""
    from infini_cli.reading import library

    session = start(ctx)
    # a wrong name among several removes none of them
    for name in names:
        library.existing(name)
    removed = []
    for name in dict.fromkeys(names):
        if yes or session.reporter.confirm(f"Remove the memory {name!r} for good?"):
            library.remove(name)
            removed.append(name)
            session.reporter.note(f"removed the memory {name!r}")
        else:
            session.reporter.note(f"kept the memory {name!r}")
    if session.reporter.json:
        session.reporter.emit_json({"removed": removed})


def describe(info: "MemoryInfo") -> dict[str, Any]:
    """A memory as `--json` shows it."""
    record = info.record
    return {
        "name": info.name,
        "created": record.created,
        "updated": record.updated,
        "complete": record.complete,
        "documents": [document.coverage() for document in record.documents],
        "tokens": record.tokens,
        "segments": record.segments,
        "segment_length": record.segment_length,
        "memory_bytes": record.memory_bytes,
        "disk_bytes": info.disk_bytes,
        "passages": record.passages,
        "conversation_tokens": record.conversation_tokens,
        "model": record.model,
        "fingerprint": record.fingerprints,
        "directory": str(info.directory),
    }


def summary(info: "MemoryInfo") -> str:
    """A memory in a few words."""
    count = len(info.record.documents)
    documents = "1 document" if count == 1 else f"{count} documents"
    return f"the memory {info.name!r}: {documents}, {info.record.tokens:,} tokens"


def _conversation(tokens: int) -> list[tuple[str, str]]:
    """What a conversation has left in a memory, as a field if it left anything."""
    return [("conversation", f"{tokens:,} tokens read into it by /save in a chat")] if tokens else []


def _describe_listed(memory: "ListedMemory") -> dict[str, Any]:
    """A line of the list as `--json` shows it; a damaged memory carries its error instead."""
    if memory.info is not None:
        return describe(memory.info)
    error = memory.error
    fields = (
        None if error is None else {"code": error.exit_code, "kind": error.kind, "message": error.message}
    )
    return {"name": memory.name, "error": fields}
