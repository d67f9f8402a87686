"""What reading would take in, as against what it then takes in."""

import pytest

from infini_cli.documents import Page
from infini_cli.documents.model import BLANK, IMAGE_ONLY
from infini_cli.errors import DocumentError
from infini_cli.reading.coverage import forecast_error
from infini_cli.reading.forecast import CHARACTERS_PER_TOKEN, forecast
from infini_cli.reading.pace import remembered_pace
from infini_cli.settings import load_settings
from tests.unit.reading.desk import Desk
from tests.unit.reading.fakes import WordTokenizer, book


def test_a_forecast_comes_true(desk: Desk) -> None:
    pages = [*book(6), Page(7, None, "", skipped=BLANK), Page(8, "8", "", skipped=IMAGE_ONLY)]
    source = desk.shelf.add("a.pdf", pages)
    seen: list[tuple[int, int | None]] = []
    expected = forecast(
        [source],
        WordTokenizer().count,
        on_page=lambda source, page, total: seen.append((page, total)),
        open_pages=desk.shelf.open,
    )
    (document,) = expected.documents
    assert not desk.target.exists()
    (read,) = desk.read(source).read
    assert document.tokens == pytest.approx(read.tokens, rel=0.05)
    for attribute in ("format", "pages_total", "pages_read", "pages_skipped", "characters"):
        assert getattr(document, attribute) == getattr(read, attribute)
    assert seen == [(page, 8) for page in range(1, 9)]
    error = forecast_error(expected.documents, expected.failures)
    assert error is not None
    assert error.message == "not everything can be read; a.pdf: page 8 of 8"


def test_without_a_tokenizer_tokens_are_estimated(desk: Desk) -> None:
    expected = forecast([desk.shelf.add("a.pdf", book(3))], None, open_pages=desk.shelf.open)
    (document,) = expected.documents
    assert expected.tokens == document.tokens == round(document.characters / CHARACTERS_PER_TOKEN)


def test_a_document_read_in_part_is_looked_at_from_there(desk: Desk) -> None:
    source = desk.shelf.add("a.pdf", book(6))
    expected = forecast([source], None, starts={source.content_hash: 5}, open_pages=desk.shelf.open)
    assert expected.documents[0].pages_read == 2


def test_bad_documents_do_not_stop_the_others(desk: Desk) -> None:
    sources = [
        desk.shelf.add("bad.pdf", [DocumentError("bad.pdf is damaged")]),
        desk.shelf.add("cut.pdf", [*book(2), DocumentError("cut.pdf ends early")]),
        desk.shelf.add("blank.pdf", [Page(1, None, "", skipped=BLANK)]),
        desk.shelf.add("good.pdf", book(1)),
    ]
    expected = forecast(sources, None, open_pages=desk.shelf.open)
    assert [document.path for document in expected.documents] == ["cut.pdf", "good.pdf"]
    assert [failure.path for failure in expected.failures] == ["bad.pdf", "blank.pdf"]
    assert [(fault.page, fault.reason) for fault in expected.documents[0].faults] == [
        (3, "cut.pdf ends early")
    ]


def test_the_pace_of_another_model_or_device_is_not_remembered(make_memory) -> None:
    make_memory("book", pages=60)
    assert remembered_pace(load_settings({"model": "other", "device": "cpu", "dtype": "float32"})) is None
    pace = remembered_pace(load_settings({"model": "counting", "device": "cpu", "dtype": "float32"}))
    assert pace is not None
    assert pace.memory == "book"
    assert pace.tokens_per_second > 0
    assert remembered_pace(load_settings({"model": "counting", "device": "cpu", "dtype": "bfloat16"})) is None
