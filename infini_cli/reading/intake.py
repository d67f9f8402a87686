"""One page taken in: its passages put into the store, its tokens handed on, in one pass."""

import re
from dataclasses import replace

from infini_cli.documents import Heading, Page
from infini_cli.reading.mending import ends_sentence, mend_lines
from infini_cli.reading.passages import Passage, PassageStore
from infini_cli.reading.splitter import Span, split_page
from infini_cli.tokenizers import Tokenizer

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_BLANK_LINE = re.compile(r"\n\s*\n")


class Intake:
    """Takes in the pages of one document, in order, also when reading goes on in its middle.

    Args:
        store: where the passages go.
        document_id: of the document in the store.
        tokenizer: of the model that reads.
    """

    def __init__(self, store: PassageStore, document_id: int, tokenizer: Tokenizer) -> None:
        self._store = store
        self._document_id = document_id
        self._tokenizer = tokenizer
        self._section = store.last_section(document_id)
        self._last = store.last_passage(document_id)

    def begin(self) -> list[int]:
        """The tokens before the first page: what the model's texts begin with."""
        return [] if self._tokenizer.bos_id is None else [self._tokenizer.bos_id]

    def take(self, page: Page) -> tuple[list[int], list[Span]]:
        """Store the passages of a page; return the tokens that the model reads for them, and where they are."""
        # halves of characters cannot be stored
        page = replace(page, text=_SURROGATE.sub("\ufffd", page.text))
        headings = sorted(page.headings, key=lambda heading: heading.offset)
        next_id = self._store.count() + 1
        passages: list[Passage] = []
        tokens: list[int] = []
        spans = split_page(page, self._count)
        for start, end in spans:
            begins_section = bool(headings) and headings[0].offset <= start
            while headings and headings[0].offset <= start:
                self._begin_section(headings.pop(0), page, next_id + len(passages))
            prose = self._joint(page, start, begins_section) + self._prose(page, (start, end))
            ids = self._tokenizer.encode(prose)
            self._last = self._passage(next_id + len(passages), page, (start, end), len(ids))
            passages.append(self._last)
            tokens += ids
        for heading in headings:
            self._begin_section(heading, page, next_id + len(passages))
        self._store.add(passages)
        return tokens, spans

    def _count(self, text: str) -> int:
        return self._tokenizer.count(mend_lines(text))

    def _prose(self, page: Page, span: Span) -> str:
        start, end = span
        before = page.text[max(0, start - 200) : start].rstrip(" \t\u00a0")
        return mend_lines(page.text[start:end], starts_line=not before or before[-1] in "\r\n")

    def _joint(self, page: Page, start: int, begins_section: bool) -> str:
        """What stands between a passage and the one before it."""
        last = self._last
        if last is None:
            return ""
        if begins_section:
            return "\n\n"
        if last.page != page.index:
            return "\n" if ends_sentence(last.text) else " "
        return "\n\n" if _BLANK_LINE.search(page.text, last.end, start) else " "

    def _begin_section(self, heading: Heading, page: Page, first_passage: int) -> None:
        title = _SURROGATE.sub("\ufffd", heading.title)
        number = self._store.add_section(
            self._document_id, title, heading.level, page.index, page.label, first_passage
        )
        self._section = (number, title)

    def _passage(self, number: int, page: Page, span: Span, tokens: int) -> Passage:
        start, end = span
        section_id, section = self._section if self._section is not None else (None, None)
        return Passage(
            id=number,
            document_id=self._document_id,
            page=page.index,
            page_label=page.label,
            section=section,
            line=None if page.first_line is None else page.first_line + page.text.count("\n", 0, start),
            start=start,
            end=end,
            tokens=tokens,
            text=page.text[start:end],
            section_id=section_id,
        )
