"""`infini doctor`: whether everything works here, what is wrong, and how to mend it."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from infini_cli.commands.options import (
    Debug,
    Device,
    Dtype,
    Json,
    Model,
    NoColor,
    Quiet,
    Session,
    start_anyway,
)

if TYPE_CHECKING:
    from infini_cli.commands.checkups import Finding
    from infini_cli.errors import UsageError

COLUMNS = ("state", "what", "found", "to mend it")


def doctor(
    ctx: typer.Context,
    model: Model = None,
    device: Device = None,
    dtype: Dtype = None,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Look whether everything works: program, terminal, folders, SQLite, models, memories, device, and the speed.

    Every file of every model is read and compared with its checksum, and the model reads and writes for a second.
    What is wrong comes with a way to mend it. Nothing is changed.

    The exit code is 0 when there is no error, warnings or not; else that of the first error: the one with which
    commands end for it.
    """
    session, wrong_settings = start_anyway(ctx)
    findings = list(_look(session, wrong_settings))
    errors = [finding for finding in findings if finding.state == "error"]
    reporter = session.reporter
    if reporter.json:
        reporter.emit_json({"ok": not errors, "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [(each.state, each.name, each.text, each.hint or "") for each in findings]
        reporter.emit_table(COLUMNS, rows)
        reporter.note(_in_short(findings))
    if errors:
        raise typer.Exit(errors[0].code)


def _look(session: Session, wrong_settings: "UsageError | None") -> "Iterator[Finding]":
    """All findings, in an order in which the first error explains those after it."""
    from infini_cli.commands import checkups

    settings = session.settings
    yield checkups.check_program()
    yield checkups.check_settings(wrong_settings)
    yield checkups.check_terminal()
    yield from checkups.check_places()
    yield checkups.check_sqlite()
    yield checkups.check_pdf()
    with ExitStack() as progress:

        def tell(name: str) -> None:
            progress.close()
            progress.enter_context(session.reporter.progress(f"Verifying {name}"))

        yield from checkups.check_models(settings, tell)
    with session.reporter.progress("Looking at the memories"):
        memories = list(checkups.check_memories())
    yield from memories
    with session.reporter.progress("Loading PyTorch"):
        torch = checkups.check_torch()
    yield torch
    if torch.state == "error":
        return
    device = list(checkups.check_device(settings))
    yield from device
    if all(finding.state != "error" for finding in device):
        with session.reporter.progress("Measuring the speed"):
            speed = checkups.check_speed(settings)
        yield speed


def _in_short(findings: "list[Finding]") -> str:
    """How many things are wrong."""
    counts = {state: sum(finding.state == state for finding in findings) for state in ("error", "warning")}
    told = [f"{count} {state}{'s' if count > 1 else ''}" for state, count in counts.items() if count]
    return " and ".join(told) if told else "everything works"
