"""Extraction in a process of its own: the same pages, whatever the parser and the user do to it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infini_cli.documents import Page, PdfOptions, hyphens, open_document
from infini_cli.documents.extraction import ExtractionProcess
from infini_cli.documents.running_lines import CONTEXT
from infini_cli.errors import DocumentError, LockedError
from tests.unit.documents.pdf_files import add_image_page, write, write_pages

linux_only = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes in /proc")

# Stands before the real pypdf, becomes it, and does something on one page.
FALSE_PARSERS = {
    "pypdf": """
import importlib, os, sys, time
sys.path.remove({folder!r})
del sys.modules["pypdf"]
real = importlib.import_module("pypdf")
extract_text = real.PageObject.extract_text
def extract(page):
    if page.page_number in {pages}:
        {deed}
    return extract_text(page)
real.PageObject.extract_text = extract
""",
    "pypdfium2": """
import importlib, os, sys, time
sys.path.remove({folder!r})
del sys.modules["pypdfium2"]
real = importlib.import_module("pypdfium2")
get_page = real.PdfDocument.__getitem__
def get(document, index):
    if index in {pages}:
        {deed}
    return get_page(document, index)
real.PdfDocument.__getitem__ = get
if {opening}:
    real.PdfDocument.__init__ = lambda *arguments, **options: {deed}
""",
}
PYPDF = PdfOptions(("pypdf",))


@pytest.fixture
def parser_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`parser_does("os.abort()", pages=[1])` makes a parser in the child do that on these pages, from 0."""

    def arrange(deed: str, pages: list[int], module: str = "pypdf", opening: bool = False) -> None:
        folder = tmp_path / f"modules-{module}"
        (folder / module).mkdir(parents=True)
        source = FALSE_PARSERS[module].format(folder=str(folder), pages=pages, deed=deed, opening=opening)
        (folder / module / "__init__.py").write_text(source)
        monkeypatch.syspath_prepend(folder)

    return arrange


def extract(
    path: Path,
    start: int = 1,
    page_timeout_s: float = 60,
    pdf: PdfOptions = PYPDF,
    memory_bytes: int = 2 << 30,
) -> list[Page]:
    with ExtractionProcess(
        path, start=start, page_timeout_s=page_timeout_s, pdf=pdf, memory_bytes=memory_bytes
    ) as extraction:
        return list(extraction)


def write_text(path: Path, pages: int) -> Path:
    with path.open("w") as file:
        for number in range(pages):
            file.write(f"Paragraph {number} " + "of words " * 330 + "\n\n")
    return path


def children() -> set[int]:
    """The processes that this one has started and not yet seen end."""
    lists = Path("/proc/self/task").glob("*/children")
    return {int(pid) for found in lists for pid in found.read_text().split()}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def peak_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


@pytest.mark.parametrize("suffix", [".txt", ".md"])
def test_pages_are_those_read_in_this_process(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text("# Title\n\nGröße 😀 \u2028\n\n" + "words\n\n" * 4000, encoding="utf-8")
    document = open_document(path)
    expected = list(document.pages())
    document.close()
    with ExtractionProcess(path, name="-") as extraction:
        assert extraction.info == (document.format, len(expected), ())
        assert list(extraction) == expected
    assert extract(path, start=4) == expected[3:]
    assert extract(path, start=len(expected) + 1) == []


def test_errors_of_the_child_are_raised_here(tmp_path: Path) -> None:
    encrypted = write_pages(tmp_path / "a.pdf", ["secret"], password="pass")
    with ExtractionProcess(encrypted, name="my.pdf") as extraction:
        with pytest.raises(LockedError, match=r"my\.pdf is encrypted") as caught:
            extraction.info  # noqa: B018
        assert caught.value.hint is not None
    with pytest.raises(DocumentError, match="does not exist"):
        extract(tmp_path / "missing.txt")


def test_a_bug_of_ours_is_not_taken_for_a_bad_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_pages(tmp_path / "a.pdf", ["one"])
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "pypdf.py").write_text("raise ImportError('no parser')")
    monkeypatch.syspath_prepend(tmp_path / "modules")
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*no parser"):
        extract(path)


def test_a_crash_costs_its_page(tmp_path: Path, parser_does: Callable[..., None]) -> None:
    path = write_pages(tmp_path / "a.pdf", [f"page {number}" for number in range(1, 7)])
    parser_does("os.abort()", pages=[1, 2, 5])
    pages = extract(path)
    assert [page.index for page in pages] == [1, 2, 3, 4, 5, 6]
    assert [page.text.strip() for page in pages] == ["page 1", "", "", "page 4", "page 5", ""]
    reasons = [page.skipped for page in pages]
    crashed = "could not be read: the parser crashed (SIGABRT)"
    assert reasons == [None, crashed, crashed, None, None, crashed]


def test_a_page_that_takes_for_ever_is_given_up(tmp_path: Path, parser_does: Callable[..., None]) -> None:
    path = write_pages(tmp_path / "a.pdf", ["one", "two", "three"])
    parser_does("time.sleep(1000)", pages=[1])
    one, two, three = extract(path, page_timeout_s=2)
    assert (one.text.strip(), two.text, three.text.strip()) == ("one", "", "three")
    assert two.skipped == "could not be read: the parser took longer than 2 s"


@linux_only
def test_a_page_that_eats_memory_costs_its_page(tmp_path: Path, parser_does: Callable[..., None]) -> None:
    path = write_pages(tmp_path / "a.pdf", ["one", "two", "three"])
    parser_does("page.eaten = bytearray(1 << 30)", pages=[1])
    one, two, three = extract(path, memory_bytes=800 << 20)
    assert (one.text.strip(), two.text, three.text.strip()) == ("one", "", "three")
    assert two.skipped == "could not be read: MemoryError"
    assert [page.text.strip() for page in extract(path, memory_bytes=4 << 30)] == ["one", "two", "three"]


@pytest.mark.parametrize(
    "deed", ["os.abort()", "time.sleep(1000)", "raise ValueError", "document.eaten = bytearray(3 << 30)"]
)
def test_where_one_parser_fails_another_reads(
    tmp_path: Path, parser_does: Callable[..., None], deed: str
) -> None:
    path = write_pages(tmp_path / "a.pdf", [f"page {number}" for number in range(1, 6)])
    parser_does(deed, pages=[1, 2, 4], module="pypdfium2")
    both = PdfOptions(("pdfium", "pypdf"))
    pages = extract(path, pdf=both, page_timeout_s=3)
    assert [(page.index, page.text.strip(), page.skipped) for page in pages] == [
        (number, f"page {number}", None) for number in range(1, 6)
    ]


def test_a_page_on_which_all_parsers_crash_is_skipped(
    tmp_path: Path, parser_does: Callable[..., None]
) -> None:
    path = write_pages(tmp_path / "a.pdf", ["one", "two", "three"])
    parser_does("os.abort()", pages=[1], module="pypdfium2")
    parser_does("os._exit(9)", pages=[1])
    one, two, three = extract(path, pdf=PdfOptions(("pdfium", "pypdf")))
    assert (one.text.strip(), two.text, three.text.strip()) == ("one", "", "three")
    assert two.skipped == "could not be read: the parser crashed (exit code 9)"


def test_a_parser_that_crashes_on_opening_is_done_without(
    tmp_path: Path, parser_does: Callable[..., None]
) -> None:
    path = write_pages(tmp_path / "a.pdf", ["one", "two"])
    parser_does("os.abort()", pages=[], module="pypdfium2", opening=True)
    with ExtractionProcess(path, pdf=PdfOptions(("pdfium", "pypdf"))) as extraction:
        assert extraction.info == ("pdf", 2, ("pypdf",))
        assert [page.text.strip() for page in extraction] == ["one", "two"]


@linux_only
def test_the_password_is_on_no_command_line(tmp_path: Path) -> None:
    path = write_pages(tmp_path / "a.pdf", ["text"] * 50, password="open sesame")
    before = children()
    with ExtractionProcess(path, pdf=PdfOptions(password="open sesame")) as extraction:
        assert extraction.info.pages_total == 50
        [child] = children() - before
        for file in ("cmdline", "environ"):
            assert b"sesame" not in Path(f"/proc/{child}/{file}").read_bytes()
        assert {page.text.strip() for page in extraction} == {"text"}


def test_what_a_parser_prints_does_not_disturb(tmp_path: Path, parser_does: Callable[..., None]) -> None:
    path = write_pages(tmp_path / "a.pdf", ["one", "two"])
    parser_does("print('noise'); sys.stderr.write('noise')", pages=[0, 1])
    assert [page.text.strip() for page in extract(path)] == ["one", "two"]


def test_too_many_crashes_end_the_attempts_but_not_the_account(
    tmp_path: Path, parser_does: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infini_cli.documents.extraction._MAX_CRASHES_IN_A_ROW", 2)
    path = write_pages(tmp_path / "a.pdf", [f"page {number}" for number in range(1, 8)])
    parser_does("os._exit(9)", pages=[0, 2, 3])
    pages = extract(path)
    assert [page.index for page in pages] == [1, 2, 3, 4, 5, 6, 7]
    assert [page.text.strip() for page in pages] == ["", "page 2", "", "", "", "", ""]
    assert pages[3].skipped == "could not be read: the parser crashed (exit code 9)"
    assert {page.skipped for page in pages[4:]} == {"not read: the parser failed on the 2 pages before"}


def test_modules_in_the_users_folder_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json", "signal", "threading", "pypdf", "models", "click", "infini_cli"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    path = write_pages(tmp_path / "a.pdf", ["one"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", ".")])
    assert [page.text.strip() for page in extract(path)] == ["one"]


@linux_only
def test_leaving_ends_the_child_at_once(tmp_path: Path) -> None:
    before = children()
    with ExtractionProcess(write_text(tmp_path / "a.txt", 3000)) as extraction:
        assert next(iter(extraction)).index == 1
        assert len(children() - before) == 1
    assert children() == before
    with pytest.raises(RuntimeError, match="outside"):
        next(iter(extraction))


@linux_only
def test_the_child_waits_for_the_reader(tmp_path: Path) -> None:
    before = children()
    with ExtractionProcess(write_text(tmp_path / "a.txt", 5000)) as extraction:
        assert extraction.info.pages_total == 5000
        [child] = children() - before
        written: list[int] = []

        def has_stopped_writing() -> bool:
            time.sleep(0.2)
            io_counts = Path(f"/proc/{child}/io").read_text()
            written.append(int(io_counts.split("wchar:")[1].split()[0]))
            return written[-1] > 50_000 and written[-3:] == [written[-1]] * 3

        assert wait_until(has_stopped_writing, seconds=30)
        assert written[-1] < 3_000_000
        assert [page.index for page in extraction] == list(range(1, 5001))


@linux_only
def test_ctrl_c_does_not_reach_the_child(tmp_path: Path) -> None:
    before = children()
    with ExtractionProcess(write_text(tmp_path / "a.txt", 2000)) as extraction:
        assert extraction.info.pages_total == 2000
        [child] = children() - before
        assert os.getpgid(child) != os.getpgid(0)
        os.kill(child, signal.SIGINT)
        pages = list(extraction)
    assert len(pages) == 2000
    assert all(page.skipped is None for page in pages)


READER = """
import sys, time
from pathlib import Path
from infini_cli.documents import PdfOptions
from infini_cli.documents.extraction import ExtractionProcess
with ExtractionProcess(Path(sys.argv[1]), pdf=PdfOptions(("pypdf",))) as extraction:
    next(iter(extraction))
    children = "".join(path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    print(children, flush=True)
    time.sleep(60)
"""


@linux_only
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_no_child_outlives_its_parent(
    tmp_path: Path, signal_number: signal.Signals, parser_does: Callable[..., None]
) -> None:
    # the first page is given out once those that may share its words and running lines are there
    reach = CONTEXT + hyphens.REACH
    path = write_pages(tmp_path / "a.pdf", ["text"] * (reach + 2))
    parser_does("time.sleep(1000)", pages=[reach + 1])
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    assert reader.stdout is not None
    child = int(reader.stdout.readline())
    assert is_alive(child)
    os.killpg(reader.pid, signal_number)
    _, messages = reader.communicate(timeout=20)
    assert wait_until(lambda: not is_alive(child))
    # one traceback, the reader's own; the child says nothing
    assert messages.count("Traceback") == (1 if signal_number == signal.SIGINT else 0)


@linux_only
def test_memory_of_the_child_does_not_grow_with_a_text(tmp_path: Path) -> None:
    peaks = []
    for megabytes in (50, 200):
        path = write_text(tmp_path / f"{megabytes}.txt", megabytes * 1_000_000 // 2990)
        before = children()
        with ExtractionProcess(path) as first:
            total = first.info.pages_total
        assert total is not None
        # more pages than the pipe holds, so that the child is still there to be measured
        left = 1000
        with ExtractionProcess(path, start=total - left) as extraction:
            pages = iter(extraction)
            assert next(pages).index == total - left
            [child] = children() - before
            peaks.append(peak_kib(child))
            assert len(list(pages)) == left
        path.unlink()
    small, large = peaks
    assert large < 1.05 * small
    assert large < 60_000


@linux_only
@pytest.mark.slow
def test_memory_of_the_child_does_not_grow_with_the_pages_of_a_pdf(tmp_path: Path) -> None:
    text = "\n".join(f"line {number} of a page with words enough to look like one" for number in range(40))
    titles = [(f"Part {number}", number) for number in range(0, 2000, 10)]
    path = write_pages(tmp_path / "a.pdf", (f"page {number}\n{text}" for number in range(2000)), titles)
    before = children()
    peaks: dict[int, int] = {}
    with ExtractionProcess(path) as extraction:
        for page in extraction:
            if page.index in (300, 2000):
                [child] = children() - before
                peaks[page.index] = peak_kib(child)
    assert peaks[2000] < 1.15 * peaks[300]


@linux_only
@pytest.mark.slow
def test_a_book_of_scans_is_not_kept_in_memory(tmp_path: Path) -> None:
    from pypdf import PdfWriter

    writer = PdfWriter()
    data = os.urandom(4_000_000)
    for _ in range(60):
        add_image_page(writer, data)
    path = write(writer, tmp_path / "a.pdf")
    assert path.stat().st_size > 240_000_000
    before = children()
    with ExtractionProcess(path) as extraction:
        for page in extraction:
            assert page.skipped == "no text layer (image only)"
            if page.index == 59:
                [child] = children() - before
                peak = peak_kib(child)
    assert peak < 150_000
