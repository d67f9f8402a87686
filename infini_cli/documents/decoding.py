"""The characters of a text file in whatever encoding it has, a piece at a time."""

import codecs
import io
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from infini_cli.documents.detect import NotADocumentError, looks_like_utf16_or_32
from infini_cli.errors import DocumentError

_CHUNK_BYTES = 1 << 18
_SAMPLE_BYTES = 1 << 16
# Longest first: the mark of UTF-32 begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What HTML and XML say of their encoding stands in their first lines.
_DECLARATION_BYTES = 4096
_DECLARATION = re.compile(
    rb"""<(?:meta|\?xml)\b[^>]*?(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE
)
_SEVEN_BIT_ENCODINGS = frozenset({"iso2022_jp", "iso2022_kr", "hz"})
# Not all of Python's codecs are encodings of pages: base64, idna, or UTF-16 in a line of ASCII.
_DECLARABLE = re.compile(r"utf-8|cp\d+|iso8859-\d+|koi8-[ru]|mac-\w+|gb18030|big5hkscs|euc_jp|iso2022_\w+|hz")
_WIDEST = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
}
_WIDEST.update({"shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs", "tis-620": "cp874"})
_CONTROL_BYTES = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\x1b") + b"\x7f"
_NOT_IN_TEXT = f"{_CONTROL_BYTES.decode('latin-1')}\ufffd"
_MAX_CONTROL_SHARE = 0.01
# UTF-8 with a few broken bytes (a log cut in the middle of a character) is still UTF-8.
_SOUND_PER_BROKEN = 20
# Matches that the detector's own measures, between 0 and 1, do not really tell apart.
_CHAOS_LEEWAY = 0.02
_COHERENCE_LEEWAY = 0.1
_COMMONEST_LEGACY_ENCODING = "cp1252"


def detect_encoding(path: Path, name: str) -> str:
    """The name of a text file's encoding for `codecs`.

    A byte order mark decides; else the whole file is tried as UTF-8; else the first lines with bytes outside
    ASCII are judged.

    Raises:
        DocumentError: the content is not text.
    """
    with path.open("rb") as file:
        head = file.read(_SAMPLE_BYTES)
    wide = _wide_encoding(head)
    if wide is not None:
        text = head.decode(wide, "replace")
        if sum(text.count(character) for character in _NOT_IN_TEXT) > _MAX_CONTROL_SHARE * len(text) + 1:
            raise _not_text(name)
        return wide
    if len(head.translate(None, _CONTROL_BYTES)) < (1 - _MAX_CONTROL_SHARE) * len(head):
        raise _not_text(name)
    if _is_utf8(path):
        return "utf-8"
    return _guess_encoding(_sample(path), name)


def detect_html_encoding(path: Path, name: str) -> str:
    """The name of an HTML page's encoding: as `detect_encoding`, but what the page declares goes before a guess.

    Raises:
        DocumentError: the content is not text.
    """
    with path.open("rb") as file:
        head = file.read(_DECLARATION_BYTES)
    declared = _declared_encoding(head)
    if declared in _SEVEN_BIT_ENCODINGS:
        return declared
    if declared is None or _wide_encoding(head) is not None or _is_utf8(path):
        return detect_encoding(path, name)
    return declared


def decode_markup(content: bytes) -> str:
    """The text of a page of HTML or XHTML that is in memory, in the encoding that it has or declares.

    Raises:
        ValueError: the content is not text.
    """
    sample = content[:_SAMPLE_BYTES]
    wide = _wide_encoding(sample)
    if wide is None and len(sample.translate(None, _CONTROL_BYTES)) < (1 - _MAX_CONTROL_SHARE) * len(sample):
        raise ValueError("it is not text")
    declared = _declared_encoding(content[:_DECLARATION_BYTES])
    encoding = wide or (declared if declared in _SEVEN_BIT_ENCODINGS else "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode(wide or declared or "utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def _declared_encoding(head: bytes) -> str | None:
    """The encoding that a page declares, by Python's name; of a family that is mixed up in practice, the widest."""
    declaration = _DECLARATION.search(head)
    if declaration is None:
        return None
    try:
        encoding = codecs.lookup(declaration[1].decode("ascii")).name
    except LookupError:
        return None
    encoding = _WIDEST.get(encoding, encoding)
    return encoding if _DECLARABLE.fullmatch(encoding) else None


def decode_file(path: Path, encoding: str) -> Iterator[str]:
    """The text of a file in pieces, with every line end as a newline character.

    What the encoding does not allow, and NUL, become U+FFFD, so that nothing is lost without a trace.
    """
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)("replace"), translate=True)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield decoder.decode(chunk).replace("\0", "\ufffd")
    yield decoder.decode(b"", final=True).replace("\0", "\ufffd")


def _wide_encoding(head: bytes) -> str | None:
    """The encoding that a byte order mark, or zeros in every second place, tell of."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding
    if b"\0" in head and looks_like_utf16_or_32(head):
        return "utf-16-le" if head[1::2].count(0) > head[0::2].count(0) else "utf-16-be"
    return None


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _sample(path: Path) -> bytes:
    """The file's first lines with bytes outside ASCII; the others say nothing of the encoding."""
    lines: list[bytes] = []
    size_bytes = 0
    with path.open("rb") as file:
        # A line without an end is taken in pieces.
        while size_bytes < _SAMPLE_BYTES and (line := file.readline(_SAMPLE_BYTES)):
            if not line.isascii():
                lines.append(line)
                size_bytes += len(line)
    return b"".join(lines)


def _guess_encoding(sample: bytes, name: str) -> str:
    from charset_normalizer import from_bytes

    as_utf8 = sample.decode("utf-8", "replace")
    broken = as_utf8.count("\ufffd")
    sound = sum(not character.isascii() for character in as_utf8) - broken
    if sound >= _SOUND_PER_BROKEN * broken:
        return "utf-8"
    matches = from_bytes(sample)
    best = matches.best()
    if best is None:
        raise _not_text(name)
    candidates = [
        match.encoding
        for match in matches
        if match.chaos <= best.chaos + _CHAOS_LEEWAY and match.coherence >= best.coherence - _COHERENCE_LEEWAY
    ]

    def implausibility(encoding: str) -> tuple[int, bool]:
        # The wrong one of two Cyrillic code pages swaps upper and lower case.
        text = sample.decode(encoding, "replace")
        odd_cases = sum(left.islower() and right.isupper() for left, right in itertools.pairwise(text))
        return odd_cases, encoding != _COMMONEST_LEGACY_ENCODING

    return min(candidates, key=implausibility)


def _not_text(name: str) -> DocumentError:
    return NotADocumentError(
        f"{name} is neither a document of a known kind nor a text in an encoding that can be recognised",
        hint=f"if it is a text, make it UTF-8: iconv -f ENCODING -t UTF-8 -o text.txt {shlex.quote(name)}",
    )
