"""Places in documents as people write them: page, section and quote."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infini_cli.answering.citations import Citation
    from infini_cli.console import Reporter
    from infini_cli.reading.passages import Passage


def emit_citations(
    reporter: "Reporter", citations: "Sequence[Citation]", *, several: bool, heading: str | None = None
) -> None:
    """Write citations below an answer, one on a line; `several` documents are told apart by their names."""
    if citations:
        reporter.emit("" if heading is None else f"\n{heading}")
    for citation in citations:
        reporter.emit(citation_line(citation, several=several))


def citation_line(citation: "Citation", *, several: bool) -> str:
    """One citation, such as: p. 12 (Chapter 3)  “It was a dark night.”"""
    from infini_cli.answering.prose import one_line

    document = f"{citation.document}, " if several else ""
    section = f" ({citation.section})" if citation.section else ""
    return f"{document}{place(citation)}{section}  “{one_line(citation.quote)}”"


def place(citation: "Citation") -> str:
    """Where a quote stands: the line of a text, the printed page and its place in the file, or the part of a book."""
    if citation.line is not None:
        return f"line {citation.line}"
    if not citation.paged:
        return f"part {citation.page}"
    return page_name(citation.page, citation.page_label)


def page_name(page: int, label: str | None) -> str:
    """A page as printed, with its place in the file where that is another: "p. 12", "p. xii (page 14 of the file)"."""
    if label is None or label == str(page):
        return f"p. {page}"
    return f"p. {label} (page {page} of the file)"


def stretch(first: "Passage", last: "Passage", *, paged: bool = True) -> str:
    """From where to where a part of a document goes: "pp. 12–30" as printed, "lines 1–80" of a text, "parts 3–9"."""
    if first.line is not None and last.line is not None:
        return f"lines {first.line}–{last.line + last.text.count(chr(10))}"
    if not paged:
        return f"part {first.page}" if first.page == last.page else f"parts {first.page}–{last.page}"
    begin, end = first.page_label or str(first.page), last.page_label or str(last.page)
    return f"p. {begin}" if begin == end else f"pp. {begin}–{end}"
