"""Documents as streams of pages with their places; one module for each format, and no torch."""

import shlex
from pathlib import Path

from infini_cli.documents.detect import detect_format
from infini_cli.documents.hashing import content_hash
from infini_cli.documents.model import Document, Heading, Page
from infini_cli.errors import DocumentError

__all__ = ["Document", "Heading", "Page", "content_hash", "no_text_error", "open_document"]


def open_document(path: Path, *, name: str | None = None) -> Document:
    """Open a document of whatever format its content has.

    Args:
        path: the file.
        name: what the document and messages call it; the path by default, "-" for standard input.

    Raises:
        DocumentError: missing, empty, encrypted, damaged, binary, or of a kind that is not read.
    """
    name = str(path) if name is None else name
    document_format = detect_format(path, name)
    # Parsers are imported only when a document needs them.
    if document_format == "pdf":
        from infini_cli.documents.pdf import PdfDocument

        return PdfDocument(path, name)
    if document_format == "markdown":
        from infini_cli.documents.markdown import MarkdownDocument

        return MarkdownDocument(path, name)
    from infini_cli.documents.text import TextDocument

    return TextDocument(path, name)


def no_text_error(name: str, document_format: str) -> DocumentError:
    """The error for a document of which every page was skipped for want of text."""
    if document_format != "pdf":
        return DocumentError(f"{name} holds nothing but white space")
    return DocumentError(
        f"{name} has no text on any page; it may be a scan",
        hint=f"give it a text layer first: ocrmypdf {shlex.quote(name)} with-text.pdf",
    )
