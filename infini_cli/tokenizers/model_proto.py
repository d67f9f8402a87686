"""The part of SentencePiece's model file that this program reads and writes, in protocol buffer wire format.

sentencepiece_model.proto: ModelProto { repeated SentencePiece pieces = 1; TrainerSpec trainer_spec = 2;
NormalizerSpec normalizer_spec = 3 }, SentencePiece { string piece = 1; float score = 2; Type type = 3 }.
Messages that stand one after the other merge, later fields winning, so a model is changed by appending to it.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

# SentencePiece.Type
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_BPE = 2


class SentencePiece(NamedTuple):
    """One entry of the vocabulary; its id is its place."""

    text: str
    score: float
    type: int


def write_model(
    pieces: list[SentencePiece],
    *,
    unk_id: int,
    bos_id: int,
    eos_id: int,
    space_prefix: bool,
    collapses_spaces: bool,
) -> bytes:
    """A BPE model of these pieces that normalizes nothing, as those of Llama and Mistral.

    Args:
        pieces: the vocabulary in order of ids.
        unk_id, bos_id, eos_id: ids; -1 for none.
        space_prefix: begin each text with a space.
        collapses_spaces: reduce runs of spaces to one.
    """
    byte_fallback = any(piece.type == BYTE for piece in pieces)
    trainer = [
        _integer(3, _BPE),
        _integer(4, len(pieces)),
        _integer(35, byte_fallback),
        _integer(40, unk_id),
        _integer(41, bos_id),
        _integer(42, eos_id),
        _integer(43, -1),
    ]
    normalizer = [
        _field(1, b"identity"),
        _integer(3, space_prefix),
        _integer(4, collapses_spaces),
        _integer(5, True),
    ]
    return b"".join(
        [
            *(_field(_PIECES, _write_piece(piece)) for piece in pieces),
            _field(_TRAINER, b"".join(trainer)),
            _field(_NORMALIZER, b"".join(normalizer)),
        ]
    )


def read_pieces(model: bytes) -> list[SentencePiece]:
    """The vocabulary of a model. Raises ValueError when the bytes are no such model."""
    pieces = []
    for number, content in _fields(model):
        if number == _PIECES and isinstance(content, bytes):
            values = dict(_fields(content))
            text, score = values.get(1, b""), values.get(2, b"\0" * 4)
            if not isinstance(text, bytes) or not isinstance(score, bytes):
                raise ValueError("a piece of the vocabulary is damaged")
            kind = values.get(3, NORMAL)
            pieces.append(SentencePiece(text.decode(), struct.unpack("<f", score)[0], int(kind)))
    if not pieces:
        raise ValueError("it holds no vocabulary")
    return pieces


def with_pieces(model: bytes, pieces: list[SentencePiece]) -> bytes:
    """The model with another vocabulary, everything else kept."""
    others = b"".join(
        _field(number, content) if isinstance(content, bytes) else _integer(number, content)
        for number, content in _fields(model)
        if number != _PIECES
    )
    return b"".join(_field(_PIECES, _write_piece(piece)) for piece in pieces) + others


def without_space_prefix(model: bytes) -> bytes:
    """The model for texts in the middle of another: they do not begin with a space of their own."""
    return model + _field(_NORMALIZER, _integer(3, False))


def has_space_prefix(model: bytes) -> bool:
    """Whether the model begins each text with a space; it does so unless it says otherwise."""
    prefix: int | bytes = 1
    for number, content in _fields(model):
        if number == _NORMALIZER and isinstance(content, bytes):
            prefix = dict(_fields(content)).get(3, prefix)
    return bool(prefix)


def _write_piece(piece: SentencePiece) -> bytes:
    score = _key(2, _FIXED32) + struct.pack("<f", piece.score)
    return _field(1, piece.text.encode()) + score + _integer(3, piece.type)


def _field(number: int, content: bytes) -> bytes:
    return _key(number, _BYTES) + _varint(len(content)) + content


def _integer(number: int, value: int) -> bytes:
    return _key(number, _VARINT) + _varint(value)


def _key(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    """Seven bits a byte, lowest first; negative numbers as 64-bit two's complement."""
    value &= (1 << 64) - 1
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field's number and content. Raises ValueError for what is no valid message."""
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            value, position = _read_varint(message, position)
            yield number, value
            continue
        if wire_type == _BYTES:
            length, position = _read_varint(message, position)
        elif wire_type in (_FIXED32, _FIXED64):
            length = 4 if wire_type == _FIXED32 else 8
        else:
            raise ValueError(f"unknown wire type {wire_type}")
        if position + length > len(message):
            raise ValueError("it ends in the middle of a field")
        yield number, message[position : position + length]
        position += length


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(message):
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("it ends in the middle of a number")
