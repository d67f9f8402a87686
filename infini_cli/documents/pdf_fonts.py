"""Three corrections of pypdf's fonts: words run together, names of glyphs read as text, parsing repeated."""

from collections import OrderedDict
from functools import cache

from pypdf.generic import DictionaryObject

# Thousandths of the font size. pypdf sees a space between words in a gap of at least 95 % of this; a line
# that TeX sets as tightly as it may has gaps of 222.
_WIDEST_SPACE = 233
# A font for Chinese takes a megabyte or two.
_MAX_KEPT_FONTS = 50


@cache
def correct_fonts() -> None:
    """Wrap the place where pypdf makes a font from its resource, once for the process.

    The fonts of TeX and others have no space; words are set apart by moving on. pypdf then takes the width of
    whatever glyph has the code of the space, half the font size or more, and runs together all words that
    stand closer (pypdf#3978), in some manuals every second. A bound does no harm to fonts with a space, which
    is part of the text.

    A glyph that stands for no character, such as a note in a font of music, is read as its name: a line of
    music is "/noteheads.s2/noteheads.s2". Here it is the character with the glyph's code, as in other readers.

    pypdf also parses the fonts of each page anew, a tenth to a quarter of the whole work. Here the fonts last
    used are kept for as long as their document.
    """
    try:
        from pypdf.generic._font import Font
    except ImportError:
        return
    parse = Font.from_font_resource

    def from_font_resource(resource: DictionaryObject) -> Font:
        reference = getattr(resource, "indirect_reference", None)
        # On the reader itself, since a font may lead back to it: they are freed together.
        reader = vars(reference.pdf) if reference is not None else {}
        fonts: OrderedDict[int, Font] = reader.setdefault("_kept_fonts", OrderedDict())
        number = reference.idnum if reference is not None else 0
        font = fonts.pop(number, None) or parse(resource)
        font.space_width = min(font.space_width, _WIDEST_SPACE)
        if isinstance(font.encoding, dict):
            font.encoding.update(_unnamed(font.encoding))
        fonts[number] = font
        if len(fonts) > _MAX_KEPT_FONTS:
            fonts.popitem(last=False)
        return font

    Font.from_font_resource = from_font_resource  # type: ignore[assignment, method-assign]


def _unnamed(encoding: dict[int, str]) -> dict[int, str]:
    """The codes that are taken for the names of glyphs, with the characters of these codes instead."""
    named = [code for code, text in encoding.items() if len(text) > 1 and text.startswith("/")]
    return {code: chr(code) if chr(code).isprintable() else "" for code in named}
