"""How much of the work of one run is done, judged by the sizes of the files."""

from collections.abc import Sequence

from infini_cli.documents import Page
from infini_cli.reading.plan import Source
from infini_cli.reading.records import DocumentRecord


class Share:
    """The share of this run's work, 0 to 1; what earlier runs did does not count."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._total = sum(source.size_bytes for source in sources) or 1
        self._before = 0  # bytes of the files before the current one
        self._size = 0  # of the current one
        self._text = 0  # bytes of its text so far
        self._at_start: float | None = None

    def start(self, source: Source, document: DocumentRecord) -> None:
        """Turn to the next document, of which `document` was read already."""
        self._before += self._size
        self._size = source.size_bytes
        self._text = document.characters
        if self._at_start is None:
            self._at_start = self._position(document)

    def advance(self, page: Page) -> None:
        """Count a page's text."""
        self._text += len(page.text.encode(errors="replace"))

    def done(self, document: DocumentRecord) -> float:
        """The share that is done, when so much of the current document is."""
        begun = self._at_start or 0.0
        return min(1.0, max(0.0, (self._position(document) - begun) / (1.0 - begun))) if begun < 1.0 else 1.0

    def _position(self, document: DocumentRecord) -> float:
        if document.pages_total:
            within = (document.next_page - 1) / document.pages_total
        else:  # no pages to count: the text is about as long as the file
            within = min(1.0, self._text / self._size) if self._size else 1.0
        return (self._before + within * self._size) / self._total
