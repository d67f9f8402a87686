"""Documents as streams of pages with their places; one module for each format, and no torch."""

import shlex
from importlib import import_module
from pathlib import Path
from typing import cast

from infini_cli.documents.detect import detect_format
from infini_cli.documents.hashing import content_hash
from infini_cli.documents.model import Document, Heading, Page
from infini_cli.documents.pdf_options import PdfOptions
from infini_cli.errors import DocumentError

__all__ = ["Document", "Heading", "Page", "PdfOptions", "content_hash", "no_text_error", "open_document"]

# The class for each format; its module, and with it the parser, is imported only when a document needs it.
_READERS = {
    "pdf": ("pdf", "PdfDocument"),
    "epub": ("epub", "EpubDocument"),
    "docx": ("docx", "DocxDocument"),
    "html": ("html", "HtmlDocument"),
    "markdown": ("markdown", "MarkdownDocument"),
    "rst": ("rst", "RstDocument"),
    "text": ("text", "TextDocument"),
}


def open_document(path: Path, *, name: str | None = None, pdf: PdfOptions | None = None) -> Document:
    """Open a document of whatever format its content has.

    Args:
        path: the file.
        name: what the document and messages call it; the path by default, "-" for standard input.
        pdf: how to open it if it is a PDF.

    Raises:
        LockedError: encrypted, and the password is missing or wrong.
        DocumentError: missing, empty, damaged, binary, or of a kind that is not read.
    """
    name = str(path) if name is None else name
    document_format = detect_format(path, name)
    if document_format not in _READERS:
        from infini_cli.documents.compressed import CompressedDocument

        return CompressedDocument(path, name, document_format, pdf)
    return open_as(document_format, path, name, pdf)


def open_as(document_format: str, path: Path, name: str, pdf: PdfOptions | None = None) -> Document:
    """Open a document whose format is known. Raises DocumentError as `open_document`."""
    module, reader = _READERS[document_format]
    document_class = getattr(import_module(f"infini_cli.documents.{module}"), reader)
    options = (pdf,) if document_format == "pdf" else ()
    return cast(Document, document_class(path, name, *options))


def no_text_error(name: str, document_format: str) -> DocumentError:
    """The error for a document of which every page was skipped for want of text."""
    if document_format == "pdf":
        return DocumentError(
            f"{name} has no text on any page; it may be a scan",
            hint=f"give it a text layer first: ocrmypdf {shlex.quote(name)} with-text.pdf",
        )
    if document_format in ("text", "markdown", "rst"):
        return DocumentError(f"{name} holds nothing but white space")
    return DocumentError(f"{name} holds no text")
