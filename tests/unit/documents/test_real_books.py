"""Real EPUBs out of Debian packages, fetched for the occasion: no letter is lost, and sections are those printed."""

import posixpath
import re
import shutil
import subprocess
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from infini_cli.documents import open_document
from infini_cli.documents.model import NOTHING_TO_READ

BOOKS = {
    "developers-reference": (
        "usr/share/developers-reference/developers-reference.epub",
        ["Scope of This Document", "Applying to Become a Member", "Non-Maintainer Uploads (NMUs)"],
    ),
    "debian-policy": (
        "usr/share/doc/debian-policy/policy.epub",
        ["About this manual", "Debian changelog: debian/changelog", "Maintainer Scripts"],
    ),
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked packages; without apt-get, dpkg or a network the test is skipped."""
    folder = tmp_path_factory.mktemp("packages")
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip("no apt-get or dpkg on this system")
    done = subprocess.run(
        ["apt-get", "download", *BOOKS], cwd=folder, capture_output=True, timeout=100, check=False
    )
    archives = sorted(folder.glob("*.deb"))
    if done.returncode or len(archives) < len(BOOKS):
        pytest.skip("the packages cannot be fetched")
    for archive in archives:
        subprocess.run(["dpkg", "-x", str(archive), str(folder)], check=True, timeout=100)
    return folder


class Text(HTMLParser):
    """All text of a page by another parser."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._silent = 0
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in ("title", "style", "script")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("title", "style", "script")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.pieces.append(data)


def chapters(path: Path) -> list[str]:
    """The files of the reading order, found by other means than the reader's."""
    with zipfile.ZipFile(path) as archive:
        package = next(name for name in archive.namelist() if name.endswith(".opf"))
        source = archive.read(package).decode()
        items = {}
        for item in re.findall(r"<item\b[^>]*>", source):
            items[re.search(r'\bid="([^"]*)"', item)[1]] = re.search(r'href="([^"]*)"', item)[1]
        folder = posixpath.dirname(package)
        order = re.findall(r'idref="([^"]*)"', source)
        return [archive.read(posixpath.join(folder, items[each])).decode() for each in order]


def letters(text: str) -> int:
    return sum(map(str.isalpha, text))


@pytest.mark.slow
@pytest.mark.parametrize("name", BOOKS)
def test_every_letter_of_a_real_book_is_read_or_counted(packages: Path, name: str) -> None:
    file, titles = BOOKS[name]
    document = open_document(packages / file)
    pages = list(document.pages())
    assert (document.format, document.pages_total) == ("epub", len(pages))
    document.close()
    assert {page.skipped for page in pages} <= {None, *NOTHING_TO_READ}
    found = [heading.title for page in pages for heading in page.headings]
    assert len(found) > 100
    for title in titles:
        assert any(title in each for each in found), title

    whole = sum(letters("".join(Text(chapter).pieces)) for chapter in chapters(packages / file))
    kept = sum(letters(page.text) for page in pages)
    left_out = sum(count for page in pages for _, count in page.dropped)
    assert kept > 200_000
    assert 0 <= whole - kept <= left_out
    assert left_out < 0.15 * kept
    lengths = [len(page.text) for page in pages if page.skipped is None]
    assert max(lengths) <= 8_000
    assert sorted(lengths)[len(lengths) // 2] > 1_500
