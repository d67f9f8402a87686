"""Markdown as a stream of pages, with its headings as sections."""

from infini_cli.documents.markdown_headings import HeadingScanner
from infini_cli.documents.text import SectionedText


class MarkdownDocument(SectionedText):
    """A Markdown file: the pages of plain text, and the sections that start on each."""

    format = "markdown"
    scanner = HeadingScanner
