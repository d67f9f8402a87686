"""Folders and patterns as the files they stand for, in the order in which people number things."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infini_cli.documents.detect import NotADocumentError, detect_format
from infini_cli.errors import DocumentError

HIDDEN = "hidden"
LINKED_FOLDER = "a link to a folder"
NO_FILE = "not a regular file"
SYSTEM_FILE = "a file of the system"

_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "lost+found"})
_OFFICE_LOCK = "~$"  # before the name of a document that Word has open
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file of a folder or pattern that is not to be read.

    Attributes:
        path: as it would be shown.
        reason: completes "skipped, ...".
    """

    path: str
    reason: str


@dataclass(slots=True)
class Shelf:
    """What the names on a command line stand for.

    Attributes:
        files: to be read, in order.
        skipped: files that hold no text, or that nobody means.
        failures: documents that cannot be read, each with the reason.
    """

    files: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    failures: list[tuple[str, DocumentError]] = field(default_factory=list)


def natural_key(path: str) -> tuple[list[list[tuple[str, int]]], str]:
    """A key by which "chapter 2" comes before "Chapter 10"."""
    parts = [[_piece_key(piece) for piece in _DIGITS.split(part)] for part in path.split(os.sep)]
    return parts, path  # names alike but for capitals or leading zeros have an order too


def _piece_key(piece: str) -> tuple[str, int]:
    return ("", int(piece)) if piece.isdecimal() else (piece.casefold(), 0)


def is_pattern(name: str) -> bool:
    """Whether a name stands for all files that fit it, because there is none of just this name."""
    return glob.has_magic(name) and not os.path.lexists(name)


def is_shelf(name: str) -> bool:
    """Whether a name stands for any number of files."""
    return is_pattern(name) or os.path.isdir(name)


def expand(names: Sequence[str]) -> Shelf:
    """The files that names stand for: those in folders below the folders, those that fit a pattern, and files.

    Files named as such are neither looked at nor skipped.

    Raises:
        DocumentError: nothing fits a pattern, or there is no document in all the folders and patterns.
    """
    shelf = Shelf()
    for name in names:
        if is_pattern(name):
            found = sorted(glob.glob(name, recursive=True), key=natural_key)
            if not found:
                raise DocumentError(f"no file fits {name}")
            for each in found:
                _put(shelf, each)
        elif os.path.isdir(name):
            _put(shelf, name)
        else:
            shelf.files.append(name)
    shelf.skipped.sort(key=lambda skipped: natural_key(skipped.path))
    if not shelf.files:
        _raise_for_nothing(names, shelf)
    return shelf


def _put(shelf: Shelf, path: str) -> None:
    """Add a file that fits a pattern, or the files of a folder."""
    if not os.path.isdir(path):
        _put_file(shelf, path)
        return
    for file in _walk(shelf, path):
        _put_file(shelf, file)


def _walk(shelf: Shelf, top: str) -> Iterator[str]:
    """The files below a folder in natural order; folders that are passed over are named."""
    stack = [top]
    while stack:
        path = stack.pop()
        if path != top and not os.path.isdir(path):
            yield path
            continue
        try:
            with os.scandir(path) as entries:
                found = sorted(entries, key=lambda entry: natural_key(entry.name), reverse=True)
        except OSError as error:
            reason = error.strerror or str(error)
            shelf.failures.append(
                (_shown(path), DocumentError(f"the folder {_shown(path)} cannot be read: {reason}"))
            )
            continue
        for entry in found:
            unwanted = _unwanted(entry)
            if unwanted is None:
                stack.append(entry.path)
            else:
                shelf.skipped.append(Skipped(_shown(entry.path), unwanted))


def _unwanted(entry: "os.DirEntry[str]") -> str | None:
    if entry.name.startswith("."):
        return HIDDEN
    if entry.name.casefold() in _SYSTEM_FILES or entry.name.startswith(_OFFICE_LOCK):
        return SYSTEM_FILE
    return LINKED_FOLDER if entry.is_symlink() and entry.is_dir() else None


def _put_file(shelf: Shelf, file: str) -> None:
    shown = _shown(file)
    if not os.path.isfile(file):
        shelf.skipped.append(Skipped(shown, NO_FILE))
        return
    try:
        detect_format(Path(file), shown)
    except NotADocumentError as error:
        shelf.skipped.append(Skipped(shown, _reason(error, shown)))
    except DocumentError as error:
        shelf.failures.append((shown, error))
    else:
        shelf.files.append(file)


def _reason(error: DocumentError, shown: str) -> str:
    """What a message says of a file, without its name: "a picture"."""
    return error.message.removeprefix(f"{shown} is ").partition(",")[0]


def _shown(path: str) -> str:
    """A path that can be shown and stored, also when it is not Unicode."""
    return os.fsencode(path).decode(errors="replace")


def _raise_for_nothing(names: Sequence[str], shelf: Shelf) -> None:
    if shelf.failures:
        raise shelf.failures[0][1]
    what = " or ".join(names)
    if not shelf.skipped:
        raise DocumentError(f"there is no file in {what}")
    first = shelf.skipped[0]
    others = f", and {len(shelf.skipped) - 1} more" if len(shelf.skipped) > 1 else ""
    raise DocumentError(
        f"there is no document in {what}", hint=f"skipped: {first.path} ({first.reason}){others}"
    )
