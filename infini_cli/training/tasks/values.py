"""Made-up values: numbers, codes, dates, prices, names."""

import re
from functools import cache
from random import Random

from infini_cli.training.manifest import Role
from infini_cli.training.tasks.lists import list_names, pool

_WORD = re.compile(r"\b[a-z]{4,10}\b")
_STRETCH = 200  # characters, in which prose surely has a word
_PATIENCE = 1_000


def uuid(rng: Random) -> str:
    """A version-4 UUID."""
    digits = f"{rng.getrandbits(128):032x}"
    digits = f"{digits[:12]}4{digits[13:16]}{'89ab'[int(digits[16], 16) % 4]}{digits[17:]}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def number(rng: Random, digits: int = 7) -> str:
    """A number of so many digits."""
    return str(rng.randrange(10 ** (digits - 1), 10**digits))


def word_pair(rng: Random, split: Role) -> str:
    """Two words with a hyphen, such as "misty-lantern"."""
    return f"{rng.choice(pool('adjectives', split))}-{rng.choice(pool('nouns', split))}"


def word_of(rng: Random, text: str) -> str:
    """A word of four to ten small letters that stands in the text and in no list's held-out part.

    Raises:
        ValueError: the text seems to have none.
    """
    for _ in range(_PATIENCE):
        start = rng.randrange(len(text))
        found = _WORD.search(text, start, start + _STRETCH)
        if found and found[0] not in _held_out():
            return found[0]
    raise ValueError(f"no word of plain letters in {_PATIENCE} places of a text")


@cache
def _held_out() -> frozenset[str]:
    entries = (entry for name in list_names() for entry in pool(name, "heldout"))
    return frozenset(word for entry in entries for word in entry.lower().split())


def full_name(rng: Random, split: Role) -> str:
    """A first name and a surname."""
    return f"{rng.choice(pool('first_names', split))} {rng.choice(pool('surnames', split))}"


def date(rng: Random) -> str:
    """A day of the year, such as "14 March"."""
    months = (*pool("months", "train"), *pool("months", "heldout"))
    return f"{rng.randint(1, 28)} {rng.choice(months)}"


def time_of_day(rng: Random) -> str:
    """A time on the clock, such as "4:35"."""
    return f"{rng.randint(1, 12)}:{rng.randrange(0, 60, 5):02d}"


def price(rng: Random) -> str:
    """A sum of money, such as "37 crowns"."""
    return f"{rng.randint(2, 900)} {rng.choice(('crowns', 'dollars', 'pounds', 'marks'))}"


def value(rng: Random, kind: str, split: Role) -> str:
    """A value of a kind: the name of a made-up quantity, or of a list to draw from.

    Raises:
        KeyError: no such quantity or list.
    """
    match kind:
        case "age":
            return str(rng.randint(18, 97))
        case "count":
            return str(rng.randint(2, 999))
        case "year":
            return str(rng.randint(1500, 1989))
        case "number":
            return number(rng, rng.randint(4, 6))
        case "price":
            return price(rng)
        case "date":
            return date(rng)
        case "time":
            return time_of_day(rng)
        case "word":
            return word_pair(rng, split)
        case "person":
            return full_name(rng, split)
        case _:
            return rng.choice(pool(kind, split))


def with_article(noun: str) -> str:
    """The noun with "a" or "an" before it."""
    return f"{'an' if noun[0] in 'aeiou' and not noun.startswith(('uku', 'uni')) else 'a'} {noun}"
