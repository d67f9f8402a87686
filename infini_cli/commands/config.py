"""`infini config`: the settings in force, where each comes from, and how to change yours."""

from typing import TYPE_CHECKING, Annotated

import typer

from infini_cli.commands.completing import setting_names
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
    Session,
    Window,
    start,
)
from infini_cli.errors import DiskError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(no_args_is_help=True, help="See and change the settings.")

Key = Annotated[
    str,
    typer.Argument(
        metavar="KEY", help="The setting; see `infini config show`.", autocompletion=setting_names
    ),
]


@app.command("show")
def show(
    ctx: typer.Context,
    model: Model = None,
    device: Device = None,
    dtype: Dtype = None,
    segment_length: SegmentLength = None,
    window: Window = None,
    memory: Memory = None,
    pdf: Pdf = None,
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


@app.command("set")
def set_(
    ctx: typer.Context,
    key: Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Its value from now on.")],
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Set one setting in your settings file; comments and everything else in it stay."""
    from infini_cli.settings_edit import parse_value

    session = start(ctx)
    _change(session, key, parse_value(key, value))


@app.command("unset")
def unset(
    ctx: typer.Context,
    key: Key,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Take one setting out of your settings file: its default counts again."""
    from infini_cli.settings_edit import check_setting

    session = start(ctx)
    check_setting(key)
    _change(session, key, None)


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


def _change(session: Session, name: str, value: str | int | bool | None) -> None:
    """Write a setting into the user's file, and say which value counts now."""
    from infini_cli import paths
    from infini_cli.reading.atomic import write_atomically
    from infini_cli.settings import load_settings
    from infini_cli.settings_edit import with_value

    file = paths.config_file()
    text = _read(file)
    changed = with_value(text, name, value)
    if changed != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        # a link to a file of dotfiles stays a link
        write_atomically(file.resolve(), [changed.encode()])
    settings = load_settings({})
    now, origin = getattr(settings, name), settings.origins[name]
    if value is not None and origin != str(file):
        session.reporter.warn(
            f"{name} is {_as_text(now)} all the same, from {origin}, which wins over {file}"
        )
    if session.reporter.json:
        session.reporter.emit_json({"setting": name, "value": now, "origin": origin, "file": str(file)})
    elif value is None:
        session.reporter.note(f"{name} is not set in {file}; it is {_as_text(now)} ({origin})")
    else:
        session.reporter.note(f"{name} is {_as_text(value)} from now on, in {file}")


def _read(file: "Path") -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise UsageError(f"the settings file {file} is not a text in UTF-8") from None
    except OSError as error:
        raise DiskError(f"the settings file {file} cannot be read: {error.strerror}") from None


def _as_text(value: object) -> str:
    """A setting's value as it would stand in a settings file; unset values as a dash."""
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)
