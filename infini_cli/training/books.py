"""A book as training sees it: its text, its sentences, and its tokens in two layouts of the same text."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from infini_cli.tokenizers.protocol import Tokenizer
from infini_cli.training.manifest import Role

Layout = Literal["flowing", "wrapped"]
LAYOUTS: tuple[Layout, Layout] = ("flowing", "wrapped")
WRAP_COLUMNS = 72
TOKEN_DTYPE = np.uint16  # enough for every vocabulary up to 65,536 entries


@dataclass(frozen=True, slots=True)
class Book:
    """One text, split at sentence starts.

    Every sentence carries the white space before it, so the tokens of neighbours join to the tokens of their
    joined text. The wrapped layout differs from the flowing one only in that some spaces are line ends, so
    both have the same sentence offsets in characters.
    """

    name: str
    title: str
    role: Role
    text: str  # flowing
    character_starts: npt.NDArray[np.uint32]  # (sentences + 1,), the last one is the text's length
    tokens: dict[Layout, npt.NDArray[np.uint16]]  # (tokens,)
    token_starts: dict[Layout, npt.NDArray[np.uint32]]  # (sentences + 1,)

    @property
    def n_tokens(self) -> int:
        return len(self.tokens["flowing"])

    def sentence(self, index: int) -> str:
        """The text of one sentence, without the white space around it."""
        return self.text[self.character_starts[index] : self.character_starts[index + 1]].strip()


def wrap(text: str, columns: int = WRAP_COLUMNS, first_column: int = 0) -> str:
    """Turn spaces into line ends so that lines keep to `columns`; the length in characters stays the same.

    Args:
        text: clean text, without runs of spaces.
        first_column: where on its line the text begins.
    """
    lines = []
    for line in text.split("\n"):
        words = line.split(" ")
        column = first_column + len(words[0])
        pieces = [words[0]]
        for word in words[1:]:
            if column + 1 + len(word) > columns:
                pieces.append("\n")
                column = len(word)
            else:
                pieces.append(" ")
                column += 1 + len(word)
            pieces.append(word)
        lines.append("".join(pieces))
        first_column = 0
    return "\n".join(lines)


def sentence_starts(text: str, language: str = "en") -> npt.NDArray[np.uint32]:
    """Offsets of sentences in characters, each before the white space that leads to it, and the length."""
    import sentencex

    starts = [0]
    for boundary in sentencex.get_sentence_boundaries(language, text):
        start = int(boundary["start_index"])
        while start > 0 and text[start - 1].isspace():
            start -= 1
        # white space alone belongs to the sentence after it; a cut inside a word is no boundary
        if start > starts[-1] and start < len(text.rstrip()) and text[start].isspace():
            starts.append(start)
    starts.append(len(text))
    return np.array(starts, dtype=np.uint32)


def sentences(text: str) -> list[str]:
    """The sentences of a short text, without the white space around them."""
    starts = sentence_starts(text).tolist()
    return [text[start:end].strip() for start, end in pairwise(starts)]


def _tokenize(
    text: str, starts: npt.NDArray[np.uint32], tokenizer: Tokenizer
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint32]]:
    pieces: list[npt.NDArray[np.uint16]] = []
    token_starts = [0]
    for start, end in pairwise(starts.tolist()):
        ids = tokenizer.encode(text[start:end])
        pieces.append(np.array(ids, dtype=TOKEN_DTYPE))
        token_starts.append(token_starts[-1] + len(ids))
    return np.concatenate(pieces), np.array(token_starts, dtype=np.uint32)


def make_book(name: str, title: str, role: Role, text: str, tokenizer: Tokenizer) -> Book:
    """Split and tokenize a clean text; it then begins as a new paragraph, so that books can follow others.

    Raises:
        ValueError: the text is empty, or the tokenizer's vocabulary does not fit 16 bits.
    """
    if not text.strip():
        raise ValueError(f"{name} has no text")
    if tokenizer.vocab_size > np.iinfo(TOKEN_DTYPE).max + 1:
        raise ValueError(f"a vocabulary of {tokenizer.vocab_size} does not fit 16 bits")
    text = "\n\n" + text.strip()
    starts = sentence_starts(text)
    tokens: dict[Layout, npt.NDArray[np.uint16]] = {}
    token_starts: dict[Layout, npt.NDArray[np.uint32]] = {}
    for layout in LAYOUTS:
        laid_out = text if layout == "flowing" else wrap(text)
        tokens[layout], token_starts[layout] = _tokenize(laid_out, starts, tokenizer)
    return Book(name, title, role, text, starts, tokens, token_starts)


def save_book(book: Book, folder: Path) -> None:
    """Write a book's tokens and sentence offsets; the text itself is kept beside them as NAME.txt.

    Files: NAME.LAYOUT.u16 (little-endian token ids without a header) and NAME.sentences.npy (uint32,
    (3, sentences + 1): offsets in characters, in flowing tokens and in wrapped tokens).
    """
    folder.mkdir(parents=True, exist_ok=True)
    for layout in LAYOUTS:
        book.tokens[layout].astype("<u2").tofile(folder / f"{book.name}.{layout}.u16")
    offsets = np.stack([book.character_starts, *(book.token_starts[layout] for layout in LAYOUTS)])
    temporary = folder / f"{book.name}.sentences.tmp.npy"
    np.save(temporary, offsets)
    temporary.replace(folder / f"{book.name}.sentences.npy")


def load_book(name: str, title: str, role: Role, text_file: Path, folder: Path) -> Book:
    """Open a book written by `save_book`; tokens are mapped, not read."""
    offsets = np.load(folder / f"{name}.sentences.npy")
    tokens: dict[Layout, npt.NDArray[np.uint16]] = {
        layout: np.memmap(folder / f"{name}.{layout}.u16", dtype="<u2", mode="r") for layout in LAYOUTS
    }
    token_starts: dict[Layout, npt.NDArray[np.uint32]] = dict(zip(LAYOUTS, offsets[1:], strict=True))
    return Book(name, title, role, text_file.read_text(encoding="utf-8"), offsets[0], tokens, token_starts)
