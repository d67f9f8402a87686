"""By which parsers a PDF is read, and with which password."""

import importlib.util
from dataclasses import dataclass, field

# The module of each parser, the fastest first.
_MODULES: dict[str, str] = {"pdfium": "pypdfium2", "pypdf": "pypdf"}


@dataclass(frozen=True, slots=True)
class PdfOptions:
    """How to open a PDF.

    Attributes:
        parsers: the first reads, the others try what it cannot read; empty means all that are installed.
        password: for an encrypted one, or None.
        failed: how many of the parsers are known to crash on the first page that will be read.
    """

    parsers: tuple[str, ...] = ()
    password: str | None = field(default=None, repr=False)
    failed: int = 0


def installed_parsers(first: str | None = None) -> tuple[str, ...]:
    """The parsers that are there, the fastest first unless another is to come `first`."""
    found = [name for name, module in _MODULES.items() if importlib.util.find_spec(module) is not None]
    return tuple(sorted(found, key=lambda name: name != first))
