"""The entry: runs the app and turns every failure into a message, a hint and an exit code."""

import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from infini_cli.console import Reporter
from infini_cli.errors import InfiniError, UsageError
from infini_cli.failures import asks_for, is_help, report_bug, translate

PROGRAM = "infini"
CLOSED_PIPE_CODE = 141  # what a shell reports for a program stopped by a closed pipe: 128 + SIGPIPE


def main(argv: Sequence[str]) -> int:
    """Run one command.

    Args:
        argv: the command line without the program's name.

    Returns:
        The exit code; everything there is to say has been printed.
    """
    reporter = Reporter(json=asks_for("--json", argv))
    if asks_for("--no-color", argv):
        os.environ["NO_COLOR"] = "1"
    try:
        try:
            code = _run_command(argv, reporter)
            sys.stdout.flush()
            return code
        except BrokenPipeError:
            raise
        except SystemExit as stop:
            return stop.code if isinstance(stop.code, int) else 1
        except BaseException as error:
            if is_help(error):
                return UsageError.exit_code
            shown = translate(error, argv)
            if shown is None:
                if _debugging(argv) or _debug_is_set():
                    traceback.print_exc()
                shown = report_bug(error)
            reporter.show_error(shown)
            return shown.exit_code
    except BrokenPipeError:
        _forget_streams()
        return CLOSED_PIPE_CODE


def run() -> NoReturn:
    """The console script: `main` on this process's command line, with this process prepared for it."""
    # inherited by child processes: they must not import stray modules of the current folder either
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # OpenMP threads that spin at barriers make torch many times slower as soon as a core is busy with other work
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # a name or text that the terminal's encoding lacks shall not end the program
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, _stop)
    argv = sys.argv[1:]
    if not _debugging(argv):
        # libraries' remarks are for their developers
        warnings.simplefilter("ignore")
        logging.getLogger().addHandler(logging.NullHandler())
    sys.exit(main(argv))


def _run_command(argv: Sequence[str], reporter: Reporter) -> int:
    """Parse the command line and run the command; exceptions pass through."""
    import typer

    from infini_cli.app import app

    command = typer.main.get_command(app)
    arguments = list(argv)
    if f"_{PROGRAM.upper()}_COMPLETE" in os.environ:
        command.main(args=arguments, prog_name=PROGRAM)
    try:
        with command.make_context(PROGRAM, arguments, obj=reporter) as context:
            command.invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    return 0


def _debugging(argv: Sequence[str]) -> bool:
    """Whether the user wants tracebacks, as far as can be seen without reading settings files."""
    return asks_for("--debug", argv) or os.environ.get("INFINI_DEBUG", "").lower() in {
        "1",
        "true",
        "yes",
        "on",
    }


def _debug_is_set() -> bool:
    """Whether a settings file asks for tracebacks."""
    from infini_cli.settings import load_settings

    try:
        return load_settings({}).debug
    except (InfiniError, OSError):
        return False


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """A polite request to stop is the same as Ctrl-C."""
    raise KeyboardInterrupt


def _forget_streams() -> None:
    """Point the standard streams at nothing, so that the interpreter ends without a complaint."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(nothing, stream.fileno())
        except (OSError, ValueError, AttributeError):
            continue
    os.close(nothing)
