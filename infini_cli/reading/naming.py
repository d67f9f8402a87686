"""Names of memories: which are allowed, and which one a document gives."""

import re
import unicodedata
from pathlib import Path

from infini_cli.documents.compressed import COMPRESSION_SUFFIXES
from infini_cli.documents.shelves import is_pattern
from infini_cli.errors import UsageError

MAX_NAME_BYTES = 120
STDIN_NAME = "stdin"
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)  # devices on Windows
_FORBIDDEN = frozenset('/\\:*?"<>|')


def check_name(name: str) -> str:
    """The name as it is used for the folder (Unicode form NFC).

    Raises:
        UsageError: it could mean another folder, cannot be typed, or is too long; the message says which.
    """
    normal = unicodedata.normalize("NFC", name)
    if reason := _fault(normal):
        raise UsageError(
            f"{name!r} cannot be the name of a memory: {reason}",
            hint="letters, digits, - and _ are always fine",
        )
    return normal


def _fault(name: str) -> str | None:
    if not name.strip():
        return "it is empty"
    if name != name.strip() or name.startswith((".", "-")) or name.endswith("."):
        return "it must not begin with a dot, a dash or a space, nor end with a dot or a space"
    if bad := sorted(_FORBIDDEN.intersection(name)):
        return f"it contains {' '.join(bad)}"
    if not name.isprintable():
        return "it contains characters that cannot be seen"
    if _RESERVED.fullmatch(name):
        return "some systems reserve it"
    if len(name.encode(errors="replace")) > MAX_NAME_BYTES:
        return f"it is longer than {MAX_NAME_BYTES} bytes"
    return None


def name_for(path: str) -> str:
    """The name a memory gets from the first document read into it.

    "-" is standard input; a folder gives its own name, and a pattern that of the folder it looks in.
    """
    if path == "-":
        return STDIN_NAME
    stem = unicodedata.normalize("NFC", _stem(Path(path))).casefold()
    slug = re.sub(r"[\W_]+", "-", stem).strip("-")
    while len(slug.encode()) > MAX_NAME_BYTES // 2:
        slug = slug[:-1].rstrip("-")
    return slug if slug and _fault(slug) is None else "memory"


def _stem(path: Path) -> str:
    """What a document or folder is called, without suffixes."""
    is_folder = is_pattern(str(path)) or path.is_dir()
    while is_pattern(str(path)):
        path = path.parent
    if is_folder:
        return path.resolve().name
    return Path(path.stem).stem if path.suffix.lower() in COMPRESSION_SUFFIXES else path.stem
