"""HTML parsed into a tree, with what XHTML writes differently put right first."""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

# The time to parse grows with the square of the depth; real pages stay below a hundred.
_MAX_DEPTH = 5_000
_ENOUGH_TAGS = _MAX_DEPTH

_VOID = "area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr"
_EMPTY_ELEMENT = re.compile(rf"<(?!(?:{_VOID})\b)([A-Za-z][\w:.-]*)((?:\s[^<>]*)?)/>", re.IGNORECASE)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_TAG = re.compile(r"<(/?)([A-Za-z][\w:-]*)(?:[^<>]*[^<>/])?>")
# Elements that need no end tag: the parser ends them itself.
_SELF_ENDING = frozenset(_VOID.split("|")).union(
    "p li dt dd tr td th thead tbody tfoot option optgroup colgroup rt rp html head body".split()
)


def parse_html(source: str) -> LexborHTMLParser:
    """The tree of a page.

    Raises:
        ValueError: elements are nested deeper than any page needs.
    """
    if _depth(source) > _MAX_DEPTH:
        raise ValueError(f"its elements are nested more than {_MAX_DEPTH:,} deep")
    return LexborHTMLParser(source)


def parse_xhtml(source: str) -> LexborHTMLParser:
    """The tree of a page in XML syntax: empty elements such as <title/>, which HTML would take for open, end.

    Raises:
        ValueError: as `parse_html`.
    """
    source = _CDATA.sub(lambda match: match[1].translate(_ESCAPES), source)
    return parse_html(_EMPTY_ELEMENT.sub(r"<\1\2></\1>", source))


def body_of(tree: LexborHTMLParser) -> LexborNode | None:
    """The element that holds all that is to be read."""
    return tree.body if tree.body is not None else tree.root


def _depth(source: str) -> int:
    """The greatest number of elements open at once, of those that need an end tag."""
    if source.count("<") <= _ENOUGH_TAGS:
        return 0
    depth = deepest = 0
    for match in _TAG.finditer(source):
        if match[2].lower() in _SELF_ENDING:
            continue
        depth = max(0, depth - 1) if match[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest
