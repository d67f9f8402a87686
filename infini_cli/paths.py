"""Where files live: the user's folders (all under INFINI_HOME if it is set) and the shipped models.

Nothing is created here; whoever writes a file makes its folder.
"""

import os
from pathlib import Path

APP_NAME = "infini"
HOME_VARIABLE = "INFINI_HOME"


def _home() -> Path | None:
    """The folder in INFINI_HOME, absolute, or None when the variable is unset or empty."""
    value = os.environ.get(HOME_VARIABLE)
    return Path(value).expanduser().absolute() if value else None


def _folder(kind: str) -> Path:
    """The user's folder of one kind ("config", "data", "cache" or "state")."""
    home = _home()
    if home is not None:
        return home / kind
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_dir")(APP_NAME, appauthor=False))


def config_file() -> Path:
    """The user's settings; may not exist."""
    return _folder("config") / "config.toml"


def data_dir() -> Path:
    """The user's work: memories and pulled models."""
    return _folder("data")


def memories_dir() -> Path:
    """One folder per named memory; they hold text of the documents read."""
    return data_dir() / "memories"


def models_dir() -> Path:
    """Models pulled from elsewhere, one folder per model."""
    return data_dir() / "models"


def cache_dir() -> Path:
    """Files that can be made again at any time."""
    return _folder("cache")


def state_dir() -> Path:
    """Small files about the program's own runs, such as the last error."""
    return _folder("state")


def shipped_models_dir() -> Path:
    """The `models` folder that comes with the program.

    In a wheel it lies inside the package (pyproject.toml puts it there); in a checkout, beside it.
    """
    package = Path(__file__).resolve().parent
    in_wheel = package / "models"
    return in_wheel if in_wheel.is_dir() else package.parent / "models"
