"""What a PDF parser gives, and how those that are installed share the work on one file."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from infini_cli.errors import DocumentError, LockedError

_END_MARK = b"%%EOF"
_END_REACH_BYTES = 2048
_MAX_REASON_CHARACTERS = 200


class PdfParser(Protocol):
    """One parser's view of an open PDF; pages are counted from 0.

    Attributes:
        name: of the parser.
        pages_found: the number of pages that can be read.
        pages_lost: the number of pages that a damaged file announces but does not have.
        labels: the printed page number of each page found; None when the file has no labels.
        titles: the titles and levels of the outline entries that point to each page.
    """

    name: str
    pages_found: int
    pages_lost: int

    @property
    def labels(self) -> Sequence[str | None] | None: ...

    @property
    def titles(self) -> Mapping[int, Sequence[tuple[str, int]]]: ...

    def extract(self, index: int) -> tuple[str, str | None]:
        """The text of a page, and the reason when there is none. Raises whatever the parser raises."""
        ...

    def forget(self) -> None:
        """Free what was kept from the pages before, after a failure."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class WrongPasswordError(Exception):
    """An encrypted file does not open with the password given, nor without any."""


def open_parsers(file: Path, name: str, wanted: Sequence[str], password: str | None) -> tuple[PdfParser, ...]:
    """The file opened by all parsers that can, in the order `wanted`.

    pypdf walks the whole page tree, whatever it costs. Another parser that trusts a wrong number and sees
    other pages is left out, for it would miss some of them.

    Raises:
        LockedError: encrypted, and the password is missing or wrong.
        DocumentError: damaged beyond repair, or without pages.
    """
    opened: list[PdfParser] = []
    errors: list[Exception] = []
    for wish in wanted:
        try:
            opened.append(_open(wish, file, password))
        except Exception as error:
            errors.append(error)
    if not opened:
        if any(isinstance(error, WrongPasswordError) for error in errors):
            raise _locked(name, password)
        raise _damaged(file, name, errors[-1])
    trusted = next((parser for parser in opened if parser.name == "pypdf"), opened[0])
    for parser in opened:
        if not _sees_the_same(parser, trusted):
            parser.close()
    return tuple(parser for parser in opened if _sees_the_same(parser, trusted))


def _sees_the_same(parser: PdfParser, trusted: PdfParser) -> bool:
    same = parser.pages_found == trusted.pages_found and not trusted.pages_lost
    return parser is trusted or same


def _open(parser: str, file: Path, password: str | None) -> PdfParser:
    if parser == "pdfium":
        from infini_cli.documents.pdf_pdfium import PdfiumParser

        return PdfiumParser(file, password)
    from infini_cli.documents.pdf_pypdf import PypdfParser

    return PypdfParser(file, password)


def passwords_to_try(password: str | None) -> tuple[str, ...]:
    """The password given, and the empty one, with which most encrypted files open."""
    return ("",) if password is None else (password, "")


def summary(error: Exception) -> str:
    """An error in one line of bounded length."""
    # The parsers' own errors are sentences; of the others, the message alone can be as little as a missing key.
    own = type(error).__module__.startswith(("pypdf", "infini_cli"))
    described = str(error) if own else f"{type(error).__name__}: {error}"
    text = " ".join(described.split()).removesuffix(":") or type(error).__name__
    return text if len(text) <= _MAX_REASON_CHARACTERS else f"{text[:_MAX_REASON_CHARACTERS]}…"


def _locked(name: str, password: str | None) -> LockedError:
    if password is None:
        return LockedError(
            f"{name} is encrypted with a password",
            hint="give it with --password-file FILE, or in the environment variable INFINI_PASSWORD",
        )
    return LockedError(
        f"the password given does not open {name}",
        hint="check the file named with --password-file, or the variable INFINI_PASSWORD",
    )


def _damaged(file: Path, name: str, error: Exception) -> DocumentError:
    """What to tell about a file that no parser could open."""
    if isinstance(error, MemoryError):
        return DocumentError(f"{name} takes more memory to open than a document may")
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - _END_REACH_BYTES))
        is_complete = _END_MARK in stream.read()
    if not is_complete:
        return DocumentError(f"{name} is cut off: the PDF's end is missing", hint="copy or download it again")
    return DocumentError(
        f"{name} is a damaged PDF: {summary(error)}",
        hint=f"try to repair it: qpdf {shlex.quote(name)} repaired.pdf",
    )
