"""A settings file changed in one place: comments, order and everything else stay as the user wrote them."""

import json
import re
import sys
from typing import Any

from pydantic import ValidationError

from infini_cli.errors import UsageError
from infini_cli.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def parse_value(name: str, text: str) -> Any:
    """The value that a setting gets from what the user wrote.

    Raises:
        UsageError: there is no such setting, or the value is not allowed; the hint says what is.
    """
    check_setting(name)
    try:
        return getattr(Settings.model_validate({name: text}), name)
    except ValidationError:
        extra = Settings.model_fields[name].json_schema_extra
        allowed = extra["allowed"] if isinstance(extra, dict) else ""
        raise UsageError(f"{text!r} is not a value for {name}", hint=f"allowed: {allowed}") from None


def check_setting(name: str) -> None:
    """Raise UsageError unless there is a setting of this name."""
    if name not in Settings.model_fields:
        raise UsageError(
            f"unknown setting {name!r}", hint=f"the settings are: {', '.join(Settings.model_fields)}"
        )


def with_value(text: str, name: str, value: str | int | bool | None) -> str:
    """The text of a settings file in which one setting has another value, or with None is not set.

    Raises:
        UsageError: the file is not valid TOML, or sets it in a way that can only be changed by hand.
    """
    before = _parse(text)
    line = _line_of(name)
    if value is None:
        changed = line.sub("", text, count=1)
    else:
        written = f"{name} = {json.dumps(value, ensure_ascii=False)}"
        if line.search(text):
            changed = line.sub(lambda match: f"{written}{match['comment'] or ''}\n", text, count=1)
        else:
            changed = f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{written}\n"
    wanted = {key: each for key, each in before.items() if key != name}
    if value is not None:
        wanted[name] = value
    if _parse(changed) != wanted:
        raise UsageError(f"{name} is written there in an unusual way", hint="change it in an editor")
    return changed


def _line_of(name: str) -> "re.Pattern[str]":
    """The line that sets a setting; its comment stays when the value changes."""
    value = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^"'#\n]*?)"""
    return re.compile(
        rf"^[ \t]*[\"']?{re.escape(name)}[\"']?[ \t]*=[ \t]*{value}(?P<comment>[ \t]*#[^\n]*)?[ \t]*(?:\n|\Z)",
        re.MULTILINE,
    )


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"the settings file is not valid TOML: {error}", hint="mend it in an editor, or remove it"
        ) from None
