"""Text extraction in a process of its own, so that the model never waits for a parser nor falls with it."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from infini_cli.documents import hyphens
from infini_cli.documents.messages import Request, decode, page_from_json, request_to_line
from infini_cli.documents.model import Page
from infini_cli.documents.pdf_options import PdfOptions, installed_parsers
from infini_cli.documents.running_lines import CONTEXT, mark_running_lines
from infini_cli.errors import DocumentError, LockedError

_PAGE_TIMEOUT_S = 120.0
# Opening a damaged PDF of some gigabytes, or running through a text to page k, takes a while.
_OPEN_TIMEOUT_S = 900.0
# How far extraction may run ahead: what the pipe holds.
_READ_AHEAD_BYTES = 1 << 20
_MAX_CRASHES_IN_A_ROW = 10
# A file made to exhaust memory costs its page, not the machine.
_MEMORY_BYTES = 4 << 30

# The child is a fresh interpreter with our module path. The spawn of multiprocessing would also import the
# parent's main module, and would look for the standard library in the user's folder first.
_CHILD_CODE = (
    "import sys; sys.path[:] = sys.argv[1:]; from infini_cli.documents.extraction_child import serve; serve()"
)


class DocumentInfo(NamedTuple):
    """What is known before a page is read."""

    format: str
    pages_total: int | None  # None when only reading to the end would tell
    parsers: tuple[str, ...] = ()  # of a PDF, the one that reads first


class ExtractionProcess:
    """The pages of a document, extracted ahead of the reader in a child process.

    A context manager and an iterable of pages. The child starts on entering, and is gone on leaving. A page
    on which a parser crashes or hangs is tried by the next parser; if none can read it, it is skipped with the
    reason, and reading goes on after it. Ctrl-C does not reach the child; it ends when this process does, even
    by SIGKILL.

    Args:
        path: the document.
        start: index of the first page wanted.
        name: what messages call the document; the path by default.
        pdf: how to open it if it is a PDF.
        page_timeout_s: seconds that one page may take.
        memory_bytes: address space that the child may take.
    """

    def __init__(
        self,
        path: Path,
        *,
        start: int = 1,
        name: str | None = None,
        pdf: PdfOptions | None = None,
        page_timeout_s: float = _PAGE_TIMEOUT_S,
        memory_bytes: int = _MEMORY_BYTES,
    ) -> None:
        self._path = path
        self._name = str(path) if name is None else name
        self._start = start
        # The pages before tell which words of the first ones wanted have hyphens, and which lines are headers.
        self._first_marked = max(1, start - CONTEXT)
        self._first = max(1, self._first_marked - hyphens.REACH)
        self._pdf = pdf if pdf is not None else PdfOptions()
        self._page_timeout_s = page_timeout_s
        self._memory_bytes = memory_bytes
        self._child: _Child | None = None
        self._info: DocumentInfo | None = None

    def __enter__(self) -> "ExtractionProcess":
        self._child = self._start_child(self._first)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_child()

    @property
    def info(self) -> DocumentInfo:
        """Format, number of pages and parsers; waits until the child has opened the document.

        Raises:
            LockedError: encrypted, and the password is missing or wrong.
            DocumentError: the document cannot be read.
        """
        if self._info is None:
            self._info = self._open()
            # Whoever goes on, after a crash too, is the same.
            self._pdf = replace(self._pdf, parsers=self._info.parsers)
        return self._info

    def __iter__(self) -> Iterator[Page]:
        # Done on this side of the pipe: with pages held back in the child, a crash would cost all of them.
        if self.info.format == "pdf":
            mended = hyphens.mend_hyphens(self._extracted(), self._first_marked)
            return mark_running_lines(mended, self._start)
        return (page for page in self._extracted() if page.index >= self._start)

    def _extracted(self) -> Iterator[Page]:
        pages_total = self.info.pages_total
        index = self._first
        parsers = max(1, len(self.info.parsers))
        failed = crashes = 0
        while pages_total is None or index <= pages_total:
            try:
                content = self._receive("page", self._page_timeout_s)
            except _ChildLostError as error:
                failed += 1
                if failed < parsers:
                    self._restart(index, failed)
                    continue
                failed, crashes = 0, crashes + 1
                yield Page(index, None, "", skipped=f"could not be read: the parser {error}")
                index += 1
                if crashes == _MAX_CRASHES_IN_A_ROW:
                    yield from self._give_up(index, pages_total)
                    return
                self._restart(index)
                continue
            if content is None:
                return
            page = page_from_json(content)
            yield page
            failed, crashes, index = 0, 0, page.index + 1

    def _receive(self, expected: str, timeout_s: float) -> Any:
        """The content of the next message, or None when it is the last.

        Raises:
            DocumentError: what the child met.
            _ChildLostError: the child crashed, or took too long.
        """
        if self._child is None:
            raise RuntimeError("the extraction process is used outside its `with` block")
        kind, content = self._child.receive(timeout_s)
        if kind in ("error", "locked"):
            message, hint = content
            raise (LockedError if kind == "locked" else DocumentError)(message, hint=hint)
        if kind == "bug":
            raise RuntimeError(f"in the extraction process:\n{content}")
        if kind not in (expected, "end"):
            raise RuntimeError(f"the extraction process sent {kind!r} where {expected!r} was due")
        return content

    def _open(self) -> DocumentInfo:
        """Wait for the child to have opened the document; if that crashes, let one parser alone try."""
        try:
            return self._receive_info()
        except _ChildLostError as error:
            lost = error
        wanted = self._pdf.parsers or installed_parsers()
        for parser in wanted if len(wanted) > 1 else ():
            self._pdf = replace(self._pdf, parsers=(parser,))
            self._stop_child()
            self._child = self._start_child(self._first)
            with suppress(_ChildLostError):
                return self._receive_info()
        raise DocumentError(f"{self._name} cannot be opened: the parser {lost}") from lost

    def _receive_info(self) -> DocumentInfo:
        document_format, pages_total, parsers = self._receive("opened", _OPEN_TIMEOUT_S)
        return DocumentInfo(document_format, pages_total, tuple(parsers))

    def _restart(self, start: int, failed: int = 0) -> None:
        """Go on at the page `start`, on which some parsers have failed."""
        self._stop_child()
        self._child = self._start_child(start, failed)
        try:
            info = self._receive_info()
        except _ChildLostError as error:
            raise DocumentError(f"{self._name} cannot be opened again: the parser {error}") from error
        if info != self.info:
            raise DocumentError(f"{self._name} opens differently than before; was it changed?")

    def _start_child(self, start: int, failed: int = 0) -> "_Child":
        request = Request(
            path=str(self._path),
            name=self._name,
            start=start,
            pdf=replace(self._pdf, failed=failed),
            memory_bytes=self._memory_bytes,
        )
        return _Child(request)

    def _stop_child(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None

    def _give_up(self, start: int, pages_total: int | None) -> Iterator[Page]:
        """Account for the pages after too many crashes."""
        if pages_total is None:
            raise DocumentError(
                f"{self._name} fails in the parser from page {start - _MAX_CRASHES_IN_A_ROW} on"
            )
        reason = f"not read: the parser failed on the {_MAX_CRASHES_IN_A_ROW} pages before"
        for index in range(start, pages_total + 1):
            yield Page(index, None, "", skipped=reason)


class _ChildLostError(Exception):
    """The child came to an end before its last message; the text completes "the parser ..."."""


class _Child:
    """One run of the child process and the pipe of messages from it."""

    def __init__(self, request: Request) -> None:
        module_path = [entry for entry in sys.path if isinstance(entry, str)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD_CODE, *module_path],
            # After the request, the child watches its standard input to learn of our end.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Ctrl-C goes to the whole group of the terminal; the child is in another.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        assert self._process.stdout is not None
        _widen_pipe(self._process.stdout.fileno())
        assert self._process.stdin is not None
        # Not on the command line, which every user of the machine can see: there may be a password in it.
        with suppress(BrokenPipeError):
            self._process.stdin.write(request_to_line(request))
            self._process.stdin.flush()

    def receive(self, timeout_s: float) -> tuple[str, Any]:
        """The next message.

        Raises:
            _ChildLostError: there is none, because the child crashed or was stopped for taking too long.
        """
        assert self._process.stdout is not None
        timed_out = threading.Event()

        def stop_late_child() -> None:
            timed_out.set()
            self._process.kill()

        timer = threading.Timer(timeout_s, stop_late_child)
        timer.daemon = True
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        try:
            return decode(line)
        except ValueError:
            if timed_out.is_set():
                raise _ChildLostError(f"took longer than {timeout_s:.0f} s") from None
            raise _ChildLostError(f"crashed ({_describe_exit(self._process.wait())})") from None

    def stop(self) -> None:
        """End the child at once and free its pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def _widen_pipe(descriptor: int) -> None:
    """Make room for pages extracted ahead; a system that does not allow it leaves the usual 64 KiB."""
    try:
        import fcntl
    except ImportError:
        return
    resize = getattr(fcntl, "F_SETPIPE_SZ", None)
    if resize is not None:
        with suppress(OSError):
            fcntl.fcntl(descriptor, resize, _READ_AHEAD_BYTES)


def _describe_exit(code: int) -> str:
    """An exit code, or the signal that a negative one stands for."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
