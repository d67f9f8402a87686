"""What the shell offers after the tab key; must be quick, and silent whatever is wrong."""

from collections.abc import Callable, Iterable

from infini_cli.errors import InfiniError


def _beginning(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """The names that begin with what was typed, as Typer asks for them."""

    def complete(incomplete: str) -> list[str]:
        try:
            return [name for name in names() if name.startswith(incomplete)]
        except (InfiniError, OSError):
            return []

    return complete


def _memories() -> Iterable[str]:
    from infini_cli.reading import library

    return library.names()


def _models() -> Iterable[str]:
    from infini_cli.zoo.index import load_index

    return load_index().models


def _pulled_models() -> Iterable[str]:
    from infini_cli import zoo

    return (model.name for model in zoo.list_models() if model.state == "pulled")


def _settings() -> Iterable[str]:
    from infini_cli.settings import Settings

    return Settings.model_fields


memory_names = _beginning(_memories)
model_names = _beginning(_models)
pulled_model_names = _beginning(_pulled_models)
setting_names = _beginning(_settings)
device_names = _beginning(lambda: ("auto", "cpu", "cuda", "mps"))
dtype_names = _beginning(lambda: ("auto", "float32", "bfloat16"))
