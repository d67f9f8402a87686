"""The parts of a DOCX file: which there are, what the styles mean, and how lists are numbered."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from infini_cli.documents.xml_parts import attribute, descendants, local_name, parse_xml, resolve
from infini_cli.documents.zip_archive import MemberError, ZipArchive
from infini_cli.errors import DocumentError

MAIN_LIMIT_BYTES = 1 << 30
PART_LIMIT_BYTES = 64 << 20
_MAIN_PART = "word/document.xml"
_BODY_TEXT_LEVEL = 9  # the outline level, from 0, of what is no heading
_MAX_BASES = 20  # styles may be based on each other in a circle
_CODE_STYLES = frozenset({"source code", "html preformatted", "preformatted text", "macro", "macro text"})


@dataclass(frozen=True, slots=True)
class Parts:
    """The members that hold the text and what it needs.

    Attributes:
        main: the body.
        related: the other parts by kind ("styles", "footnotes", ...), in order.
    """

    main: str
    related: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Style:
    """What a style of paragraphs says of their part in the document.

    Attributes:
        level: of a heading, 1 the outermost; None for body text.
        list_id, list_level: of the list its paragraphs are items of, or None and 0.
        is_contents: of the lines of a table of contents.
        is_code: of text that is written line by line.
    """

    level: int | None = None
    list_id: str | None = None
    list_level: int = 0
    is_contents: bool = False
    is_code: bool = False


def find_parts(archive: ZipArchive, name: str) -> Parts:
    """The parts of a document. Raises DocumentError when its body is missing."""
    main = next(
        (target for kind, target in _relations(archive, "_rels/.rels", "") if kind == "officeDocument"), None
    )
    member = archive.find(main or _MAIN_PART) or archive.find(_MAIN_PART)
    if member is None:
        hint = "copy or download it again"
        raise DocumentError(f"{name} is a damaged Word document: its text is missing", hint=hint)
    folder, _, file = member.rpartition("/")
    related: dict[str, list[str]] = {}
    for kind, target in _relations(archive, f"{folder}/_rels/{file}.rels".lstrip("/"), member):
        if (found := archive.find(target)) is not None and found not in related.setdefault(kind, []):
            related[kind].append(found)
    return Parts(member, {kind: tuple(targets) for kind, targets in related.items()})


def read_part(archive: ZipArchive, parts: Parts, kind: str) -> Any:
    """The root element of the first part of a kind, or None when there is none that can be read."""
    member = next(iter(parts.related.get(kind, ())), None)
    if member is None:
        return None
    try:
        return parse_xml(archive.read(member, PART_LIMIT_BYTES))
    except (MemberError, ValueError):
        return None


def _relations(archive: ZipArchive, member: str, base: str) -> Iterator[tuple[str, str]]:
    """Kind and target of the relations of a part to others in the archive."""
    found = archive.find(member)
    if found is None:
        return
    try:
        root = parse_xml(archive.read(found, PART_LIMIT_BYTES))
    except (MemberError, ValueError):
        return
    for relation in descendants(root, "Relationship"):
        if relation.get("TargetMode") != "External":
            target, _ = resolve(base, relation.get("Target") or "")
            yield (relation.get("Type") or "").rpartition("/")[2], target


def read_styles(root: Any) -> dict[str, Style]:
    """The styles of paragraphs by their identifier, the default one also by "".

    What a style does not say, the one it is based on says.
    """
    elements = {
        attribute(style, "styleId") or "": style
        for style in (descendants(root, "style") if root is not None else ())
        if attribute(style, "type") in (None, "paragraph")
    }
    styles = {identifier: _style(identifier, elements) for identifier in elements}
    for identifier, element in elements.items():
        if attribute(element, "default") in ("1", "true", "on"):
            styles[""] = styles[identifier]
    return styles


def _style(identifier: str, elements: dict[str, Any]) -> Style:
    element = elements.get(identifier)
    own_name = (_value(element, "name") or "").lower()
    level: int | None = None
    numbering: tuple[str, int] | None = None
    for _ in range(_MAX_BASES):
        if element is None:
            break
        level = _named_level(element) if level is None else level
        level = outline_level(element) if level is None else level
        numbering = numbering or list_place(element)
        element = elements.get(_value(element, "basedOn") or "")
    return Style(
        level=level if level is not None and level <= _BODY_TEXT_LEVEL else None,
        list_id=numbering[0] if numbering else None,
        list_level=numbering[1] if numbering else 0,
        is_contents=own_name.startswith("toc ") and own_name != "toc heading",
        is_code=own_name in _CODE_STYLES,
    )


def _named_level(style: Any) -> int | None:
    """The level of Word's own styles for headings, whose names are the same in every language."""
    name = (_value(style, "name") or "").lower()
    if name == "title":
        return 1
    number = name.removeprefix("heading ")
    return int(number) if number != name and number.isdecimal() and len(number) == 1 else None


def outline_level(element: Any) -> int | None:
    """The level that a paragraph or style gives itself in the outline, from 1; body text is beyond 9."""
    value = _value(element, "outlineLvl")
    return int(value) + 1 if value is not None and value.isdecimal() else None


def list_place(element: Any) -> tuple[str, int] | None:
    """The list, and the level in it from 0, that a paragraph or style puts itself in; list "0" means none."""
    properties = next(descendants(element, "numPr"), None)
    if properties is None:
        return None
    return _value(properties, "numId") or "0", _number(_value(properties, "ilvl"), 0)


def _number(text: str | None, otherwise: int) -> int:
    """What the file writes as a number, or something else where it is missing or damaged."""
    return int(text) if text is not None and text.isdecimal() else otherwise


def _value(element: Any, name: str) -> str | None:
    """The value of the first element of a name below an element."""
    found = next(descendants(element, name), None) if element is not None else None
    return attribute(found, "val") if found is not None else None


@dataclass(frozen=True, slots=True)
class _Level:
    form: str = "bullet"
    text: str = ""  # with %1 for the number of the outermost level
    start: int = 1


@dataclass(slots=True)
class Numbering:
    """The marks of list items, counted as they come.

    Attributes:
        levels: of each list.
    """

    levels: dict[str, dict[int, _Level]]
    families: dict[str, str]  # lists that count on from each other have one name here
    _counts: dict[str, dict[int, int]] = field(default_factory=dict)

    def mark(self, list_id: str, level: int) -> str:
        """The mark of the next item of a list at a level from 0, such as "-" or "2.1."."""
        known = self.levels.get(list_id, {})
        own = known.get(level, _Level())
        counts = self._counts.setdefault(self.families.get(list_id, list_id), {})
        for deeper in [each for each in counts if each > level]:
            del counts[deeper]
        counts[level] = counts[level] + 1 if level in counts else own.start
        if own.form == "none":
            return ""
        if own.form == "bullet" or "%" not in own.text:
            return "-"
        mark = own.text
        for each in range(level + 1):
            place = known.get(each, _Level())
            mark = mark.replace(f"%{each + 1}", _written(counts.get(each, place.start), place.form))
        return mark.strip()


def read_numbering(root: Any) -> Numbering:
    """How the lists of a document are numbered, from its part "numbering"."""
    abstract: dict[str, dict[int, _Level]] = {}
    levels: dict[str, dict[int, _Level]] = {}
    families: dict[str, str] = {}
    for element in root if root is not None else ():
        if local_name(element) == "abstractNum":
            abstract[attribute(element, "abstractNumId") or ""] = dict(_levels(element))
        elif local_name(element) == "num":
            identifier, family = attribute(element, "numId") or "", _value(element, "abstractNumId") or ""
            families[identifier] = family
            levels[identifier] = {**abstract.get(family, {}), **dict(_levels(element))}
            if next(descendants(element, "startOverride"), None) is not None:
                families[identifier] = f"{family}/{identifier}"
    return Numbering(levels, families)


def _levels(element: Any) -> Iterator[tuple[int, _Level]]:
    for level in descendants(element, "lvl"):
        yield (
            _number(attribute(level, "ilvl"), 0),
            _Level(
                _value(level, "numFmt") or "decimal",
                _value(level, "lvlText") or "",
                _number(_value(level, "start"), 1),
            ),
        )


def _written(number: int, form: str) -> str:
    """A number as the form writes it; rare forms are written in digits."""
    if form in ("lowerLetter", "upperLetter") and number > 0:
        letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letters if form == "lowerLetter" else letters.upper()
    if form in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        written = ""
        for value, letters in _ROMAN:
            written += letters * (number // value)
            number %= value
        return written if form == "lowerRoman" else written.upper()
    return str(number)


_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")),
    *((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)
