"""Names and values for invented facts, in lists whose every sixth entry is held out for evaluations."""

import sys
from functools import cache
from pathlib import Path

from infini_cli.training.manifest import Role

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LISTS_FILE = Path(__file__).with_name("lists.toml")
HELDOUT_EVERY = 6


@cache
def _lists() -> dict[str, tuple[str, ...]]:
    with LISTS_FILE.open("rb") as stream:
        tables = tomllib.load(stream)
    split = {
        name: [entry.strip() for entry in text.split("|")] if "|" in text else text.split()
        for name, text in tables.items()
    }
    return {name: tuple(dict.fromkeys(filter(None, entries))) for name, entries in split.items()}


def list_names() -> tuple[str, ...]:
    """The names of all lists."""
    return tuple(_lists())


@cache
def pool(name: str, split: Role) -> tuple[str, ...]:
    """The entries of one list that belong to a split.

    Raises:
        KeyError: there is no such list.
    """
    entries = enumerate(_lists()[name], start=1)
    return tuple(entry for place, entry in entries if (place % HELDOUT_EVERY == 0) == (split == "heldout"))
