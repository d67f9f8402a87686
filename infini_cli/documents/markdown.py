"""Markdown as a stream of pages, with its headings as sections."""

from collections.abc import Iterator

from infini_cli.documents.markdown_headings import HeadingScanner
from infini_cli.documents.model import Page
from infini_cli.documents.text import TextDocument, make_text_page


class MarkdownDocument(TextDocument):
    """A Markdown file: the pages of plain text, and the sections that start on each."""

    format = "markdown"

    def pages(self, start: int = 1) -> Iterator[Page]:
        """The pages from index `start` on; those before are only looked through for blocks left open."""
        scanner = HeadingScanner()
        texts = self._texts()
        text = next(texts, None)
        index, line = 1, 1
        while text is not None:
            following = next(texts, None)
            headings = scanner.scan(text, following or "")
            if index >= start:
                yield make_text_page(index, text, line, headings)
            index, line = index + 1, line + text.count("\n")
            text = following
