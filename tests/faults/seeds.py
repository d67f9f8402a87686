"""Sound files of every kind that is read, small, to be damaged."""

import bz2
import gzip
import lzma
from pathlib import Path

import docx
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from pypdf import PdfReader, PdfWriter

from infini_cli.reading import library, packing
from infini_cli.reading.options import ReadingOptions
from infini_cli.reading.plan import plan_reading
from infini_cli.reading.reader import read_documents
from tests.unit.documents.epub_files import chapter, write_epub
from tests.unit.documents.pdf_files import NOVEL, add_image_page, write, write_pages
from tests.unit.reading.fakes import CountingEngine, Shelf, book, prose

_HTML = f"""<!DOCTYPE html><html lang="en"><head><title>A heath</title><meta charset="utf-8"></head><body>
<nav><a href="/">Home</a></nav><main><h1 id="a">One</h1><p>{prose(1, 4)}</p><ul><li>first<ul><li>inner</li></ul>
</li></ul><table><tr><th>a</th><td colspan="2">b &amp; c</td></tr></table><pre>x = 1
  y</pre><h2>Two</h2><blockquote><p>{prose(2, 3)}</p></blockquote><!-- note --><img alt="x"></main></body></html>"""
_RST = f"""Title
=====

.. note:: {prose(3, 1)}

Part
----

{prose(4, 4)}

* one
* two

::

    code
"""
_MARKDOWN = f"""# One

{prose(5, 4)}

## Two

```
code
```

| a | b |
|---|---|
| 1 | 2 |

Three
=====

{prose(6, 3)}"""


def make_seeds(folder: Path) -> dict[str, bytes]:
    """File names, of which the suffix tells the kind, and their contents.

    Saved memories are made in the library, which is left as it was.
    """
    return {**_pdfs(folder), **_books(folder), **_texts(), **_memories(folder)}


def _pdfs(folder: Path) -> dict[str, bytes]:
    plain = write_pages(
        folder / "plain.pdf", [prose(n, 4) for n in range(1, 4)], [("Chapter 1", 0), ("Chapter 2", 2)]
    )
    locked = write_pages(folder / "locked.pdf", ["Nobody reads this."], password="secret")
    scan = PdfWriter()
    add_image_page(scan)
    reader = PdfReader(NOVEL)
    part = PdfWriter()
    for number in (6, 7):  # real fonts and a real encoding, by a real producer
        part.add_page(reader.pages[number])
    part.compress_identical_objects()
    files = [plain, locked, write(scan, folder / "scan.pdf"), write(part, folder / "typeset.pdf")]
    return {file.name: file.read_bytes() for file in files}


def _books(folder: Path) -> dict[str, bytes]:
    chapters = {
        "a.xhtml": chapter(f"<h1>One</h1><p>{prose(7, 5)}</p>"),
        "b.xhtml": chapter("<h1>Two</h1><p>end</p>"),
    }
    entries = [("a.xhtml", "One", 1), ("b.xhtml", "Two", 2)]
    made = {}
    for version in (2, 3):
        file = write_epub(folder / f"book{version}.epub", chapters, contents=entries, version=version)
        made[file.name] = file.read_bytes()
    document = docx.Document()
    document.add_heading("One", 1)
    document.add_paragraph(prose(8, 5))
    document.add_paragraph("first", style="List Number")
    table = document.add_table(2, 2)
    table.cell(0, 0).text = "a"
    document.element.body.insert(
        1, parse_xml(f"<w:p {nsdecls('w')}><w:ins><w:r><w:t>added</w:t></w:r></w:ins></w:p>")
    )
    document.save(str(folder / "report.docx"))
    return {**made, "report.docx": (folder / "report.docx").read_bytes()}


def _texts() -> dict[str, bytes]:
    accents = "Der Fluß führt Öl; être ou ne pas être, naïve. " * 20
    made = {
        "page.html": _HTML.encode(),
        "notes.md": _MARKDOWN.encode(),
        "notes.rst": _RST.encode(),
        "utf8.txt": accents.encode(),
        "latin.txt": accents.encode("cp1252"),
        "wide.txt": accents.encode("utf-16"),
        "russian.txt": ("Осень была холодной, и дорога вела через поле. " * 20).encode("cp1251"),
        "japanese.txt": ("吾輩は猫である。名前はまだ無い。" * 30).encode("shift_jis"),
    }
    made["notes.md.gz"] = gzip.compress(made["notes.md"])
    made["page.html.xz"] = lzma.compress(made["page.html"])
    made["utf8.txt.bz2"] = bz2.compress(made["utf8.txt"])
    return made


def _memories(folder: Path) -> dict[str, bytes]:
    shelf = Shelf()
    plan = plan_reading("seed", None, [shelf.add("book.pdf", book(3))], "same")
    directory = library.directory_of("seed")
    directory.parent.mkdir(parents=True, exist_ok=True)
    read_documents(plan, directory, CountingEngine(), ReadingOptions(open_pages=shelf.open))
    packing.pack("seed", folder / "seed.infini", force=True)
    made = {name: (directory / name).read_bytes() for name in library.FILES}
    library.remove("seed")
    old = Path(__file__).parents[1] / "data" / "memory-format-1.infini"
    return {"seed.infini": (folder / "seed.infini").read_bytes(), "old.infini": old.read_bytes(), **made}
