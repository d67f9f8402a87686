"""The text of an HTML tree as blocks: headings, paragraphs, lists, tables and code, without navigation."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborNode

from infini_cli.documents.blocks import Block, one_line
from infini_cli.documents.html_furniture import SILENT, holds_link, is_note_mark, left_out_by
from infini_cli.documents.html_tables import is_data_table, table_rows

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(_HEADINGS).union(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset".split(),
    "figcaption figure footer form header hgroup hr html legend li listing main ol p plaintext pre".split(),
    "section summary table tbody td tfoot th thead tr ul xmp".split(),
)
_LISTS = frozenset(["ul", "ol", "dir"])
_CODE = frozenset(["pre", "listing", "xmp", "plaintext"])
_CODE_INDENT = "    "  # by which prose that is made of typeset lines tells code from them
_SPACE = re.compile(r"[ \t\n\r\f\v]+")
_EXPONENT = re.compile(r"[+\-−–]?(?:\d{1,4}|[nkij])")
_MATH_CLASSES = frozenset(["math", "latex", "tex"])
_TIGHT_CHARACTERS = 200  # a list item up to this length follows the one before on the next line


@dataclass(slots=True)
class _List:
    """A list that is open: how deep, and the number of the next item where items are numbered."""

    depth: int
    number: int | None
    items: int = 0


@dataclass(slots=True)
class HtmlText:
    """The text of a tree, and what was left out of it.

    Attributes:
        root: the element whose content is read.
        keep_all: read navigation and hidden text too.
        dropped: characters left out, by rule; whole once `blocks` has come to its end.
    """

    root: LexborNode
    keep_all: bool = False
    dropped: Counter[str] = field(default_factory=Counter)
    _parts: list[str] = field(default_factory=list)
    _anchors: list[str] = field(default_factory=list)
    _ready: list[Block] = field(default_factory=list)
    _lists: list[_List] = field(default_factory=list)
    _marker: str = ""
    _follows: bool = False  # the next block belongs on the line after the one before
    _in_code: int = 0

    def blocks(self) -> Iterator[Block]:
        """The blocks in order; each tree is walked once, without recursion."""
        node, depth = self.root.first_child, 0
        while node is not None:
            is_entered = self._enter(node)
            child = node.first_child if is_entered else None
            if child is not None:
                node, depth = child, depth + 1
            else:
                if is_entered:
                    self._leave(node)
                while node.next is None and depth:
                    parent = node.parent
                    assert parent is not None
                    node, depth = parent, depth - 1
                    self._leave(node)
                following = node.next
                if following is None:
                    break
                node = following
            yield from self._ready
            self._ready.clear()
        self._flush()
        yield from self._ready

    def _enter(self, node: LexborNode) -> bool:
        """Take in a node; returns whether its children are to be visited, and then its end."""
        tag = node.tag or ""
        if node.is_text_node:
            self._add(node.text_content or "")
            return False
        if tag in SILENT or not node.is_element_node:
            return False
        attributes = node.attributes
        if name := attributes.get("id") or (attributes.get("name") if tag == "a" else None):
            self._anchors.append(name)
        rule = None if self.keep_all else left_out_by(node, tag, attributes)
        if rule is not None:
            if tag in _BLOCKS:
                self._flush()
            self.dropped[rule] += sum(len(block.text) for block in HtmlText(node, keep_all=True).blocks())
            return False
        if tag in _BLOCKS:
            self._flush()
            return self._enter_block(node, tag, attributes)
        return self._enter_inline(node, tag, attributes)

    def _enter_block(self, node: LexborNode, tag: str, attributes: dict[str, str | None]) -> bool:
        if tag in _LISTS:
            number = _integer(attributes.get("start"), 1) if tag == "ol" else None
            self._lists.append(_List(len(self._lists), number))
        elif tag == "li":
            self._begin_item(attributes)
        elif tag in _CODE:
            self._in_code += 1
        elif tag == "dd":
            self._follows = True
        elif tag == "table" and is_data_table(node):
            self._add_rows(node)
            return False
        return True

    def _enter_inline(self, node: LexborNode, tag: str, attributes: dict[str, str | None]) -> bool:
        if tag == "br":
            self._parts.append("\n")
        elif tag == "q":
            self._parts.append("“")
        elif tag == "math" and (formula := _formula(node, attributes)):
            self._add(f"${formula}$")
            return False
        elif tag == "img" and _MATH_CLASSES & set((attributes.get("class") or "").split()):
            self._add(attributes.get("alt") or "")
        elif is_note_mark(tag, attributes, node.parent):
            self._add(f"[{_plain(node).strip('[] ')}]")
            return False
        elif tag == "sup":
            return self._enter_raised(node)
        return True

    def _enter_raised(self, node: LexborNode) -> bool:
        text = _plain(node)
        if holds_link(node):
            self._add(f"[{text.strip('[] ')}]")
            return False
        before = self._parts[-1][-1:] if self._parts else ""
        if _EXPONENT.fullmatch(text) and (before.isalnum() or before == ")"):
            self._add(f"^{text}")
            return False
        return True

    def _leave(self, node: LexborNode) -> None:
        """Everything below a node that was entered has been visited."""
        tag = node.tag or ""
        if tag == "q":
            self._parts.append("”")
        if tag not in _BLOCKS:
            return
        self._flush(_HEADINGS.get(tag))
        if tag in _LISTS:
            self._lists.pop()
        elif tag in _CODE:
            self._in_code -= 1
        if tag in _LISTS or tag in ("li", "dd"):
            self._marker, self._follows = "", False

    def _begin_item(self, attributes: dict[str, str | None]) -> None:
        if not self._lists:
            self._marker = "- "
            return
        current = self._lists[-1]
        current.items += 1
        indent = "  " * current.depth
        if current.number is None:
            self._marker = f"{indent}- "
        else:
            number = _integer(attributes.get("value"), current.number)
            self._marker = f"{indent}{number}. "
            current.number = number + 1
        self._follows = current.items > 1 or current.depth > 0

    def _add(self, text: str) -> None:
        self._parts.append(text if self._in_code else _SPACE.sub(" ", text))

    def _flush(self, level: int | None = None) -> None:
        """End the block that is open, if there is anything in it."""
        if not self._parts:
            return
        text = "".join(self._parts)
        self._parts.clear()
        text = _code(text) if self._in_code else _prose(text)
        if not text:
            return
        if level is not None:
            text = one_line(text)
        elif not self._in_code:
            text = self._marker + text
        tight = self._follows and len(text) <= _TIGHT_CHARACTERS and not self._in_code
        self._ready.append(Block(text, level, tight, tuple(self._anchors)))
        self._anchors.clear()
        self._marker, self._follows = "", False

    def _add_rows(self, table: LexborNode) -> None:
        caption, rows = table_rows(table, _plain)
        if caption:
            self._parts.append(caption)
            self._flush()
        for number, cells in enumerate(rows):
            self._follows = number > 0
            text = f"| {' | '.join(cells)} |"
            self._ready.append(Block(text, None, self._follows, tuple(self._anchors)))
            self._anchors.clear()
        self._follows = False


def _plain(node: LexborNode) -> str:
    """All of an element's text on one line."""
    return one_line(" ".join(block.text for block in HtmlText(node, keep_all=True).blocks()))


def _prose(text: str) -> str:
    lines = (_SPACE.sub(" ", line).strip(" ") for line in text.split("\n"))
    return "\n".join(line for line in lines if line).strip()


def _code(text: str) -> str:
    """Code as written, indented; blank lines only inside."""
    lines = [line.rstrip() for line in text.replace("\f", "\n").replace("\v", "\n").split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        del lines[0]
    return "\n".join(f"{_CODE_INDENT}{line}" if line else "" for line in lines)


def _formula(node: LexborNode, attributes: dict[str, str | None]) -> str:
    """A formula as its author typed it, where the page keeps that."""
    if alternative := attributes.get("alttext"):
        return one_line(alternative)
    source = node.css_first('annotation[encoding="application/x-tex"]')
    return one_line(source.text(deep=True)) if source is not None else ""


def _integer(value: str | None, default: int) -> int:
    try:
        return int(value or "")
    except ValueError:
        return default
