"""reStructuredText as a stream of pages, with its headings as sections."""

from infini_cli.documents.rst_headings import RstHeadingScanner
from infini_cli.documents.text import SectionedText


class RstDocument(SectionedText):
    """A reStructuredText file: the pages of plain text, and the sections that start on each."""

    format = "rst"
    scanner = RstHeadingScanner
