"""What runs in the extraction process: one document, sent page by page to standard output."""

import os
import signal
import sys
import threading
import traceback
from contextlib import closing, suppress
from pathlib import Path

from infini_cli.documents import open_document
from infini_cli.documents.messages import encode, page_to_json, request_from_line
from infini_cli.errors import DocumentError, LockedError


def serve() -> None:
    """Do what the request on standard input says.

    Send ["opened", [format, pages_total, parsers]], one ["page", [...]] after the other, and ["end", null].
    What is wrong with the document is sent as ["error", [message, hint]], or "locked" when it is the password,
    a bug of ours as ["bug", trace]. When nobody is there to read any more, the process ends quietly.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    request = request_from_line(_read_line())
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    _limit_memory(request.memory_bytes)
    channel = sys.stdout.buffer
    # Whatever a parser prints must not come between the messages.
    sys.stdout = sys.stderr
    try:
        opening = open_document(Path(request.path), name=request.name, pdf=request.pdf)
        with closing(opening) as document:
            parsers = getattr(document, "parsers", ())
            channel.write(encode("opened", [document.format, document.pages_total, parsers]))
            channel.flush()
            for page in document.pages(request.start):
                channel.write(encode("page", page_to_json(page)))
                channel.flush()
        last = encode("end", None)
    except DocumentError as error:
        kind = "locked" if isinstance(error, LockedError) else "error"
        last = encode(kind, [error.message, error.hint])
    except BrokenPipeError:
        os._exit(0)
    except OSError as error:
        last = encode("error", [f"{request.name} cannot be read: {error.strerror or error}", None])
    except MemoryError:
        last = encode("error", [f"{request.name} takes more memory to read than a document may", None])
    except Exception:
        last = encode("bug", traceback.format_exc())
    with suppress(BrokenPipeError):
        channel.write(last)
        channel.flush()


def _read_line() -> bytes:
    """The first line of standard input, byte by byte, so that none after it is taken."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            os._exit(0)
        line += byte
    return bytes(line)


def _exit_with_parent() -> None:
    """End this process when the other end of standard input is gone, however the parent came to its end."""
    while os.read(0, 1):
        pass
    os._exit(0)


def _limit_memory(limit_bytes: int) -> None:
    """Bound the address space where the system has such a bound."""
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = limit_bytes if hard == resource.RLIM_INFINITY else min(limit_bytes, hard)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
