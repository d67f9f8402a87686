"""Which parser reads a PDF can be said, and one that is not there is named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infini_cli.reading import library
from tests.conftest import Outcome
from tests.unit.documents.pdf_files import write_pages

TINY = ("--model", "for-tests-tiny", "--dtype", "float32")


def test_the_parser_asked_for_reads(
    run_main: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_pages(tmp_path / "a.pdf", ["some text"])
    for wanted, read in (("auto", "pdfium"), ("pdfium", "pdfium"), ("pypdf", "pypdf")):
        monkeypatch.setenv("INFINI_PDF", wanted)
        assert run_main("ingest", str(path), *TINY, "--memory", wanted).code == 0
        assert library.show(wanted).record.documents[0].parsers[0] == read
    monkeypatch.setattr("infini_cli.documents.pdf_options.installed_parsers", lambda first=None: ("pypdf",))
    outcome = run_main("ingest", str(path), *TINY, "--pdf", "pdfium", "--force")
    assert outcome.code == 2
    assert "pip install pypdfium2" in outcome.err
