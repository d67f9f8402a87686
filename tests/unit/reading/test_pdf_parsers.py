"""A PDF is read by the same parsers from beginning to end, whatever is asked for or installed in between."""

from dataclasses import replace
from pathlib import Path

import pytest
from pypdf import PdfWriter

from infini_cli.documents import PdfOptions, content_hash
from infini_cli.errors import Interrupted, UsageError
from infini_cli.reading.options import open_extraction
from infini_cli.reading.plan import Source
from tests.unit.documents.pdf_files import add_page, text_operators, write
from tests.unit.reading.desk import Desk
from tests.unit.reading.fakes import CountingEngine, interrupt, prose

PDFIUM, PYPDF = PdfOptions(("pdfium", "pypdf")), PdfOptions(("pypdf", "pdfium"))


@pytest.fixture
def source(tmp_path: Path) -> Source:
    writer = PdfWriter()
    for number in range(1, 31):
        # two words over each other: pypdf reads them as one, pdfium as two
        over = f" BT /F1 10 Tf 0 TL 40 60 Td (Print{number}) Tj T* (Over) Tj ET".encode()
        add_page(writer, text_operators(prose(number, 8)) + over)
    path = write(writer, tmp_path / "a.pdf")
    return Source(path, "a.pdf", content_hash(path), path.stat().st_size)


def desk_for_files(folder: Path) -> Desk:
    desk = Desk(folder)
    desk.options = replace(desk.options, open_pages=open_extraction)
    return desk


def read_a_part(desk: Desk, source: Source) -> None:
    reads = 0

    def before_read() -> None:
        nonlocal reads
        reads += 1
        if reads == 2:
            interrupt()

    with pytest.raises(Interrupted):
        desk.read(source, engine=CountingEngine(before_read=before_read))
    assert desk.record().documents[0].pages_read < 25


def test_a_read_goes_on_with_the_parser_it_was_begun_with(tmp_path: Path, source: Source) -> None:
    ends = {}
    for name, options, others in (("pdfium", PDFIUM, PYPDF), ("pypdf", PYPDF, PDFIUM)):
        whole, broken = desk_for_files(tmp_path / name / "whole"), desk_for_files(tmp_path / name / "broken")
        whole.read(replace(source, pdf=options))
        read_a_part(broken, replace(source, pdf=options))
        broken.read(replace(source, pdf=others))
        assert broken.memory() == whole.memory()
        assert broken.record().documents[0].parsers == list(options.parsers)
        ends[name] = whole.memory()["passages"]
    assert ends["pdfium"] != ends["pypdf"], "the parsers should not agree here, or nothing was tested"


def test_a_read_does_not_go_on_without_its_parser(
    tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = desk_for_files(tmp_path)
    read_a_part(desk, replace(source, pdf=PDFIUM))
    before = desk.memory()
    with monkeypatch.context() as patch:
        patch.setattr("infini_cli.reading.reader.installed_parsers", lambda: ("pypdf",))
        with pytest.raises(UsageError, match="begun with pdfium and pypdf") as caught:
            desk.read(source)
    assert caught.value.hint is not None
    assert "pip install pypdfium2" in caught.value.hint
    assert desk.memory() == before
    desk.read(source)
    assert desk.record().complete
