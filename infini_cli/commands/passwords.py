"""Passwords of encrypted documents: from a file, the environment or a prompt, and never kept."""

import getpass
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from infini_cli.commands.options import Session
from infini_cli.console import stdin_is_terminal
from infini_cli.errors import DocumentError, LockedError, UsageError

if TYPE_CHECKING:
    from infini_cli.documents import PdfOptions
    from infini_cli.reading.plan import Source

VARIABLE = "INFINI_PASSWORD"
_TRIES = 3


def prepare(session: Session, sources: "Sequence[Source]") -> "list[Source]":
    """The documents to read, each with the PDF parsers of the settings and the password that opens it.

    Without a terminal to ask at, one that stays locked is left to the reader, which goes on with the others.

    Raises:
        LockedError: the only document stays locked.
        UsageError: the password file cannot be read, or the parser named is not installed.
    """
    from infini_cli.documents import PdfOptions

    options = PdfOptions(_parsers(session.settings.pdf), _given(session))
    return [
        replace(source, pdf=_unlocked(session, source, options, alone=len(sources) == 1))
        for source in sources
    ]


def _parsers(wanted: str) -> tuple[str, ...]:
    """The parsers in the order that the setting asks for."""
    from infini_cli.documents.pdf_options import installed_parsers

    if wanted == "auto":
        return installed_parsers()
    found = installed_parsers(first=wanted)
    if wanted not in found:
        raise UsageError(f"{wanted} is not installed", hint="install it with: pip install pypdfium2")
    return found


def _given(session: Session) -> str | None:
    """The password in the file named, or else in the environment."""
    if session.password_file is None:
        return os.environ.get(VARIABLE) or None
    try:
        first, *_ = Path(session.password_file).read_text(encoding="utf-8").splitlines() or [""]
    except OSError as error:
        raise UsageError(f"{session.password_file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{session.password_file} is not a text in UTF-8") from error
    if not first:
        raise UsageError(
            f"there is no password in {session.password_file}", hint="write it on the first line, alone"
        )
    return first


def _unlocked(session: Session, source: "Source", options: "PdfOptions", *, alone: bool) -> "PdfOptions":
    """The options with the password that opens this document, asked for if need be."""
    from infini_cli.documents.pdf_encryption import may_be_encrypted

    with suppress(OSError, ValueError):  # the reader will tell
        if not may_be_encrypted(source.path):
            return options
    error = _try(source, options)
    for _ in range(_TRIES if error is not None and _can_ask(session) else 0):
        options = replace(options, password=_ask(source.shown))
        error = _try(source, options)
        if error is None:
            break
        session.reporter.warn("that is not the password")
    if error is not None and alone:
        raise error
    return options


def _try(source: "Source", options: "PdfOptions") -> LockedError | None:
    """Open a document; None unless that fails for want of the password."""
    from infini_cli.documents.extraction import ExtractionProcess

    try:
        with ExtractionProcess(source.path, name=source.shown, pdf=options) as extraction:
            extraction.info  # noqa: B018
    except LockedError as error:
        return error
    except DocumentError:  # the reader will tell
        return None
    return None


def _can_ask(session: Session) -> bool:
    return not session.reporter.json and stdin_is_terminal()


def _ask(name: str) -> str:
    """A password typed without being shown."""
    shown = "".join(character for character in name if character.isprintable())
    return getpass.getpass(f"Password for {shown}: ", stream=sys.stderr)
