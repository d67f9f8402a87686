"""Documents read into a memory: pages → passages → tokens → segments → memory, with checkpoints."""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NoReturn, TypeVar

from infini_cli.documents import Page, no_text_error
from infini_cli.documents.model import DRAWING_ONLY, IMAGE_ONLY, NOTHING_TO_READ
from infini_cli.documents.pdf_options import installed_parsers
from infini_cli.errors import DocumentError, Interrupted, LockedError, UsageError
from infini_cli.nn.memory import state_bytes
from infini_cli.reading.account import count_page
from infini_cli.reading.intake import Intake
from infini_cli.reading.options import Progress, ReadingOptions
from infini_cli.reading.plan import Plan, Source
from infini_cli.reading.records import DocumentRecord, FailedDocument, MemoryRecord, SkippedPage
from infini_cli.reading.report import Failure, ReadingReport
from infini_cli.reading.segments import Engine, SegmentFeeder
from infini_cli.reading.share import Share
from infini_cli.reading.stopping import StopRequested, StopSwitch
from infini_cli.reading.writer import MemoryWriter

T = TypeVar("T")

_WITHOUT_TEXT = NOTHING_TO_READ | {IMAGE_ONLY, DRAWING_ONLY}
_NOT_EXTRACTED = "text extraction ended before this page"


def read_documents(
    plan: Plan, target: Path, engine: Engine, options: ReadingOptions | None = None
) -> ReadingReport:
    """Read the documents of a plan into the memory at `target`, which the caller has locked.

    Reading can be stopped at any time, even by a kill: the same call goes on at the last checkpoint, and the
    memory and its passages end equal to those of an unbroken read, bit for bit, on the same device and dtype.

    Args:
        plan: from `plan_reading`, for the record of the memory at `target`.
        target: the folder of the memory; made at the first checkpoint if it is new.
        engine: the model that reads.
        options: how to go about it; the defaults are those of `ReadingOptions`.

    Raises:
        DocumentError: of no document in the plan could anything be read; the memory is as it was.
        Interrupted: the user stopped; all up to the last finished chunk is saved.
        LockedError: the rest of a document cannot be read without its password.
        SnapshotError: the memory is damaged or of another model.
        UsageError: the memory was read in segments of another length, or a PDF by parsers that are not here.
        DeviceMemoryError, OSError: as they come; the last checkpoint stands.
    """
    options = options if options is not None else ReadingOptions()
    if plan.goes_on:
        writer, feeder = MemoryWriter.reopen(target, engine)
    else:
        writer, feeder = MemoryWriter.create(target, engine), SegmentFeeder(engine, engine.empty_state())
    with writer, StopSwitch(options.on_stop_request) as stop:
        return _Run(plan, engine, writer, feeder, stop, options).read_all()


class _Run:
    """One run of `read_documents`."""

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        writer: MemoryWriter,
        feeder: SegmentFeeder,
        stop: StopSwitch,
        options: ReadingOptions,
    ) -> None:
        self._plan = plan
        self._engine = engine
        self._writer = writer
        self._feeder = feeder
        self._stop = stop
        self._options = options
        self._share = Share(plan.to_read)
        self._memory_bytes = state_bytes(feeder.state)
        self._started = self._last_checkpoint = options.clock()
        self._seconds_before = writer.record.seconds
        self._tokens_read = 0
        self._read: list[DocumentRecord] = []
        self._failures: list[Failure] = []

    def read_all(self) -> ReadingReport:
        """Read every document of the plan, in order."""
        record = self._writer.record
        for source in self._plan.to_read:
            record.complete = False
            document = next((d for d in record.documents if d.content_hash == source.content_hash), None)
            begun = document is not None
            if document is None:
                document = DocumentRecord(path=source.shown, content_hash=source.content_hash, format="")
            self._share.start(source, document)
            self._read_document(source, document, begun)
        if self._failures and not self._read and not self._plan.unchanged:
            raise self._failures[0].error
        record.complete = True
        self._checkpoint()
        held = {document.content_hash: document for document in record.documents}
        return ReadingReport(
            record=record,
            read=tuple(self._read),
            unchanged=tuple(held[source.content_hash] for source in self._plan.unchanged),
            failures=tuple(self._failures),
            seconds=self._seconds(),
            tokens_read=self._tokens_read,
            resumed=self._plan.resumed,
        )

    def _read_document(self, source: Source, document: DocumentRecord, begun: bool) -> None:
        """Read what is left of one document; it joins the record with its first text."""
        record = self._writer.record
        intake = self._intake() if begun else None
        try:
            self._fold(document, self._feeder.fold_chunks())
            with closing(self._pages(source, document)) as pages:
                for page in pages:
                    if page.skipped is None:
                        intake = intake or self._begin(document)
                        self._take(page, intake, document)
                    else:
                        fault = page.skipped not in NOTHING_TO_READ
                        skipped = SkippedPage(page=page.index, reason=page.skipped, fault=fault)
                        document.pages_skipped.append(skipped)
                        count_page(document, page, ())
                    self._fold(document, self._feeder.fold_chunks())
                    self._tell(document)
                    self._pause(document)
            if intake is None:
                raise _nothing_read(document)
        except DocumentError as error:
            if begun and isinstance(error, LockedError):
                raise  # with its password, reading can go on
            if intake is None:
                self._failures.append(Failure(source.shown, error))
                failed = FailedDocument(
                    path=source.shown, content_hash=source.content_hash, reason=error.message
                )
                record.failed = [*_others(record, source), failed]
                return
            # what is left of the document is lost, and its account says so
            document.pages_skipped.append(
                SkippedPage(page=document.next_page, reason=error.message, fault=True)
            )
        self._fold(document, self._feeder.finish_document())
        document.complete = True
        record.complete = source is self._plan.to_read[-1]
        record.failed = _others(record, source)
        self._read.append(document)
        self._pause(document)

    def _pages(self, source: Source, document: DocumentRecord) -> Generator[Page, None, None]:
        """The pages not yet taken in, in order."""
        total = document.pages_total
        if total is None or document.next_page <= total:
            with self._options.open_pages(_with_its_parsers(source, document), document.next_page) as pages:
                info = self._wait(lambda: pages.info, document)
                if document.parsers and document.parsers != list(info.parsers):
                    raise _other_parsers(document)
                document.format, document.parsers = info.format, list(info.parsers)
                document.pages_total = total = info.pages_total
                arriving = iter(pages)
                while (page := self._wait(lambda: next(arriving, None), document)) is not None:
                    assert page.index == document.next_page, (
                        f"page {page.index} after {document.next_page - 1}"
                    )
                    yield page
        for missing in range(document.next_page, (total or 0) + 1):
            yield Page(missing, None, "", skipped=_NOT_EXTRACTED)
        document.pages_total = document.next_page - 1

    def _wait(self, arrive: Callable[[], T], document: DocumentRecord) -> T:
        """Wait for text extraction; a request to stop ends the wait."""
        try:
            with self._stop.waiting():
                return arrive()
        except StopRequested:
            self._stop_here(document)

    def _begin(self, document: DocumentRecord) -> Intake:
        """Let a document join the record and the store."""
        self._writer.record.documents.append(document)
        self._writer.store.add_document(document.path, document.content_hash, document.format)
        intake = self._intake()
        self._feeder.feed(intake.begin())
        return intake

    def _intake(self) -> Intake:
        """For the last document of the record, the only one that can be unfinished."""
        return Intake(self._writer.store, len(self._writer.record.documents), self._engine.tokenizer)

    def _take(self, page: Page, intake: Intake, document: DocumentRecord) -> None:
        tokens, passages = intake.take(page)
        self._feeder.feed(tokens)
        count_page(document, page, passages)
        document.pages_read += 1
        self._share.advance(page)

    def _fold(self, document: DocumentRecord, folding: Iterable[int]) -> None:
        """Let the feeder fold, keeping count; between chunks is a safe point to save or stop."""
        record, length = self._writer.record, self._engine.segment_length
        for tokens in folding:
            segments = -(-tokens // length)
            self._tokens_read += tokens
            for account in (document, record):
                account.tokens += tokens
                account.segments += segments
            self._tell(document)
            self._pause(document)

    def _tell(self, document: DocumentRecord) -> None:
        self._options.on_progress(
            Progress(
                document=document.path,
                page=document.next_page - 1,
                pages_total=document.pages_total,
                share=self._share.done(document),
                tokens=self._tokens_read,
                seconds=self._seconds(),
                memory_bytes=self._memory_bytes,
            )
        )

    def _pause(self, document: DocumentRecord) -> None:
        """A safe point: stop here if asked to, and save if it is time."""
        if self._stop.requested:
            self._stop_here(document)
        if self._options.clock() - self._last_checkpoint >= self._options.checkpoint_seconds:
            self._checkpoint()

    def _stop_here(self, document: DocumentRecord) -> NoReturn:
        if not self._writer.record.documents:
            raise Interrupted("stopped before any text was read; nothing was saved")
        self._checkpoint()
        page = document.next_page - 1
        place = f"page {page} of {document.pages_total}" if document.pages_total else f"page {page}"
        raise Interrupted(
            f"stopped after {place} of {document.path}; what was read is saved", hint=self._options.go_on_hint
        )

    def _checkpoint(self) -> None:
        if self._writer.record.documents:
            self._writer.record.seconds = self._seconds_before + self._seconds()
            self._writer.checkpoint(self._feeder)
        self._last_checkpoint = self._options.clock()

    def _seconds(self) -> float:
        return self._options.clock() - self._started


def _with_its_parsers(source: Source, document: DocumentRecord) -> Source:
    """The source opened as when its reading began: the text of another parser would not be the same.

    Raises:
        UsageError: the parsers it was begun with are not all installed.
    """
    if not document.parsers:
        return source
    if not set(document.parsers) <= set(installed_parsers()):
        raise _other_parsers(document)
    return replace(source, pdf=replace(source.pdf, parsers=tuple(document.parsers)))


def _other_parsers(document: DocumentRecord) -> UsageError:
    return UsageError(
        f"the reading of {document.path} was begun with {' and '.join(document.parsers)}, which cannot go on here",
        hint="install what is missing (pip install pypdfium2), or read anew with --force",
    )


def _others(record: MemoryRecord, source: Source) -> list[FailedDocument]:
    """The failed documents other than one."""
    return [failed for failed in record.failed if failed.content_hash != source.content_hash]


def _nothing_read(document: DocumentRecord) -> DocumentError:
    """Why a document gave no text at all."""
    other = next((page for page in document.pages_skipped if page.reason not in _WITHOUT_TEXT), None)
    if other is None:
        return no_text_error(document.path, document.format)
    return DocumentError(f"no page of {document.path} could be read; page {other.page}: {other.reason}")
