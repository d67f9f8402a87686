"""Tables of HTML: those that hold data, row by row; those that only lay a page out are read as blocks."""

from collections.abc import Callable

from selectolax.lexbor import LexborNode

_LAYOUT = "table, ul, ol, dl, pre, blockquote, h1, h2, h3, h4, h5, h6, hr"
_CELL = "td, th"
_PARAGRAPHS = 2  # from which a cell holds a text of its own


def is_data_table(table: LexborNode) -> bool:
    """Whether a table has rows of several short cells."""
    if (table.attributes.get("role") or "").lower() in ("presentation", "none"):
        return False
    # css also finds the element itself where it matches
    if any(node.mem_id != table.mem_id for node in table.css(_LAYOUT)):
        return False
    if any(len(cell.css("p")) >= _PARAGRAPHS for cell in table.css(_CELL)):
        return False
    return any(len(row.css(_CELL)) > 1 for row in table.css("tr"))


def table_rows(table: LexborNode, plain: Callable[[LexborNode], str]) -> tuple[str, list[list[str]]]:
    """The caption ("" for none), and the cells of each row that has any text.

    Args:
        table: without tables in it.
        plain: gives an element's text on one line.
    """
    caption = table.css_first("caption")
    rows = ([plain(cell) for cell in row.css(_CELL)] for row in table.css("tr"))
    return plain(caption) if caption is not None else "", [row for row in rows if any(row)]
