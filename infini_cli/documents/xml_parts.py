"""Small XML files out of archives, parsed so that nothing in them reaches outside or grows."""

import posixpath
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urldefrag

from lxml import etree

# Entities stay unexpanded, nothing is fetched, and libxml2's own bounds on depth and size stay in force.
SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}


def parse_xml(content: bytes) -> Any:
    """The root element; slips in the syntax are put up with.

    Raises:
        ValueError: not XML.
    """
    parser = etree.XMLParser(recover=True, remove_comments=True, remove_pis=True, **SAFE)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"it is not XML: {error}") from error
    if root is None:
        raise ValueError("it is not XML")
    return root


def local_name(element: Any) -> str:
    """An element's name without its namespace; "" for an entity that was left alone."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def descendants(element: Any, name: str) -> Iterator[Any]:
    """All elements of a name below an element, in order, whatever their namespace."""
    return (each for each in element.iter() if local_name(each) == name)


def text_of(element: Any) -> str:
    """All text in an element, on one line."""
    return " ".join("".join(element.itertext()).split())


def attribute(element: Any, name: str) -> str | None:
    """The value of an attribute, whatever its namespace."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return None


def resolve(base: str, reference: str) -> tuple[str, str]:
    """The member of the archive, and the place in it ("" for none), that a reference in the member `base` means."""
    target, fragment = urldefrag(reference.strip())
    if not target:
        return base, unquote(fragment)
    path = posixpath.normpath(posixpath.join(posixpath.dirname(base), unquote(target)))
    while path.startswith("../"):
        path = path[3:]
    return path.lstrip("/"), unquote(fragment)
