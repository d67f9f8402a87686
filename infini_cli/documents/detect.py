"""What kind of document a file is, by its content."""

import difflib
import re
import shlex
import stat
from pathlib import Path

from infini_cli.documents.foreign import ZIP_SIGNATURES, Foreign, foreign_format, zip_format
from infini_cli.errors import DocumentError

_HEAD_BYTES = 8192
_PDF_MARK = b"%PDF-"
_PDF_END_MARK = b"%%EOF"
# Readers accept a PDF whose header comes late. Here it has to end like a PDF too: a text about PDF is a text.
_PDF_HEADER_REACH = 1024
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_COMPRESSIONS = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"))
_BZIP2_BLOCK = (b"1AY&SY", b"\x17rE8P\x90")  # of a stream with something in it, and of an empty one
_BZIP2_BLOCK_OFFSET = 4

# An HTML page begins with its document type or outermost elements, whatever comments are before them.
_HTML = re.compile(
    r"\s*(?:<\?xml\b[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!doctype\s+html\b|<(?:html|head|body)(?=[\s>]))",
    re.IGNORECASE | re.DOTALL,
)
_HTML_PIECE = re.compile(r"\s*(?:<!--.*?-->\s*)*<[a-z][a-z0-9]*(?=[\s>/])", re.IGNORECASE | re.DOTALL)
_HTML_SUFFIXES = frozenset({".html", ".htm", ".xhtml", ".xht"})
_MARKDOWN_SUFFIXES = frozenset({".md", ".markdown", ".mdown", ".mkd", ".mkdn"})
_RST_SUFFIXES = frozenset({".rst", ".rest"})
_RST_DIRECTIVE = re.compile(r"^\.\. (?:[a-z][\w:-]*::(?:\s|$)|_[^:\n]+:\s*$)", re.MULTILINE)
_RST_TITLE = re.compile(r"^(?=\S)(.+)\n([=\-~^\"'#*+])\2{2,}$", re.MULTILINE)


class NotADocumentError(DocumentError):
    """A file that holds no text: among other files, nobody would miss it."""


def detect_format(path: Path, name: str, *, file_name: str | None = None) -> str:
    """What a file is read as, or unpacked as.

    Args:
        path: the file.
        name: what messages call it.
        file_name: by whose suffix Markdown, reStructuredText and pieces of HTML are told from other text;
            that of the path by default.

    Returns:
        "pdf", "epub", "docx", "html", "markdown", "rst", "text", or "gzip", "bzip2", "xz".

    Raises:
        NotADocumentError: empty, a picture, an archive or another binary file.
        DocumentError: no such file, not a file, not readable, damaged, or a document of a kind that is not read.
    """
    head, tail = _read_ends(path, name)
    if head.lstrip().startswith(_PDF_MARK):
        return "pdf"
    if _PDF_MARK in head[:_PDF_HEADER_REACH] and _PDF_END_MARK in tail:
        return "pdf"
    for signature, compression in _COMPRESSIONS:
        if head.startswith(signature) and (
            compression != "bzip2" or head.startswith(_BZIP2_BLOCK, _BZIP2_BLOCK_OFFSET)
        ):
            return compression
    if head.startswith(ZIP_SIGNATURES):
        kind = zip_format(path, name)
        if isinstance(kind, Foreign):
            raise _refusal(name, kind)
        return kind
    foreign = foreign_format(head)
    if foreign is not None:
        raise _refusal(name, foreign)
    if b"\0" in head and not looks_like_utf16_or_32(head):
        raise NotADocumentError(f"{name} is a binary file, not a document")
    return _text_format(head, Path(file_name if file_name is not None else path.name))


def looks_like_utf16_or_32(head: bytes) -> bool:
    """Whether NUL bytes at a file's beginning are half of wide characters: a mark, or on one side only."""
    if head.startswith(_UTF16_MARKS) or head.startswith(b"\0\0\xfe\xff"):
        return True
    even, odd = head[0::2].count(0), head[1::2].count(0)
    pairs = max(len(head) // 2, 1)
    return max(even, odd) > 0.4 * pairs and min(even, odd) < 0.02 * pairs


def _text_format(head: bytes, file_name: Path) -> str:
    # Marks of formats are in ASCII: without NUL, wide characters of it are as good as any other.
    text = head.replace(b"\0", b"").decode("ascii", "ignore").replace("\r\n", "\n")
    suffixes = {
        suffix.lower() for suffix in file_name.suffixes[-2:]
    }  # Sphinx keeps its sources as NAME.rst.txt
    if _HTML.match(text):
        return "html"
    if _HTML_SUFFIXES & suffixes and _HTML_PIECE.match(text):
        return "html"
    if file_name.suffix.lower() in _MARKDOWN_SUFFIXES:
        return "markdown"
    if _RST_SUFFIXES & suffixes or (_RST_DIRECTIVE.search(text) and _RST_TITLE.search(text)):
        return "rst"
    return "text"


def _refusal(name: str, foreign: Foreign) -> DocumentError:
    kind = DocumentError if foreign.is_document else NotADocumentError
    hint = foreign.hint.format(file=shlex.quote(name))
    return kind(f"{name} is {foreign.description}, which is not read", hint=hint)


def _read_ends(path: Path, name: str) -> tuple[bytes, bytes]:
    """The first and the last bytes of a regular file that is not empty."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise DocumentError(f"{name} is a folder")
        if not stat.S_ISREG(status.st_mode):
            hint = "pipe its content in and give - as the document"
            raise DocumentError(f"{name} is not a regular file", hint=hint)
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            file.seek(max(0, status.st_size - _PDF_HEADER_REACH))
            tail = file.read()
    except FileNotFoundError as error:
        raise DocumentError(f"{name} does not exist", hint=_suggestion(path)) from error
    except PermissionError as error:
        raise DocumentError(f"no permission to read {name}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DocumentError(f"{name} cannot be read: {reason}") from error
    if not head:
        raise NotADocumentError(f"{name} is empty")
    return head, tail


def _suggestion(path: Path) -> str | None:
    """A hint at a file of nearly that name in the same folder, or at the nearest folder that is missing."""
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        return None
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {folder / close[0]}?" if close else None
