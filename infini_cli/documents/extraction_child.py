"""What runs in the extraction process: one document, sent page by page to standard output."""

import os
import signal
import sys
import threading
import traceback
from contextlib import closing, suppress
from pathlib import Path

from infini_cli.documents import open_document
from infini_cli.documents.messages import encode, page_to_json
from infini_cli.errors import DocumentError

# A file made to exhaust memory costs its page, not the machine.
_MEMORY_LIMIT_BYTES = 4 << 30


def serve(path: str, name: str, start: int) -> None:
    """Send ["opened", [format, pages_total]], one ["page", [...]] after the other, and ["end", null].

    What is wrong with the document is sent as ["error", [message, hint]], a bug of ours as ["bug", trace].
    When nobody is there to read any more, the process ends quietly.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    _limit_memory()
    channel = sys.stdout.buffer
    # Whatever a parser prints must not come between the messages.
    sys.stdout = sys.stderr
    try:
        with closing(open_document(Path(path), name=name)) as document:
            channel.write(encode("opened", [document.format, document.pages_total]))
            channel.flush()
            for page in document.pages(start):
                channel.write(encode("page", page_to_json(page)))
                channel.flush()
        last = encode("end", None)
    except DocumentError as error:
        last = encode("error", [error.message, error.hint])
    except BrokenPipeError:
        os._exit(0)
    except OSError as error:
        last = encode("error", [f"{name} cannot be read: {error.strerror or error}", None])
    except MemoryError:
        last = encode("error", [f"{name} takes more memory to read than a document may", None])
    except Exception:
        last = encode("bug", traceback.format_exc())
    with suppress(BrokenPipeError):
        channel.write(last)
        channel.flush()


def _exit_with_parent() -> None:
    """End this process when the other end of standard input is gone, however the parent came to its end."""
    while os.read(0, 1):
        pass
    os._exit(0)


def _limit_memory() -> None:
    """Bound the address space where the system has such a bound."""
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MEMORY_LIMIT_BYTES if hard == resource.RLIM_INFINITY else min(_MEMORY_LIMIT_BYTES, hard)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
