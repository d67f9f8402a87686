"""Documents compressed with gzip, bzip2 or xz: unpacked, within bounds, into a file that nobody else sees."""

import bz2
import gzip
import lzma
import os
import shlex
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from infini_cli.documents.model import Document, Page
from infini_cli.documents.pdf_options import PdfOptions
from infini_cli.errors import DocumentError

_CHUNK_BYTES = 1 << 20
_LIMIT_BYTES = 4 << 30
# Prose shrinks to a third or a quarter, a log to a thirtieth; only data without content passes this.
_MAX_RATIO = 200
_SMALL_BYTES = 64 << 20  # up to which the ratio does not matter
_MODULES = {"gzip": gzip, "bzip2": bz2, "xz": lzma}
_TOOLS = {"gzip": "gunzip", "bzip2": "bunzip2", "xz": "unxz"}
COMPRESSION_SUFFIXES = frozenset({".gz", ".bz2", ".xz", ".z"})


class CompressedDocument:
    """The document in a compressed file, which is taken for what it is once unpacked.

    Attributes:
        format: of the document inside.
        parsers: of a PDF inside.
    """

    def __init__(self, file: Path, name: str, compression: str, pdf: PdfOptions | None = None) -> None:
        """Unpack the file and open what is in it.

        Raises:
            DocumentError: damaged, larger than a document may be, or not a document.
        """
        self.path = name
        descriptor, path = tempfile.mkstemp(prefix="infini-")
        self._path = Path(path)
        self._unpacked: BinaryIO = os.fdopen(descriptor, "wb")
        try:
            _unpack(file, name, compression, self._unpacked)
            self._document = self._open(file, name, compression, pdf)
        except BaseException:
            self._remove()
            raise
        self.format = self._document.format
        self.parsers: tuple[str, ...] = getattr(self._document, "parsers", ())
        self.pages_total = self._document.pages_total

    def _open(self, file: Path, name: str, compression: str, pdf: PdfOptions | None) -> Document:
        from infini_cli.documents import open_as
        from infini_cli.documents.detect import detect_format

        path = self._hidden()
        inner = file.name[: -len(file.suffix)] if file.suffix.lower() in COMPRESSION_SUFFIXES else file.name
        document_format = detect_format(path, name, file_name=inner)
        if document_format in _MODULES:
            hint = f"unpack it: {_TOOLS[compression]} {shlex.quote(name)}"
            raise DocumentError(f"{name} is compressed more than once", hint=hint)
        return open_as(document_format, path, name, pdf)

    def pages(self, start: int = 1) -> Iterator[Page]:
        """The pages from index `start` on."""
        return self._document.pages(start)

    def close(self) -> None:
        """Close the document; the unpacked file is gone."""
        self._document.close()
        self._remove()

    def _hidden(self) -> Path:
        """A path to the unpacked file that outlives its name, where the system has such paths.

        The name is given up at once there, so that nothing is left behind even when this process is killed.
        """
        through_descriptor = Path(f"/proc/self/fd/{self._unpacked.fileno()}")
        if not through_descriptor.exists():
            return self._path
        self._path.unlink()
        return through_descriptor

    def _remove(self) -> None:
        self._unpacked.close()
        self._path.unlink(missing_ok=True)


def _unpack(file: Path, name: str, compression: str, target: IO[bytes]) -> None:
    packed_bytes = file.stat().st_size
    unpacked_bytes = 0
    try:
        with _MODULES[compression].open(file, "rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                unpacked_bytes += len(chunk)
                _check_size(unpacked_bytes, packed_bytes, name, compression)
                target.write(chunk)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise _damaged(name, compression, error) from error
    except OSError as error:
        if error.errno is not None:
            raise  # of the disk, not of the data
        raise _damaged(name, compression, error) from error
    target.flush()


def _check_size(unpacked_bytes: int, packed_bytes: int, name: str, compression: str) -> None:
    size = None
    if unpacked_bytes > _LIMIT_BYTES:
        size = f"{_LIMIT_BYTES >> 30} GB"
    elif unpacked_bytes > _SMALL_BYTES and unpacked_bytes > _MAX_RATIO * packed_bytes:
        size = f"{_MAX_RATIO} times its size, as only a decompression bomb does"
    if size is not None:
        hint = f"if it is no bomb, unpack it yourself: {_TOOLS[compression]} {shlex.quote(name)}"
        raise DocumentError(f"{name} unpacks to more than {size}", hint=hint)


def _damaged(name: str, compression: str, error: Exception) -> DocumentError:
    if isinstance(error, EOFError):
        return DocumentError(f"{name} is cut off: the end of the {compression} data is missing")
    return DocumentError(f"{name} is damaged {compression} data: {error}", hint="copy or download it again")
