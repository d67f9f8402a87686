"""Token ids back to text, at once or one by one, through one table of bytes per token."""

import codecs
from collections.abc import Sequence


class ByteTableDecoder:
    """A stream decoder over a table of what each token id spells.

    Special tokens spell nothing. Linear in the number of tokens: nothing is ever decoded twice.

    Args:
        table: bytes of each id; ids beyond its end spell nothing (some models have more rows than tokens).
        strips_first_space: words begin with a space in this vocabulary, also the first one of a text.
    """

    def __init__(self, table: Sequence[bytes], *, strips_first_space: bool) -> None:
        self._table = table
        self._at_start = strips_first_space
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token_id: int) -> str:
        spelled = self._table[token_id] if token_id < len(self._table) else b""
        if self._at_start and spelled:
            spelled = spelled.removeprefix(b" ")
            self._at_start = False
        return self._characters.decode(spelled)

    def flush(self) -> str:
        return self._characters.decode(b"", final=True)


def byte_level_alphabet() -> dict[str, int]:
    """The byte that each character of a byte-level vocabulary stands for (GPT-2's `bytes_to_unicode`).

    Printable Latin-1 bytes stand for themselves; the others are moved to U+0100 and up, in order.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    moved = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(moved)}


def byte_level_bytes(token: str, alphabet: dict[str, int]) -> bytes:
    """What a token of a byte-level vocabulary spells; a token written in other characters spells itself."""
    try:
        return bytes(alphabet[character] for character in token)
    except KeyError:
        return token.encode()


def word_piece_bytes(piece: str) -> bytes:
    """What a SentencePiece piece spells: `▁` is a space and `<0x0A>` the byte 10."""
    if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
        try:
            return bytes([int(piece[3:5], 16)])
        except ValueError:
            pass
    return piece.replace("\N{LOWER ONE EIGHTH BLOCK}", " ").encode()
