"""Streaming: the same text as decode, piece by piece, never half a character, in linear time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infini_cli.tokenizers.detokenizing import (
    ByteTableDecoder,
    byte_level_alphabet,
    byte_level_bytes,
    word_piece_bytes,
)

SINGLE_BYTES = [bytes([i]) for i in range(256)]


def streamed(table: list[bytes], ids: list[int], *, strips_first_space: bool = False) -> list[str]:
    decoder = ByteTableDecoder(table, strips_first_space=strips_first_space)
    return [*map(decoder.push, ids), decoder.flush()]


@given(text=st.text())
def test_characters_appear_whole_and_as_soon_as_complete(text: str) -> None:
    pieces = streamed(SINGLE_BYTES, list(text.encode(errors="replace")))

    assert "".join(pieces) == text.encode(errors="replace").decode()
    assert [piece for piece in pieces if piece] == list(text.encode(errors="replace").decode())


@given(ids=st.lists(st.integers(0, 255)))
def test_any_bytes_give_what_utf8_decoding_at_once_gives(ids: list[int]) -> None:
    assert "".join(streamed(SINGLE_BYTES, ids)) == bytes(ids).decode(errors="replace")


def test_incomplete_end_becomes_one_replacement_character() -> None:
    assert streamed(SINGLE_BYTES, list("é".encode())[:1]) == ["", "\ufffd"]


def test_only_the_first_space_is_stripped() -> None:
    table = [b"", b" the", b" memory"]

    assert streamed(table, [0, 1, 2, 1], strips_first_space=True) == ["", "the", " memory", " the", ""]


def test_ids_beyond_the_vocabulary_spell_nothing() -> None:
    assert streamed([b"a"], [0, 7, 0]) == ["a", "", "a", ""]


def test_byte_level_alphabet_is_that_of_transformers() -> None:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    assert byte_level_alphabet() == {character: byte for byte, character in bytes_to_unicode().items()}


@pytest.mark.parametrize(("token", "spelled"), [("Ġthe", b" the"), ("Ċ", b"\n"), ("日", "日".encode())])
def test_byte_level_tokens(token: str, spelled: bytes) -> None:
    assert byte_level_bytes(token, byte_level_alphabet()) == spelled


@pytest.mark.parametrize(
    ("piece", "spelled"), [("▁the", b" the"), ("<0x0A>", b"\n"), ("<0xZZ>", b"<0xZZ>"), ("日", "日".encode())]
)
def test_word_pieces(piece: str, spelled: bytes) -> None:
    assert word_piece_bytes(piece) == spelled


def test_time_grows_with_the_length_only() -> None:
    def seconds(count: int) -> float:
        decoder = ByteTableDecoder(SINGLE_BYTES, strips_first_space=False)
        start = time.perf_counter()
        for _ in range(count):
            decoder.push(0x80)  # never completes a character, the worst case for decoders that start over
        return time.perf_counter() - start

    short = min(seconds(2_000) for _ in range(5))

    assert seconds(40_000) < 20 * short * 5  # twenty times the tokens; five for a busy machine
