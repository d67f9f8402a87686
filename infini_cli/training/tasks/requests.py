"""Plain requests, of many kinds, for the replay of what the base model can do without any document."""

import re
import sys
from functools import cache
from pathlib import Path
from random import Random

from infini_cli.training.manifest import Role
from infini_cli.training.tasks.lists import pool

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REQUESTS_FILE = Path(__file__).with_name("requests.toml")
_NAME = re.compile(r"\{(\w+)\}")


@cache
def request_forms(split: Role) -> tuple[str, ...]:
    """The requests of a split, with names of lists in braces."""
    with REQUESTS_FILE.open("rb") as stream:
        return tuple(tomllib.load(stream)[split].strip().splitlines())


def make_request(rng: Random, split: Role, title: str) -> str:
    """One of them, with entries of the lists, or the title of an article, in the place of their names."""

    def drawn(match: re.Match[str]) -> str:
        return title if match[1] == "title" else rng.choice(pool(match[1], split))

    return _NAME.sub(drawn, rng.choice(request_forms(split)))
