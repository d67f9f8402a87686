"""Whether a file can be an encrypted PDF, told without parsing it."""

import mmap
from pathlib import Path

_MARK = b"%PDF-"
_MARK_REACH = 1024
# The entry of the file's trailer, which is never compressed nor encrypted itself.
_ENTRY = b"/Encrypt"


def may_be_encrypted(path: Path) -> bool:
    """Whether the file begins like a PDF and names an encryption somewhere. Raises OSError."""
    with path.open("rb") as file:
        if _MARK not in file.read(_MARK_REACH):
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(_ENTRY) >= 0
