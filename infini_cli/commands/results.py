"""Where the results of `ask` and `summarize` go: standard output, or with -o a file that is written as a whole."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from infini_cli.errors import DiskError, UsageError

STDOUT = "-"


@contextmanager
def results_to(file: str | None) -> Iterator[None]:
    """Send what is written to standard output into a file, which appears when the block ends without an error.

    Args:
        file: its path; None and "-" leave standard output alone.

    Raises:
        UsageError: there is no such folder, or the file is a folder.
        DiskError: it cannot be written.
    """
    if file is None or file == STDOUT:
        yield
        return
    path = Path(file)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"{file} cannot be written: it is a folder, or its folder is not there")
    from infini_cli.reading.atomic import write_atomically

    written = io.StringIO()
    with redirect_stdout(written):
        yield
    try:
        write_atomically(path, [written.getvalue().encode("utf-8", errors="replace")])
    except OSError as error:
        raise DiskError(f"{file} cannot be written: {error.strerror or error}") from error
