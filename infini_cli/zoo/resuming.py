"""One file over HTTP, which goes on where it broke off: after a lost connection, Ctrl-C, a kill or a power cut."""

import http.client
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

_TIMEOUT_S = 60.0
_CHUNK_BYTES = 1 << 18
_ATTEMPTS = 5  # without a single byte; any byte begins the count anew
_PAUSE_S = 1.0  # before the second attempt; doubled before each further one


class NotReachable(Exception):
    """The file cannot be had in this way; another program may know the password or the certificate it needs."""


def fetch(
    url: str,
    part: Path,
    size: int,
    *,
    on_bytes: Callable[[int], None],
    certificates: str | None = None,
) -> None:
    """Complete the file `part` from `url`; its bytes so far are kept, whatever happens.

    Args:
        url: http or https.
        part: the beginning of the file, or nothing yet.
        size: of the whole file in bytes.
        on_bytes: called with the number of bytes there are.
        certificates: a file of those to trust, or None for the system's.

    Raises:
        NotReachable: the server refuses, or does not answer after several attempts.
        OSError: the file cannot be written.
    """
    failed = 0
    while (done := _size(part)) != size:
        if done > size:  # not the beginning of this file
            part.unlink()
        try:
            _go_on(url, part, size, certificates, on_bytes)
            reason = "the connection was lost"
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise NotReachable(f"{error.code} {error.reason}") from error
            reason = f"{error.code} {error.reason}"
        except (http.client.HTTPException, ConnectionError, TimeoutError, urllib.error.URLError) as error:
            reason = str(error)
        failed = failed + 1 if _size(part) <= done else 0
        if failed == _ATTEMPTS:
            raise NotReachable(reason)
        if failed:
            time.sleep(_PAUSE_S * 2 ** (failed - 1))


def _go_on(
    url: str, part: Path, size: int, certificates: str | None, on_bytes: Callable[[int], None]
) -> None:
    """Ask for what is missing, and append what comes until it ends."""
    begin = _size(part)
    with open_url(url, {"Range": f"bytes={begin}-"} if begin else {}, certificates) as answer:
        goes_on = answer.status == http.client.PARTIAL_CONTENT and re.match(
            rf"bytes {begin}-", answer.headers.get("Content-Range", "")
        )
        # a server that knows no ranges begins anew
        with part.open("ab" if goes_on else "wb") as stream:
            done = begin if goes_on else 0
            while done < size and (chunk := answer.read(min(_CHUNK_BYTES, size - done))):
                stream.write(chunk)
                done += len(chunk)
                on_bytes(done)
            stream.flush()
            os.fsync(stream.fileno())


def open_url(
    url: str, headers: Mapping[str, str], certificates: str | None, *, timeout: float = _TIMEOUT_S
) -> http.client.HTTPResponse:
    """The answer to one request; proxies of the environment count.

    Args:
        url: http or https.
        headers: beside those that every request has.
        certificates: a file of those to trust, or None for the system's.
        timeout: seconds without a sign of the server.

    Raises:
        OSError: urllib's errors, among them that of a server that refuses.
    """
    context = ssl.create_default_context(cafile=certificates)
    # a proxy must not pack what is counted in bytes
    always = {"Accept-Encoding": "identity", "User-Agent": "infini"}
    request = urllib.request.Request(url, headers={**always, **headers})
    answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=timeout, context=context)
    return answer


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0
