"""Any exception, turned into the error that a user should see."""

import errno
import sys
import traceback
from collections.abc import Sequence

import typer

from infini_cli import __version__, paths
from infini_cli.errors import DeviceMemoryError, DiskError, InfiniError, Interrupted, UsageError

SMALLER_HINT = "try a smaller --segment-length or --window, --dtype bfloat16, or --device cpu"
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_PERMISSION = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def translate(error: BaseException, arguments: Sequence[str]) -> InfiniError | None:
    """The error to show for an exception, or None when it is a bug of the program.

    Args:
        error: what was raised.
        arguments: the command line, for hints about it.
    """
    if isinstance(error, InfiniError):
        return error
    if isinstance(error, typer.TyperException):
        return _usage_error(error, arguments)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return Interrupted("interrupted")
    if _is_out_of_memory(error):
        return DeviceMemoryError("the memory of the machine or of the device ran out", hint=SMALLER_HINT)
    return _disk_error(error)


def is_help(error: BaseException) -> bool:
    """Whether Typer has only shown its help, because nothing was asked of the program."""
    return isinstance(error, typer.TyperException) and not error.format_message().strip()


def report_bug(error: BaseException) -> InfiniError:
    """The error to show for a bug of the program; the traceback is kept in a file and named."""
    summary = " ".join("".join(traceback.format_exception_only(type(error), error)).split())
    message = f"this is a bug in infini {__version__}: {summary}"
    file = paths.state_dir() / "last-error.txt"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        file.write_text(
            f"infini {__version__}, Python {sys.version}\n{text}", encoding="utf-8", errors="replace"
        )
    except OSError:
        return InfiniError(message, hint="please report it, with the output of the same command with --debug")
    return InfiniError(message, hint=f"please report it, with the file {file}")


def _usage_error(error: typer.TyperException, arguments: Sequence[str]) -> UsageError:
    """What Typer says about the command line, in this program's form."""
    message = " ".join(error.format_message().split()).rstrip(".")
    message = message[:1].lower() + message[1:]
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "infini"
    hint = f"see `{command} --help`"
    option = getattr(error, "option_name", None)
    if option and any(_looks_like_text(argument, option) for argument in _before_double_dash(arguments)):
        hint = f'put -- before a question or file that begins with a dash: {command} -- "-5 degrees: why?"'
    elif message.startswith("no such command") and any(" " in argument for argument in arguments):
        hint = 'to ask a question: infini ask "…"'
    return UsageError(message, hint=hint)


def _looks_like_text(argument: str, option: str) -> bool:
    """Whether an argument that was taken for an option is rather words or a number that begin with a dash."""
    return argument.startswith(option[:2]) and (" " in argument or argument[1:2].isdigit())


def _before_double_dash(arguments: Sequence[str]) -> list[str]:
    """The arguments that may be options."""
    known = list(arguments)
    return known[: known.index("--")] if "--" in known else known


def asks_for(flag: str, arguments: Sequence[str]) -> bool:
    """Whether a flag stands anywhere on the command line before `--`."""
    return flag in _before_double_dash(arguments)


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that host or device memory ran out."""
    if isinstance(error, MemoryError):
        return True
    # torch is looked up, not imported: a failure before it was needed cannot be its own
    torch = sys.modules.get("torch")
    device_error = getattr(torch, "OutOfMemoryError", None)
    if device_error is not None and isinstance(error, device_error):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("DefaultCPUAllocator" in text or "out of memory" in text)


def _disk_error(error: BaseException) -> DiskError | None:
    """The error to show when a file could not be written for want of room or permission, or None."""
    number = error.errno if isinstance(error, OSError) else None
    named = isinstance(error, OSError) and error.filename is not None
    path = str(error.filename) if isinstance(error, OSError) and named else str(paths.data_dir())
    # SQLite and safetensors report the same trouble through exceptions of their own
    text = str(error)
    if number in _NO_ROOM or "No space left on device" in text or "database or disk is full" in text:
        place = path if named else f"{path}, or where the output goes"
        return DiskError(
            f"no room left on the disk for {place}",
            hint="free some room, or set INFINI_HOME to a folder on a larger disk",
        )
    if number in _NO_PERMISSION or "attempt to write a readonly database" in text:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is read-only"
        return DiskError(
            f"no access to {path}: {reason}",
            hint="check its permissions, or set INFINI_HOME to a folder of your own",
        )
    return None
