"""`infini config`: the settings in force and where each comes from."""

import typer

from infini_cli.commands.options import (
    Debug,
    Device,
    Dtype,
    Json,
    Memory,
    Model,
    NoColor,
    Offline,
    Quiet,
    SegmentLength,
    Window,
    start,
)

app = typer.Typer(no_args_is_help=True, help="See the settings and where each comes from.")


@app.command("show")
def show(
    ctx: typer.Context,
    model: Model = None,
    device: Device = None,
    dtype: Dtype = None,
    segment_length: SegmentLength = None,
    window: Window = None,
    memory: Memory = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Show every setting, its value and its origin.

    The command line wins over INFINI_* environment variables, those over ./infini.toml, that over the user's
    config.toml (see `infini config path`), and that over the default.
    """
    session = start(ctx)
    values = session.settings.model_dump()
    origins = session.settings.origins
    if session.reporter.json:
        session.reporter.emit_json(
            {"settings": {name: {"value": values[name], "origin": origins[name]} for name in values}}
        )
        return
    rows = [(name, _as_text(value), origins[name]) for name, value in values.items()]
    session.reporter.emit_table(("setting", "value", "origin"), rows)


@app.command("path")
def path(
    ctx: typer.Context,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Show the folders of infini and the file for your settings; INFINI_HOME moves them all."""
    from infini_cli import paths

    session = start(ctx)
    places = {
        "config": paths.config_file(),
        "memories": paths.memories_dir(),
        "models": paths.models_dir(),
        "shipped_models": paths.shipped_models_dir(),
        "cache": paths.cache_dir(),
        "state": paths.state_dir(),
    }
    if session.reporter.json:
        session.reporter.emit_json({name: str(place) for name, place in places.items()})
        return
    session.reporter.emit_fields((name, str(place)) for name, place in places.items())


def _as_text(value: object) -> str:
    """A setting's value as it would stand in a settings file; unset values as a dash."""
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)
