"""What kind of document a file is, by its content."""

import difflib
import shlex
import stat
from pathlib import Path

from infini_cli.documents.foreign import foreign_format
from infini_cli.errors import DocumentError

_HEAD_BYTES = 8192
_PDF_MARK = b"%PDF-"
_PDF_END_MARK = b"%%EOF"
# Readers accept a PDF whose header comes late. Here it has to end like a PDF too: a text about PDF is a text.
_PDF_HEADER_REACH = 1024
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_MARKDOWN_SUFFIXES = frozenset({".md", ".markdown", ".mdown", ".mkd", ".mkdn"})


def detect_format(path: Path, name: str) -> str:
    """Whether a file is "pdf", "markdown" or "text"; the suffix only tells Markdown from other text.

    Args:
        path: the file.
        name: what messages call it.

    Raises:
        DocumentError: no such file, not a file, not readable, empty, or of a kind that is not read.
    """
    head, tail = _read_ends(path, name)
    if head.lstrip().startswith(_PDF_MARK):
        return "pdf"
    if _PDF_MARK in head[:_PDF_HEADER_REACH] and _PDF_END_MARK in tail:
        return "pdf"
    foreign = foreign_format(path, head)
    if foreign is not None:
        description, hint = foreign
        hint = hint.format(file=shlex.quote(name))
        raise DocumentError(f"{name} is {description}, not a PDF or a text", hint=hint)
    if b"\0" in head and not looks_like_utf16_or_32(head):
        raise DocumentError(f"{name} is a binary file, not a PDF or a text")
    return "markdown" if path.suffix.lower() in _MARKDOWN_SUFFIXES else "text"


def looks_like_utf16_or_32(head: bytes) -> bool:
    """Whether NUL bytes at a file's beginning are half of wide characters: a mark, or on one side only."""
    if head.startswith(_UTF16_MARKS) or head.startswith(b"\0\0\xfe\xff"):
        return True
    even, odd = head[0::2].count(0), head[1::2].count(0)
    pairs = max(len(head) // 2, 1)
    return max(even, odd) > 0.4 * pairs and min(even, odd) < 0.02 * pairs


def _read_ends(path: Path, name: str) -> tuple[bytes, bytes]:
    """The first and the last bytes of a regular file that is not empty."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            example = f"{shlex.quote(name.rstrip('/'))}/*.pdf"
            raise DocumentError(
                f"{name} is a folder", hint=f"name the documents in it, for example: {example}"
            )
        if not stat.S_ISREG(status.st_mode):
            hint = "pipe its content in and give - as the document"
            raise DocumentError(f"{name} is not a regular file", hint=hint)
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            file.seek(max(0, status.st_size - _PDF_HEADER_REACH))
            tail = file.read()
    except FileNotFoundError as error:
        raise DocumentError(f"{name} does not exist", hint=_suggestion(path)) from error
    except PermissionError as error:
        raise DocumentError(f"no permission to read {name}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DocumentError(f"{name} cannot be read: {reason}") from error
    if not head:
        raise DocumentError(f"{name} is empty")
    return head, tail


def _suggestion(path: Path) -> str | None:
    """A hint at a file of nearly that name in the same folder, or at the nearest folder that is missing."""
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        return None
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {folder / close[0]}?" if close else None
