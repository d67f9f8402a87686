"""The text of a DOCX body as blocks, read from its XML as a stream: one paragraph or table row at a time."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from lxml import etree

from infini_cli.documents.blocks import Block, one_line
from infini_cli.documents.docx_parts import Numbering, Style, list_place, outline_level
from infini_cli.documents.xml_parts import SAFE, attribute, local_name
from infini_cli.documents.zip_archive import MemberStream

CONTENTS = "table of contents"
DELETED = "deleted text (tracked changes)"
HIDDEN = "hidden text"

_OUTERMOST = 9
_CODE_INDENT = "    "
_TIGHT_CHARACTERS = 200
# Without text of their own; the fallback repeats, for old readers, what stands beside it.
_SILENT = frozenset(
    "pPr rPr instrText Fallback sectPr tblPr tblGrid trPr tcPr proofErr annotationRef".split()
)
_DELETED = frozenset({"del", "moveFrom"})
_SIGNS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "softHyphen": "\u00ad"}


@dataclass(slots=True)
class Notes:
    """Footnotes and endnotes, which are numbered as the text mentions them."""

    texts: dict[tuple[str, str], str]  # by kind and identifier
    _numbers: Counter[str] = field(default_factory=Counter)
    _mentioned: list[str] = field(default_factory=list)

    def mention(self, kind: str, identifier: str) -> str:
        """The mark of a note in the text; the note itself waits for `take`."""
        text = self.texts.get((kind, identifier))
        if not text:
            return ""
        self._numbers[kind] += 1
        prefix = "n" if kind == "endnote" else ""
        mark = f"[{prefix}{self._numbers[kind]}]"
        self._mentioned.append(f"{mark} {text}")
        return mark

    def take(self) -> list[str]:
        """The notes mentioned since they were last taken, each with its mark."""
        notes, self._mentioned = self._mentioned, []
        return notes


@dataclass(slots=True)
class DocxText:
    """The text of one body or of one other part.

    Attributes:
        styles: by identifier.
        numbering: of lists.
        notes: of the document.
        dropped: characters left out so far, by rule.
    """

    styles: dict[str, Style]
    numbering: Numbering
    notes: Notes
    dropped: Counter[str] = field(default_factory=Counter)
    _follows: str = ""  # what the last block was an item, row or line of

    def blocks(self, stream: MemberStream) -> Iterator[Block]:
        """The blocks in order; memory does not grow with the document.

        Raises:
            lxml.etree.XMLSyntaxError: the XML is damaged from some point on.
            MemberError: the stream is.
        """
        paragraphs = tables = 0
        tags = ("{*}p", "{*}tr", "{*}tbl")
        for event, element in etree.iterparse(
            stream, ("start", "end"), tag=tags, remove_comments=True, **SAFE
        ):
            name = local_name(element)
            step = 1 if event == "start" else -1
            paragraphs += step if name == "p" else 0
            tables += step if name == "tbl" else 0
            if event == "start":
                continue
            if name == "p" and not paragraphs and not tables:
                yield from self._paragraph_with_notes(element)
            elif name == "tr" and tables == 1 and not paragraphs:
                yield from self._row(element)
            elif name == "tbl" and not tables and not paragraphs:
                self._follows = ""
            else:
                continue
            _forget(element)

    def _paragraph_with_notes(self, element: Any) -> Iterator[Block]:
        yield from self._paragraph(element)
        for note in self.notes.take():
            yield Block(note, tight=len(note) <= _TIGHT_CHARACTERS)
            self._follows = ""

    def _paragraph(self, element: Any) -> Iterator[Block]:
        """The block of a paragraph, and those of the text boxes that are anchored in it."""
        properties = next((child for child in element if local_name(child) == "pPr"), None)
        style = self._style(properties)
        boxes: list[Any] = []
        text = "".join(self._text(element, boxes))
        if style.is_contents:
            self.dropped[CONTENTS] += len(one_line(text))
        elif text.strip():
            yield self._block(text, style)
        for paragraph in boxes:
            self._follows = ""
            yield from self._paragraph(paragraph)

    def _style(self, properties: Any) -> Style:
        """The style of a paragraph with what it says of itself."""
        style = self.styles.get("", Style())
        if properties is None:
            return style
        named = next((child for child in properties if local_name(child) == "pStyle"), None)
        if named is not None:
            style = self.styles.get(attribute(named, "val") or "", style)
        level, place = outline_level(properties), list_place(properties)
        if level is not None:
            style = replace(style, level=level if level <= _OUTERMOST else None)
        if place is not None:
            style = replace(style, list_id=place[0], list_level=place[1])
        return style

    def _block(self, text: str, style: Style) -> Block:
        if style.is_code:
            follows, self._follows = self._follows, "code"
            lines = (f"{_CODE_INDENT}{line.rstrip()}" if line.strip() else "" for line in text.split("\n"))
            return Block("\n".join(lines).strip("\n"), tight=follows == "code")
        lines = (one_line(line) for line in text.split("\n"))
        text = "\n".join(line for line in lines if line)
        mark = ""
        if style.list_id is not None and style.list_id != "0":
            mark = self.numbering.mark(style.list_id, style.list_level)
        if style.level is not None:
            self._follows = ""
            # a bullet before a heading is an ornament
            return Block(one_line(f"{mark.strip('-')} {text}"), style.level)
        follows, self._follows = self._follows, "list" if mark else ""
        if mark:
            text = f"{'  ' * style.list_level}{mark} {text}"
        return Block(text, tight=bool(mark) and follows == "list" and len(text) <= _TIGHT_CHARACTERS)

    def _row(self, element: Any) -> Iterator[Block]:
        """A table row as one line, or as paragraphs where it only lays them out."""
        cells = [[*_paragraphs(cell)] for cell in element.iter() if _is_cell_of(cell, element)]
        is_layout = len(cells) == 1 or any(
            self._style(next((each for each in paragraph if local_name(each) == "pPr"), None)).level
            is not None
            for cell in cells
            for paragraph in cell
        )
        if is_layout:
            for paragraph in (paragraph for cell in cells for paragraph in cell):
                yield from self._paragraph_with_notes(paragraph)
            return
        texts = [one_line(" ".join(self._cell_text(cell))) for cell in cells]
        if any(texts):
            follows, self._follows = self._follows, "table"
            yield Block(f"| {' | '.join(texts)} |", tight=follows == "table")
        for note in self.notes.take():
            yield Block(note)
            self._follows = ""

    def _cell_text(self, paragraphs: list[Any]) -> Iterator[str]:
        for paragraph in paragraphs:
            boxes: list[Any] = []
            properties = next((child for child in paragraph if local_name(child) == "pPr"), None)
            style = self._style(properties)
            mark = ""
            if style.list_id is not None and style.list_id != "0":
                mark = f"{self.numbering.mark(style.list_id, style.list_level)} "
            if text := "".join(self._text(paragraph, boxes)).strip():
                yield mark + text
            yield from self._cell_text(boxes)

    def _text(self, element: Any, boxes: list[Any]) -> Iterator[str]:
        """The text below an element, in order; paragraphs of text boxes are put aside."""
        for child in element:
            name = local_name(child)
            if name in _SILENT:
                continue
            if name == "t":
                yield child.text or ""
            elif name in _SIGNS:
                yield _SIGNS[name]
            elif name in ("footnoteReference", "endnoteReference"):
                yield self.notes.mention(name.removesuffix("Reference"), attribute(child, "id") or "")
            elif name in _DELETED:
                self.dropped[DELETED] += sum(len(each.text or "") for each in child.iter() if _is_text(each))
            elif name == "txbxContent":
                boxes += _paragraphs(child)
            elif name == "r" and _is_hidden(child):
                self.dropped[HIDDEN] += sum(len(each.text or "") for each in child.iter() if _is_text(each))
            else:
                yield from self._text(child, boxes)


def note_texts(root: Any, kind: str) -> Iterator[tuple[tuple[str, str], str]]:
    """The text of each footnote or endnote of a part, by kind and identifier."""
    for note in root if root is not None else ():
        # the others are the lines that separate notes from the text
        if local_name(note) == kind and attribute(note, "type") in (None, "normal"):
            plain = DocxText({}, Numbering({}, {}), Notes({}))
            texts = (one_line("".join(plain._text(paragraph, []))) for paragraph in _paragraphs(note))
            yield (kind, attribute(note, "id") or ""), " ".join(text for text in texts if text)


def character_count(root: Any) -> int:
    """The characters of text in a part that is not read."""
    return (
        sum(len(each.text or "") for each in root.iter() if local_name(each) == "t")
        if root is not None
        else 0
    )


def _paragraphs(element: Any) -> Iterator[Any]:
    """The paragraphs in an element, but not those in text boxes of these."""
    for child in element:
        name = local_name(child)
        if name == "p":
            yield child
        elif name not in _SILENT:
            yield from _paragraphs(child)


def _is_cell_of(cell: Any, row: Any) -> bool:
    """Whether an element is a cell of a row, and not of a table in one of its cells."""
    if local_name(cell) != "tc":
        return False
    parent = cell.getparent()
    while local_name(parent) != "tr":
        parent = parent.getparent()
    return parent is row


def _is_text(element: Any) -> bool:
    return local_name(element) in ("t", "delText")


def _is_hidden(run: Any) -> bool:
    properties = next((child for child in run if local_name(child) == "rPr"), None)
    if properties is None:
        return False
    marks = [child for child in properties if local_name(child) == "vanish"]
    return any(attribute(mark, "val") not in ("0", "false", "off") for mark in marks)


def _forget(element: Any) -> None:
    """Free what an element held, and the empty elements before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]
