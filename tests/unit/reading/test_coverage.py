"""The account in words."""

import pytest

from infini_cli.documents.model import BLANK, IMAGE_ONLY, RUNNING_LINES, WHITE_SPACE
from infini_cli.errors import DocumentError
from infini_cli.reading.coverage import coverage_lines, page_ranges, partial_error
from infini_cli.reading.records import DocumentRecord, MemoryRecord, SkippedPage
from infini_cli.reading.report import Failure, ReadingReport


def document(*skipped: SkippedPage, path: str = "a.pdf") -> DocumentRecord:
    return DocumentRecord(
        path=path,
        content_hash=path,
        format="pdf",
        pages_total=2000,
        pages_read=2000 - len(skipped),
        pages_skipped=list(skipped),
        characters=1234567,
        characters_in_passages=1234567,
        tokens=300000,
    )


def report(*read: DocumentRecord, failures: tuple[Failure, ...] = ()) -> ReadingReport:
    record = MemoryRecord(
        created="",
        updated="",
        program="",
        model="m",
        fingerprints={},
        segment_length=16,
        device="cpu",
        dtype="float32",
    )
    return ReadingReport(record, read, (), failures, 1.0, 1, False)


@pytest.mark.parametrize(
    ("pages", "written"),
    [([3], "page 3"), ([3, 4], "pages 3-4"), ([1, 3, 5, 6, 7, 9], "pages 1, 3, 5-7, 9")],
)
def test_pages_are_written_as_ranges(pages: list[int], written: str) -> None:
    assert page_ranges(pages) == written


def test_a_document_says_what_was_read_and_what_not_and_why() -> None:
    skipped = [SkippedPage(page=p, reason=BLANK, fault=False) for p in (2, 3)]
    skipped.append(SkippedPage(page=9, reason=IMAGE_ONLY, fault=True))
    assert coverage_lines(document(*skipped)) == [
        "a.pdf: read 1,997 of 2,000 pages, 1,234,567 characters, 300,000 tokens",
        "  not read, blank: pages 2-3",
        "  not read, no text layer (image only): page 9",
    ]


def test_running_lines_left_out_are_counted_if_any() -> None:
    account = document()
    assert len(coverage_lines(account)) == 1
    account.lines_dropped = 1441
    assert coverage_lines(account)[1:] == ["  running headers and page numbers left out: 1,441 lines"]


def test_what_other_rules_left_out_is_named_but_not_white_space() -> None:
    account = document()
    account.dropped = {WHITE_SPACE: 4000, RUNNING_LINES: 300, "menus": 1200}
    account.characters_in_passages = account.characters - 5500
    assert coverage_lines(account)[1:] == ["  left out, menus: 1,200 characters"]


def test_a_character_that_nobody_accounts_for_is_told() -> None:
    account = document()
    account.characters_in_passages -= 3
    assert account.unaccounted == 3
    error = partial_error(report(account))
    assert error is not None
    assert "a.pdf: 3 characters are unaccounted for" in error.message


def test_accounts_of_earlier_versions_are_understood() -> None:
    values = document().model_dump(exclude={"dropped", "characters_in_passages"})
    account = DocumentRecord.model_validate({**values, "characters_dropped": 567})
    assert (account.dropped, account.unaccounted) == ({RUNNING_LINES: 567}, 0)


def test_only_faults_make_a_read_partial() -> None:
    assert partial_error(report(document())) is None
    assert partial_error(report(document(SkippedPage(page=2, reason=BLANK, fault=False)))) is None
    error = partial_error(report(document(SkippedPage(page=2, reason=IMAGE_ONLY, fault=True))))
    assert error is not None
    assert error.exit_code == 7
    assert error.message == "not everything was read; a.pdf: page 2 of 2,000"
    assert "ocrmypdf" in (error.hint or "")


def test_failed_documents_are_named_with_their_hints() -> None:
    failure = Failure("b.pdf", DocumentError("b.pdf is encrypted", hint="decrypt it"))
    error = partial_error(report(document(), failures=(failure,)))
    assert error is not None
    assert "b.pdf is encrypted" in error.message
    assert error.hint == "decrypt it"
