"""What of a page is no part of its text: navigation, controls, and what readers are not shown."""

import re
from typing import Final

from selectolax.lexbor import LexborNode

NAVIGATION: Final = "navigation and controls"
HIDDEN: Final = "hidden text"

# without any text to be read
SILENT = frozenset(
    "script style template head iframe object embed applet svg canvas audio video map datalist annotation"
    " annotation-xml noframes meta link title".split()
)
_NAVIGATION_ELEMENTS = frozenset(["nav", "button", "select", "textarea", "menu"])
_LEFT_OUT_ALONE = _NAVIGATION_ELEMENTS | {"footer", "noscript", "dialog"}
_NAVIGATION_ROLES = frozenset(
    ["navigation", "search", "menu", "menubar", "toolbar", "contentinfo", "doc-toc", "directory"]
)
# Class names by which DocBook, Sphinx, Texinfo, pandoc and others mark their navigation.
_NAVIGATION_CLASSES = frozenset(
    "navheader navfooter nav-panel navbar navigation breadcrumb breadcrumbs headerlink sphinxsidebar toc"
    " toctree-wrapper table-of-contents linenos linenodiv copiable-link anchorjs-link skip-link"
    " mw-editsection pagenav".split()
)
_IN_CONTENT = frozenset(["article", "section", "main", "blockquote", "aside", "figure"])
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def left_out_by(node: LexborNode, tag: str, attributes: dict[str, str | None]) -> str | None:
    """The rule by which an element's text is left out, or None when it is to be read."""
    if not attributes and tag not in _LEFT_OUT_ALONE:
        return None
    if tag in _NAVIGATION_ELEMENTS or _words(attributes, "role") & _NAVIGATION_ROLES:
        return NAVIGATION
    if _words(attributes, "class") & _NAVIGATION_CLASSES or "toc" in _words(attributes, "epub:type"):
        return NAVIGATION
    if tag == "footer" and not _is_in_content(node):
        return NAVIGATION
    is_hidden = "hidden" in attributes or attributes.get("aria-hidden") == "true" or tag == "noscript"
    if is_hidden or (tag == "dialog" and "open" not in attributes):
        return HIDDEN
    if _INVISIBLE.search(attributes.get("style") or ""):
        return HIDDEN
    return None


def is_note_mark(tag: str, attributes: dict[str, str | None], parent: LexborNode | None) -> bool:
    """Whether an element is the number of a footnote in the text."""
    if "noteref" in _words(attributes, "epub:type") or "doc-noteref" in _words(attributes, "role"):
        return True
    if tag == "a":
        return bool(_words(attributes, "class") & {"footnote-reference", "footnote-ref", "noteref", "fnref"})
    return tag == "sup" and parent is not None and parent.tag == "a" and "#" in _href(parent.attributes)


def holds_link(node: LexborNode) -> bool:
    """Whether a raised text is a link to a place, as the number of a footnote is."""
    return any("#" in _href(link.attributes) for link in node.css("a[href]"))


def _href(attributes: dict[str, str | None]) -> str:
    return attributes.get("href") or ""


def _words(attributes: dict[str, str | None], name: str) -> set[str]:
    return set((attributes.get(name) or "").lower().split())


def _is_in_content(node: LexborNode) -> bool:
    parent = node.parent
    while parent is not None:
        if parent.tag in _IN_CONTENT:
            return True
        parent = parent.parent
    return False
