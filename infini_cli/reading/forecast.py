"""What reading would take in, found out by extracting the text and nothing more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from infini_cli.documents import Page, no_text_error
from infini_cli.documents.model import NOTHING_TO_READ
from infini_cli.errors import DocumentError
from infini_cli.reading.mending import mend_lines
from infini_cli.reading.options import OpenPages, open_extraction
from infini_cli.reading.plan import Source
from infini_cli.reading.records import DocumentRecord, SkippedPage
from infini_cli.reading.report import Failure

CHARACTERS_PER_TOKEN = 4.4  # of English prose, as most tokenizers cut it
CountTokens = Callable[[str], int]
OnPage = Callable[[Source, int, int | None], None]  # the page, and how many there are where that is known


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would be read.

    Attributes:
        documents: accounts as reading would begin them; `tokens` is close, but no passage was cut.
        failures: documents of which nothing could be read.
    """

    documents: tuple[DocumentRecord, ...]
    failures: tuple[Failure, ...]

    @property
    def tokens(self) -> int:
        return sum(document.tokens for document in self.documents)


def forecast(
    sources: Sequence[Source],
    count_tokens: CountTokens | None,
    *,
    starts: dict[str, int] | None = None,
    on_page: OnPage = lambda source, page, total: None,
    open_pages: OpenPages = open_extraction,
) -> Forecast:
    """Extract documents and count.

    Args:
        sources: to look at.
        count_tokens: of the model that would read; without one, tokens are estimated from the characters.
        starts: by content hash, the first page not yet read of documents read in part.
        on_page: called after every page.
        open_pages: gives the pages of a source from a page on.
    """
    documents: list[DocumentRecord] = []
    failures: list[Failure] = []
    for source in sources:
        start = (starts or {}).get(source.content_hash, 1)
        reached = start - 1
        document = DocumentRecord(path=source.shown, content_hash=source.content_hash, format="")
        try:
            with open_pages(source, start) as pages:
                document.format, document.pages_total = pages.info.format, pages.info.pages_total
                for page in pages:
                    reached = page.index
                    _count(document, page, count_tokens)
                    on_page(source, page.index, document.pages_total)
        except DocumentError as error:
            if not document.pages_read:
                failures.append(Failure(source.shown, error))
                continue
            document.pages_skipped.append(SkippedPage(page=reached + 1, reason=error.message, fault=True))
        if document.pages_read:
            documents.append(document)
        else:
            failures.append(Failure(source.shown, no_text_error(source.shown, document.format)))
    return Forecast(tuple(documents), tuple(failures))


def _count(document: DocumentRecord, page: Page, count_tokens: CountTokens | None) -> None:
    if page.skipped is not None:
        fault = page.skipped not in NOTHING_TO_READ
        document.pages_skipped.append(SkippedPage(page=page.index, reason=page.skipped, fault=fault))
        return
    text = page.text
    for start, end in reversed(page.running):
        text = text[:start] + text[end:]
    document.pages_read += 1
    document.characters += len(text)
    if count_tokens is not None:
        document.tokens += count_tokens(mend_lines(text.strip()))
    else:
        document.tokens = round(document.characters / CHARACTERS_PER_TOKEN)
