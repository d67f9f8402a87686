"""The program as its command line runs it, but with a checkpoint at every safe point, and telling where it is.

    python -m tests.faults.watched

loads the program once, which takes seconds, and then forks for each line of JSON on its standard input, as
`Watched` sends them: each run is a process of its own that does what `infini ARGUMENT…` does.
"""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

ROOT = Path(__file__).parents[2]
PHASES = {
    "start": "the command line is read",
    "extraction": "a document is being opened by the extraction process",
    "page": "the passages of a page are being stored",
    "reading": "the network folds a chunk",
    "commit": "a checkpoint commits the passages",
    "snapshot": "a checkpoint writes the numbers",
    "naming": "the memory takes its name at its first checkpoint",
    "finishing": "all is read, and the memory becomes the current one",
}


@dataclass
class Run:
    """One run of the program, which goes on.

    pid: its process. phases: the names of its phases, a line for each, as they begin.
    """

    pid: int
    phases: BinaryIO
    folder: Path
    _server: "Watched"

    def wait(self) -> tuple[int, str, str]:
        """Exit code (negative: the signal that ended it), standard output and standard error."""
        code = int(self._server.line())
        return code, (self.folder / "out").read_text(), (self.folder / "err").read_text()


class Watched:
    """The loaded program, ready to be run. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> "Watched":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.watched"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    @contextmanager
    def run(self, *arguments: str) -> Iterator[Run]:
        """Begin a run; it must have been waited for when the block ends."""
        for name in ("out", "err", "phases"):
            (self._folder / name).unlink(missing_ok=True)
        os.mkfifo(self._folder / "phases")
        assert self._process.stdin is not None
        request = {"folder": str(self._folder), "arguments": arguments, "home": os.environ["INFINI_HOME"]}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        pid = int(self.line())
        with (self._folder / "phases").open("rb") as phases:
            yield Run(pid, phases, self._folder, self)

    def line(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def serve() -> None:
    """Fork for every request; tell the number of the process, and how it ended."""
    for request in map(json.loads, sys.stdin):
        pid = os.fork()
        if pid == 0:
            _become(**request)
        os.write(1, f"{pid}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(1, f"{code}\n".encode())


def _become(folder: str, arguments: list[str], home: str) -> None:
    """Be the program with this command line."""
    os.environ["INFINI_HOME"] = home
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    watch(os.open(f"{folder}/phases", os.O_WRONLY))
    sys.argv[1:] = arguments
    from infini_cli.main import run

    try:
        run()
    except SystemExit as stop:
        os._exit(stop.code if isinstance(stop.code, int) else 1)
    os._exit(1)


def watch(descriptor: int) -> None:
    """Put a teller before each function in which a phase begins, and let checkpoints follow each other."""
    from infini_cli import main
    from infini_cli.documents.extraction import ExtractionProcess
    from infini_cli.reading import library, options, writer
    from infini_cli.reading.engine import ModelEngine
    from infini_cli.reading.intake import Intake
    from infini_cli.reading.passages import PassageStore

    def tell(owner: Any, name: str, phase: str) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def telling(*arguments: Any, **named: Any) -> Any:
            os.write(descriptor, f"{phase}\n".encode())
            return original(*arguments, **named)

        setattr(owner, name, telling)

    tell(main, "main", "start")
    tell(ExtractionProcess, "__enter__", "extraction")
    tell(Intake, "take", "page")
    tell(ModelEngine, "read", "reading")
    tell(PassageStore, "commit", "commit")
    tell(writer, "write_snapshot", "snapshot")
    tell(library, "replace", "naming")
    tell(library, "set_current", "finishing")
    make = options.ReadingOptions.__init__
    assert make.__defaults__ is not None
    make.__defaults__ = tuple(
        0.0 if value is options.CHECKPOINT_SECONDS else value for value in make.__defaults__
    )


if __name__ == "__main__":
    # all that a read needs, so that a fork need not import it
    import infini_cli.app
    import infini_cli.documents.extraction
    import infini_cli.reading.engine
    import infini_cli.reading.reader  # noqa: F401

    serve()
