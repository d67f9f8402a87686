"""The user's settings and where each value came from.

The command line wins over INFINI_* variables, those over the project file ./infini.toml, that over the user's
config.toml, and that over the default.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from infini_cli import paths
from infini_cli.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT_FILE = "infini.toml"
ENVIRONMENT_PREFIX = "INFINI_"
DEFAULT_MODEL = "smollm2-135m-infini"
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_DTYPES = ("auto", "float32", "bfloat16")
_PDF_PARSERS = ("auto", "pdfium", "pypdf")


def _check_device(value: str) -> str:
    if not _DEVICE.fullmatch(value):
        raise ValueError(value)
    return value


def _check_dtype(value: str) -> str:
    if value not in _DTYPES:
        raise ValueError(value)
    return value


def _check_pdf(value: str) -> str:
    if value not in _PDF_PARSERS:
        raise ValueError(value)
    return value


def _setting(default: Any, meaning: str, allowed: str, **limits: Any) -> Any:
    """A field with its meaning and its allowed values, both in words for the user."""
    return Field(default, description=meaning, json_schema_extra={"allowed": allowed}, **limits)


class Settings(BaseModel):
    """What the user may set once for all commands; immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    model: str = _setting(
        DEFAULT_MODEL,
        "the model to read and answer with",
        "a name from `infini models list`, or the path of a model",
        min_length=1,
    )
    device: Annotated[str, AfterValidator(_check_device)] = _setting(
        "auto", "where the model runs", "auto, cpu, cuda, cuda:0, cuda:1, … or mps"
    )
    dtype: Annotated[str, AfterValidator(_check_dtype)] = _setting(
        "auto", "the number format of the model's weights", "auto, float32 or bfloat16"
    )
    memory: str | None = _setting(
        None, "the memory to use; unset means the one read last", "the name of a memory", min_length=1
    )
    segment_length: int | None = _setting(
        None,
        "tokens per segment while reading; unset means the model's own",
        "a whole number from 16 to 32768",
        ge=16,
        le=32768,
    )
    window: int = _setting(
        2048,
        "tokens that an answer may attend to directly",
        "a whole number from 256 to 131072",
        ge=256,
        le=131072,
    )
    pdf: Annotated[str, AfterValidator(_check_pdf)] = _setting(
        "auto", "what reads PDFs; auto is pdfium where it is installed", "auto, pdfium or pypdf"
    )
    offline: bool = _setting(False, "never use the network", "true or false")
    quiet: bool = _setting(False, "no progress, notes or warnings", "true or false")
    debug: bool = _setting(False, "show the traceback of an unexpected error", "true or false")

    def for_memory_of(self, model: str) -> "Settings":
        """The same, with the model that a memory was read with, unless the user has chosen one."""
        return self if self.origins["model"] != "default" else self.model_copy(update={"model": model})

    @property
    def origins(self) -> dict[str, str]:
        """Where each value came from: "default", a file, an environment variable, or "command line"."""
        return {name: self._origins.get(name, "default") for name in type(self).model_fields}


def load_settings(flags: Mapping[str, Any], *, folder: Path | None = None) -> Settings:
    """Gather the settings from every source, the strongest last.

    Args:
        flags: values from the command line; None and False mean that the option was not given.
        folder: where the project file may lie; the current folder by default.

    Raises:
        UsageError: an unknown key, or a value that is not allowed, with its source and what is allowed.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, source in _file_sources(folder or Path.cwd()):
        values.update(source)
        origins.update(dict.fromkeys(source, origin))
    for name in Settings.model_fields:
        variable = ENVIRONMENT_PREFIX + name.upper()
        if os.environ.get(variable):
            values[name] = os.environ[variable]
            origins[name] = f"environment {variable}"
    given = {name: value for name, value in flags.items() if value is not None and value is not False}
    values.update(given)
    origins.update(dict.fromkeys(given, "command line"))
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise _explain(error, values, origins) from None
    settings._origins.update(origins)
    return settings


def _file_sources(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """The user file, then the project file, each as (path, values); a missing file gives no values."""
    sources = []
    for file in (paths.config_file(), folder / PROJECT_FILE):
        try:
            with file.open("rb") as stream:
                values = tomllib.load(stream)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise UsageError(f"the settings file {file} cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(
                f"the settings file {file} is not valid TOML: {error}",
                hint='write one setting per line, such as: device = "cpu"',
            ) from None
        unknown = sorted(set(values) - set(Settings.model_fields))
        if unknown:
            raise UsageError(
                f"unknown setting {unknown[0]!r} in {file}",
                hint=f"the settings are: {', '.join(Settings.model_fields)}",
            )
        sources.append((str(file), values))
    return sources


def _explain(error: ValidationError, values: Mapping[str, Any], origins: Mapping[str, str]) -> UsageError:
    """The first thing wrong with the settings, in words."""
    name = str(error.errors()[0]["loc"][0])
    if name not in Settings.model_fields:
        raise error
    extra = Settings.model_fields[name].json_schema_extra
    allowed = extra["allowed"] if isinstance(extra, dict) else ""
    origin = origins[name]
    where = f"--{name.replace('_', '-')}" if origin == "command line" else f"{name} (from {origin})"
    return UsageError(f"{values[name]!r} is not a value for {where}", hint=f"allowed: {allowed}")
