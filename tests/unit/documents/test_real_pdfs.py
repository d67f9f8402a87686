"""Both parsers on real documents by different producers, fetched from Debian packages; nothing of them is kept here."""

import gzip
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from infini_cli.documents import PdfOptions
from infini_cli.documents.pdf import PdfDocument

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CACHE = Path(tempfile.gettempdir()) / "infini-real-documents"
SAMPLE_PAGES = 40

# package, file in it, producer, and the share of words that must be the same: a little below what was measured
DOCUMENTS = [
    ("derivations", "derivations.pdf", "pdfTeX, mathematics", 0.96),
    ("gitmagic", "gitmagic.pdf", "pdfTeX", 0.99),
    ("maxima-doc", "maximabook-19-Sept-2004.pdf.gz", "pdfTeX of 2004, formulas", 0.97),
    ("r-doc-pdf", "fullrefman.pdf", "pdfTeX, 2,415 pages", 0.99),
    ("bacula-doc", "main.pdf.gz", "pdfTeX", 0.99),
    ("c++-annotations-pdf", "cplusplus.pdf", "Ghostscript", 0.99),
    ("debian-edu-doc-en", "debian-edu-bookworm-manual.pdf", "xdvipdfmx", 0.99),
    ("live-manual-pdf", "live-manual.portrait.en.a4.pdf.gz", "xdvipdfmx, almost without text", 0.99),
    ("clips-doc", "basic_programming_guide.pdf.gz", "Quartz, from Word", 0.99),
    ("gnucash-docs", "gnucash-guide-en.pdf.gz", "Apache FOP", 0.99),
]


def fetch(package: str, name: str) -> Path:
    """The file, from the cache or else from the package; the test is skipped where that cannot be had."""
    kept = CACHE / package / name.removesuffix(".gz")
    if kept.exists():
        return kept
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool} here to fetch the package {package}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["apt-get", "download", package], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"the package {package} cannot be fetched: {done.stderr.strip()[-200:]}")
        [archive] = Path(folder).glob("*.deb")
        subprocess.run(["dpkg", "-x", archive, "unpacked"], cwd=folder, check=True)
        found = [path for path in Path(folder).rglob(name) if path.is_file() and not path.is_symlink()]
        if not found:
            pytest.skip(f"this version of {package} has no {name}")
        content = found[0].read_bytes()
        kept.write_bytes(gzip.decompress(content) if name.endswith(".gz") else content)
    return kept


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"[^\W_]+", text.casefold()))


@pytest.mark.parametrize(
    ("package", "name", "producer", "share"), DOCUMENTS, ids=[document[1] for document in DOCUMENTS]
)
def test_both_parsers_see_the_same_document(package: str, name: str, producer: str, share: float) -> None:
    path = fetch(package, name)
    fast, thorough = (PdfDocument(path, name, PdfOptions((parser,))) for parser in ("pdfium", "pypdf"))
    total = thorough.pages_total
    assert total is not None
    assert fast.pages_total == total
    assert fast._labels == thorough._labels
    assert {**fast._titles} == {**thorough._titles}
    common = most = 0
    for index in range(1, total + 1, max(1, total // SAMPLE_PAGES)):
        one, other = next(fast.pages(index)), next(thorough.pages(index))
        assert one.skipped == other.skipped
        here, there = words(one.text), words(other.text)
        common += (here & there).total()
        most += max(here.total(), there.total())
    fast.close()
    thorough.close()
    assert common >= share * most, f"{common / most:.4f} of the words are the same ({producer})"


def test_with_both_installed_the_fast_one_reads_and_accounts_for_every_page() -> None:
    package, name, *_ = DOCUMENTS[1]
    document = PdfDocument(fetch(package, name), name)
    assert document.parsers == ("pdfium", "pypdf")
    assert {page.skipped for page in document.pages()} <= {None, "blank"}
    document.close()
