"""The text of one PDF page, or why there is none."""

import re
import zlib

from pypdf import PageObject
from pypdf.errors import PdfStreamError
from pypdf.generic import ArrayObject, DictionaryObject, StreamObject

from infini_cli.documents.model import BLANK, DRAWING_ONLY, IMAGE_ONLY

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_FORM_DEPTH = 3
_INLINE_IMAGE = re.compile(rb"\bBI\s.*?\sID\s", re.DOTALL)
_PAINTING = re.compile(rb"(?:^|\s)(?:S|s|f|F|f\*|B|B\*|b|b\*|sh)(?:\s|$)")

# Control characters come from fonts without a usable encoding and carry no text. Glyphs for two or three
# letters are a matter of typesetting: a search for "find" has to meet one written with the glyph for "fi".
_REPLACEMENTS: dict[str, str | None] = {chr(code): None for code in (*range(32), 0x7F)}
_REPLACEMENTS.update({"\t": "\t", "\n": "\n", "\v": "\n", "\f": "\n"})
_REPLACEMENTS.update({"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl"})
_REPLACEMENTS.update({"\ufb05": "st", "\ufb06": "st"})
# A soft hyphen shows only where it divides a word at the end of a line; there, it is mended with the others.
_HIDDEN_SOFT_HYPHEN = re.compile("\u00ad(?![ \t]*\n)")
_TRANSLATION = str.maketrans(_REPLACEMENTS)


def clean_text(text: str) -> str:
    """Text that every later step can handle: no lone surrogates, control characters, ligatures, soft hyphens."""
    if _LONE_SURROGATE.search(text):
        # Halves of one character extracted one by one come together again; single ones become U+FFFD.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_TRANSLATION)
    return _HIDDEN_SOFT_HYPHEN.sub("", text)


def reason_without_text(page: PageObject) -> str:
    """Why a page without text has none: images, drawings, or nothing at all on it.

    Raises:
        PdfStreamError: there is something on it that cannot be decoded.
    """
    contents = page.get_contents()
    data = contents.get_data() if contents is not None else b""
    if not data.strip():
        _check_compression(page)
    if _INLINE_IMAGE.search(data) or _has_image(page.get_inherited("/Resources"), _FORM_DEPTH):
        return IMAGE_ONLY
    return DRAWING_ONLY if _PAINTING.search(data) else BLANK


def _check_compression(page: PageObject) -> None:
    """Raise PdfStreamError when what a page shows is damaged; pypdf takes that for nothing to show."""
    contents = page.get("/Contents")
    contents = contents.get_object() if contents is not None else None
    for item in contents if isinstance(contents, ArrayObject) else [contents]:
        stream = item.get_object() if item is not None else None
        if isinstance(stream, StreamObject) and stream.get("/Filter") in ("/FlateDecode", ["/FlateDecode"]):
            try:
                # pypdf has no public way to the bytes as stored
                zlib.decompress(stream._data)
            except zlib.error as error:
                raise PdfStreamError("the content of the page is damaged") from error


def _has_image(resources: object, depth: int) -> bool:
    """Whether there is an image among a page's resources, or in a form among them."""
    if not isinstance(resources, DictionaryObject):
        return False
    objects = resources.get("/XObject")
    objects = objects.get_object() if objects is not None else None
    if not isinstance(objects, DictionaryObject):
        return False
    for name in objects:
        item = objects[name]
        if not isinstance(item, DictionaryObject):
            continue
        if item.get("/Subtype") == "/Image":
            return True
        if depth > 1 and item.get("/Subtype") == "/Form" and _has_image(item.get("/Resources"), depth - 1):
            return True
    return False
