"""A tokenizer, an engine and documents small enough to follow by hand."""

import re
import signal
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from infini_cli.documents import Heading, Page
from infini_cli.documents.extraction import DocumentInfo
from infini_cli.nn.memory import LayerMemory, MemoryState
from infini_cli.reading.options import Pages
from infini_cli.reading.plan import Source

FINGERPRINTS = {"model": "m1", "adapter": "a1", "tokenizer": "t1", "memory": "f1"}


class WordTokenizer:
    """Words, signs and line breaks are tokens; blanks are none."""

    vocab_size = 50_000
    bos_id: int | None = None
    eos_ids: frozenset[int] = frozenset()
    chat_template: str | None = None
    fingerprint = "t1"

    def encode(self, text: str) -> list[int]:
        return [zlib.crc32(word.encode()) % self.vocab_size for word in re.findall(r"\w+|[^\w\s]|\n", text)]

    def count(self, text: str) -> int:
        return len(self.encode(text))

    def encode_chat(self, messages: Any, *, add_generation_prompt: bool = True) -> list[int]:
        raise NotImplementedError

    def decode(self, ids: Any) -> str:
        raise NotImplementedError

    def stream_decoder(self) -> Any:
        raise NotImplementedError


@dataclass
class CountingEngine:
    """Its memory depends on every token, on their order, and on how they were grouped into reads."""

    segment_length: int = 16
    fingerprints: dict[str, str] = field(default_factory=lambda: dict(FINGERPRINTS))
    model_name: str = "counting"
    device: str = "cpu"
    dtype: str = "float32"
    tokenizer: WordTokenizer = field(default_factory=WordTokenizer)
    before_read: Callable[[], None] = lambda: None
    reads: list[tuple[int, int]] = field(default_factory=list)  # S and T of each read
    tokens: list[int] = field(default_factory=list)  # all of them

    def empty_state(self) -> MemoryState:
        return (LayerMemory(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3), torch.zeros(1, 2, 0)),) * 2

    def read(self, tokens: Tensor, state: MemoryState) -> MemoryState:
        self.before_read()
        batch, segments, length = tokens.shape
        assert batch == 1
        self.reads.append((segments, length))
        self.tokens += tokens.flatten().tolist()
        weights = torch.arange(1, tokens.numel() + 1, dtype=torch.float32)
        value = (tokens.flatten() * weights).sum().sin() + segments * 1e-3
        grid = torch.arange(24, dtype=torch.float32).reshape(1, 2, 3, 4) / 24
        return tuple(
            LayerMemory(
                layer.matrix * 0.9 + value * grid, layer.norm * 0.9 + value * grid.sum(-1), layer.words
            )
            for layer in state
        )


class ListedPages:
    """Pages from a list, as an ExtractionProcess would give them."""

    def __init__(self, pages: Sequence[Page | Exception], start: int, *, total: int | None) -> None:
        self._pages = pages
        self._start = start
        self.info = DocumentInfo("pdf" if total is not None else "text", total)

    def __enter__(self) -> "ListedPages":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __iter__(self) -> Iterator[Page]:
        for page in self._pages[self._start - 1 :]:
            if isinstance(page, Exception):
                raise page
            yield page


@dataclass
class Shelf:
    """Documents by path, with a way to open them and sources to name them."""

    documents: dict[str, list[Page | Exception]] = field(default_factory=dict)
    totals_known: bool = True

    def add(self, path: str, pages: Sequence[Page | Exception]) -> Source:
        self.documents[path] = list(pages)
        content = "".join(page.text for page in pages if isinstance(page, Page))
        digest = f"{zlib.crc32((path + content).encode(errors='replace')):08x}"
        return Source(Path(path), path, digest, max(1, len(content.encode(errors="replace"))))

    def open(self, source: Source, start: int) -> AbstractContextManager[Pages]:
        pages = self.documents[source.shown]
        return ListedPages(pages, start, total=len(pages) if self.totals_known else None)


def prose(seed: int, sentences: int) -> str:
    """Sentences of five to fourteen words, wrapped like a typeset page, different for every seed."""
    words = "heath morning letter garden carriage silence orchard winter candle abbey window promise".split()
    lines, number = [], seed * 7919 + 1
    for _ in range(sentences):
        chosen = []
        for _ in range(5 + number % 10):
            number = (number * 1103515245 + 12345) % 2**31
            chosen.append(words[number % len(words)])
        lines.append(" ".join(chosen).capitalize() + f" {seed}-{number % 997}.")
    text = " ".join(lines)
    return re.sub(r"(.{50,60}) ", r"\1\n", text)


def book(pages: int, *, sentences: int = 12) -> list[Page | Exception]:
    """A document of several pages with a heading on every third."""
    made: list[Page | Exception] = []
    for index in range(1, pages + 1):
        headings = (Heading(0, f"CHAPTER {index // 3 + 1}", 1),) if index % 3 == 1 else ()
        title = f"CHAPTER {index // 3 + 1}\n" if headings else ""
        made.append(Page(index, f"p{index}", title + prose(index, sentences), headings))
    return made


def interrupt() -> None:
    """What Ctrl-C does to this process."""
    signal.raise_signal(signal.SIGINT)
