"""A whole memory as one `.infini` file: a zip of its files and a manifest with the hash of each.

What comes from elsewhere is trusted in nothing: only the expected members are read, only up to the sizes that
the manifest promises, into a folder that gets the memory's name when everything has been verified.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from infini_cli import paths
from infini_cli.errors import SnapshotError, UsageError
from infini_cli.reading import library
from infini_cli.reading.atomic import sync_directory, temporary_name
from infini_cli.reading.fingerprints import check_fingerprints
from infini_cli.reading.library import FILES, PASSAGES_FILE, SNAPSHOT_FILE, MemoryInfo
from infini_cli.reading.naming import check_name, name_for
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.records import parse_record
from infini_cli.reading.snapshot import read_snapshot
from infini_cli.reading.verifying import check_whole

SUFFIX = ".infini"
FORMAT = "infini-memory-archive"
FORMAT_VERSION = 1
MANIFEST_FILE = "manifest.json"
MAX_MANIFEST_BYTES = 2**20
MAX_RATIO = 200  # of a member to its compressed size, above SMALL_BYTES; text seldom exceeds 10
SMALL_BYTES = 64 * 2**20
_CHUNK_BYTES = 2**20
_MAX_PIECE_BYTES = 2**20  # of a saved memory in one reading; its list of contents has a few hundred bytes
_COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})  # others may take much memory


def pack(name: str, file: Path, *, force: bool = False) -> int:
    """Save the memory `name` as `file` and return the file's size in bytes.

    Args:
        name: of the memory.
        file: where to; its folder must exist.
        force: replace a file that is there.

    Raises:
        UsageError: there is no such memory, or `file` exists.
        SnapshotError: the memory is damaged or being written.
        OSError: the file cannot be written; nothing is left then.
    """
    if file.exists() and not force:
        raise UsageError(f"{file} is there already", hint="choose another file, or replace it with --force")
    directory = library.existing(name)
    with library.claim(directory.name):
        info = library.show(name)
        # opening it also takes back what a killed read left half-written
        with PassageStore(directory / PASSAGES_FILE, read_only=True) as store:
            check_whole(store, info.record)
        manifest = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": info.name,
            "fingerprints": info.record.fingerprints,
            "files": {member: _describe(directory / member) for member in FILES},
        }
        temporary = temporary_name(file)
        try:
            with temporary.open("wb") as stream:
                with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                    archive.writestr(MANIFEST_FILE, json.dumps(manifest, ensure_ascii=False, indent=1))
                    for member in FILES:
                        archive.write(directory / member, member)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, file)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    sync_directory(file.absolute().parent)
    return file.stat().st_size


def unpack(
    file: Path, *, name: str | None = None, force: bool = False, expected: Mapping[str, str] | None = None
) -> MemoryInfo:
    """Load a memory from `file` and make it the current one.

    Args:
        file: made by `pack`.
        name: of the memory; by default the one it was saved under.
        force: replace a memory of this name.
        expected: fingerprints of the model that shall use it; None when there is no model to compare with.

    Raises:
        UsageError: there is no such file, or there is a memory of this name.
        SnapshotError: the file is not a saved memory, is damaged or of another model; nothing is left behind.
    """
    memories = paths.memories_dir()
    memories.mkdir(parents=True, exist_ok=True)
    with _opened(file) as archive:
        manifest = _manifest(archive, file)
        target = library.directory_of(name if name is not None else _given_name(manifest, file))
        with library.claim(target.name):
            if target.exists() and not force:
                raise UsageError(
                    f"there is already a memory {target.name!r}",
                    hint="choose a name with --name, or replace it with --force",
                )
            staging = memories / f".loading-{target.name}"
            shutil.rmtree(staging, ignore_errors=True)  # left by a process that was killed
            staging.mkdir()
            try:
                for member in FILES:
                    _extract(archive, member, manifest["files"][member], staging / member, file)
                _verify(staging, file, expected)
                library.replace(target, staging)
            except BaseException:
                shutil.rmtree(staging, ignore_errors=True)
                raise
    library.set_current(target.name)
    return library.show(target.name)


class _Bounded(io.FileIO):
    """A file of which nobody can read more at once than a bound; zipfile reads the list of contents at once."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = max(0, os.fstat(self.fileno()).st_size - self.tell())
        if size > _MAX_PIECE_BYTES:
            raise zipfile.BadZipFile("its list of contents is too long")
        return super().read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return super().seek(offset, whence)
        except (OSError, OverflowError):
            raise zipfile.BadZipFile("its list of contents points outside the file") from None


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    """The zip at `file`, with every way in which it can be broken told as SnapshotError."""
    try:
        stream = _Bounded(file)
    except FileNotFoundError:
        raise UsageError(f"there is no file {file}") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    with stream:
        try:
            archive = zipfile.ZipFile(stream)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError) as error:
            raise _broken(file, "it is not a saved memory, or is cut off") from error
        with archive:
            yield archive


def _manifest(archive: zipfile.ZipFile, file: Path) -> dict[str, Any]:
    """The manifest, once the members are exactly those it names."""
    members = sorted(info.filename for info in archive.infolist())
    if members != sorted((MANIFEST_FILE, *FILES)):
        raise _broken(file, f"it holds {', '.join(repr(member)[:60] for member in members[:5]) or 'nothing'}")
    if any(info.compress_type not in _COMPRESSIONS for info in archive.infolist()):
        raise _broken(file, "it is compressed in a way that infini does not use")
    with _trouble(file), archive.open(MANIFEST_FILE) as stream:
        raw = stream.read(MAX_MANIFEST_BYTES + 1)
    try:
        manifest = json.loads(raw) if len(raw) <= MAX_MANIFEST_BYTES else None
    except (ValueError, RecursionError):
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _broken(file, "its manifest is not readable")
    if manifest.get("format_version") != FORMAT_VERSION:
        raise SnapshotError(
            f"{file} has format version {manifest.get('format_version')};"
            f" this version of infini reads {FORMAT_VERSION}",
            hint="upgrade infini",
        )
    files = manifest.get("files")
    if not isinstance(files, dict) or any(not _is_description(files.get(member)) for member in FILES):
        raise _broken(file, "its manifest is not readable")
    return manifest


def _is_description(value: Any) -> bool:
    return (
        isinstance(value, dict) and type(value.get("bytes")) is int and isinstance(value.get("sha256"), str)
    )


def _given_name(manifest: Mapping[str, Any], file: Path) -> str:
    """The name in the manifest, or one made from the file's name."""
    given = manifest.get("name")
    try:
        return check_name(given) if isinstance(given, str) else name_for(str(file))
    except UsageError:
        return name_for(str(file))


def _extract(
    archive: zipfile.ZipFile, member: str, described: Mapping[str, Any], target: Path, file: Path
) -> None:
    """Copy one member to `target`, never more than the manifest promises, and compare its hash."""
    info = archive.getinfo(member)
    promised = described["bytes"]
    if info.file_size != promised:
        raise _broken(file, f"{member} should have {promised} bytes, not {info.file_size}")
    if promised > SMALL_BYTES and promised > MAX_RATIO * max(1, info.compress_size):
        raise _broken(file, f"{member} would grow to {promised} bytes from {info.compress_size}")
    if promised > shutil.disk_usage(target.parent).free:
        raise SnapshotError(
            f"no room on the disk for {member} of {file}: {promised} bytes", hint="free some room"
        )
    digest = hashlib.sha256()
    with _trouble(file), archive.open(member) as source, target.open("wb") as sink:
        left = promised
        while left and (piece := source.read(min(_CHUNK_BYTES, left))):
            digest.update(piece)
            sink.write(piece)
            left -= len(piece)
        os.fsync(sink.fileno())
    if left or digest.hexdigest() != described["sha256"]:
        raise _broken(file, f"the contents of {member} do not match their hash")


@contextlib.contextmanager
def _trouble(file: Path) -> Iterator[None]:
    """Failures of reading a member as SnapshotError."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _broken(file, str(error) or "it is cut off") from error


def _verify(staging: Path, file: Path, expected: Mapping[str, str] | None) -> None:
    """Refuse unpacked files that are damaged, do not belong together, or are of another model."""
    try:
        snapshot = read_snapshot(staging / SNAPSHOT_FILE)
        record = parse_record(snapshot.metadata, SNAPSHOT_FILE)
        with PassageStore(staging / PASSAGES_FILE, read_only=True) as store:
            check_whole(store, record)
    except SnapshotError as error:
        if error.hint is not None and error.hint.startswith("upgrade"):
            raise
        # the folder is gone when this is read
        raise _broken(file, error.message.replace(f"{staging}{os.sep}", "")) from error
    if expected is not None:
        check_fingerprints(record, expected, str(file))


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        return {"bytes": path.stat().st_size, "sha256": _sha256(stream)}


def _sha256(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := stream.read(_CHUNK_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def _broken(file: Path, reason: str) -> SnapshotError:
    return SnapshotError(
        f"{file} cannot be loaded: {reason}", hint="save it anew where it came from: infini save"
    )
