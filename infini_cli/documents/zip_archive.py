"""The members of a ZIP archive, such as EPUB and DOCX are, read within bounds that no bomb passes."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, TypeVar

from infini_cli.errors import DocumentError

T = TypeVar("T")

_MAX_MEMBERS = 50_000
_MAX_DIRECTORY_BYTES = 16 << 20
# Text in XML shrinks to a tenth, repetitive tables to a fiftieth.
_MAX_RATIO = 250
_SMALL_BYTES = 16 << 20  # up to which the ratio does not matter

_END_RECORD = b"PK\x05\x06"
_END_RECORD_BYTES = 22
_ZIP64_LOCATOR = b"PK\x06\x07"
_ZIP64_LOCATOR_BYTES = 20
_MAX_COMMENT_BYTES = (1 << 16) - 1

# All that zipfile and the decompressors below it raise for a member that is damaged.
_MEMBER_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


class MemberError(Exception):
    """A member is missing, damaged or too large; the text says which, without the archive's name."""


class ZipArchive:
    """An archive that is open for reading.

    Args:
        path: the file.
        name: what messages call it.

    Raises:
        DocumentError: not a ZIP archive, damaged, or with more members than a document has.
    """

    def __init__(self, path: Path, name: str) -> None:
        try:
            _check_directory(path, name)
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, struct.error) as error:
            hint = "copy or download it again"
            raise DocumentError(f"{name} is a damaged ZIP archive: {error}", hint=hint) from error
        self._members = {info.filename: info for info in self._archive.infolist()}
        self._by_folded_name = {member.casefold(): member for member in self._members}

    @property
    def names(self) -> list[str]:
        """The names of all members, in the archive's order."""
        return list(self._members)

    def find(self, name: str) -> str | None:
        """The member of this name, in capital or small letters; None when there is none."""
        return name if name in self._members else self._by_folded_name.get(name.casefold())

    def read(self, member: str, limit: int) -> bytes:
        """The whole content of a member.

        Raises:
            MemberError: missing, damaged, or larger than `limit` bytes.
        """
        with self.stream(member, limit) as stream:
            return stream.read()

    def stream(self, member: str, limit: int) -> "MemberStream":
        """The content of a member, unpacked as it is read.

        Raises:
            MemberError: missing, damaged, or larger than `limit` bytes by its own account.
        """
        info = self._members.get(member)
        if info is None:
            raise MemberError(f"{member} is missing from the archive")
        if info.file_size > limit:
            raise MemberError(f"{member} is larger than {limit >> 20} MB")
        if info.file_size > _SMALL_BYTES and info.file_size > _MAX_RATIO * max(info.compress_size, 1):
            raise MemberError(f"{member} is packed so tightly that it can only be a decompression bomb")
        # zipfile never gives more than the declared size, and checks that no less came
        return MemberStream(member, _in_words(member, lambda: self._archive.open(info)))

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def __enter__(self) -> "ZipArchive":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class MemberStream(io.RawIOBase):
    """A member while it is read; what is wrong with it is raised as MemberError."""

    def __init__(self, member: str, stream: IO[bytes]) -> None:
        super().__init__()
        self._member = member
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return _in_words(self._member, lambda: self._stream.read(size))

    def close(self) -> None:
        self._stream.close()
        super().close()


def _in_words(member: str, action: Callable[[], T]) -> T:
    try:
        return action()
    except _MEMBER_ERRORS as error:
        if isinstance(error, RuntimeError) and "password" in str(error):
            raise MemberError(f"{member} is encrypted with a password") from error
        raise MemberError(f"{member} is damaged: {error}") from error


def _check_directory(path: Path, name: str) -> None:
    """Look at the size of the list of members before zipfile reads all of it."""
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        reach = _MAX_COMMENT_BYTES + _END_RECORD_BYTES + _ZIP64_LOCATOR_BYTES
        file.seek(max(0, size - reach))
        tail = file.read()
    place = tail.rfind(_END_RECORD)
    if place < 0 or place + _END_RECORD_BYTES > len(tail):
        raise zipfile.BadZipFile("its end is missing")
    members, directory_bytes = struct.unpack_from("<HL", tail, place + 10)
    is_zip64 = tail[max(0, place - _ZIP64_LOCATOR_BYTES) :].startswith(_ZIP64_LOCATOR)
    if is_zip64 or members > _MAX_MEMBERS or directory_bytes > _MAX_DIRECTORY_BYTES:
        raise DocumentError(
            f"{name} is an archive of more files than a document has",
            hint="unpack it and give the documents inside",
        )
