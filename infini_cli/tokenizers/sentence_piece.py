"""Tokenizers described by a SentencePiece model (tokenizer.model), through the `sentencepiece` library."""

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from infini_cli.errors import ModelError
from infini_cli.tokenizers import model_proto
from infini_cli.tokenizers.base import BaseTokenizer, Declared
from infini_cli.tokenizers.detokenizing import word_piece_bytes
from infini_cli.tokenizers.markers import Marker, is_marker
from infini_cli.tokenizers.model_proto import SentencePiece


class SentencePieceTokenizer(BaseTokenizer):
    """A SentencePiece vocabulary, and the markers that a model's other files add to it.

    Args:
        model: the content of a tokenizer.model.
        declared: what the model's other files say.
        name: what to call the vocabulary in errors.

    Raises:
        ModelError: the model is damaged.
    """

    def __init__(self, model: bytes, declared: Declared, *, name: str) -> None:
        import sentencepiece

        try:
            pieces = model_proto.read_pieces(model)
            # the library finds user-defined pieces in any text, control pieces in none
            closed = [_closed(piece) for piece in pieces]
            text_model = model if closed == pieces else model_proto.with_pieces(model, closed)
            self._whole = sentencepiece.SentencePieceProcessor(model_proto=text_model)
            self._inner = sentencepiece.SentencePieceProcessor(
                model_proto=model_proto.without_space_prefix(text_model)
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise ModelError(f"{name} is not a valid SentencePiece model: {error}") from None
        markers = _markers(pieces, closed, declared)
        self._identity = (model, [(marker.id, marker.text) for marker in declared.markers])
        names = _named(self._whole.bos_id(), self._whole.eos_id(), pieces) | dict(declared.names)
        bos = markers.get(names.get("bos_token", ""))
        super().__init__(
            table=_table(closed, markers),
            markers=markers,
            declared=replace(declared, names=names),
            bos_id=bos.id if bos is not None and declared.adds_bos is not False else None,
            strips_first_space=model_proto.has_space_prefix(model),
        )

    @functools.cached_property
    def fingerprint(self) -> str:
        model, added = self._identity
        return hashlib.sha256(model + json.dumps(added).encode()).hexdigest()

    def _ids(self, text: str, *, first: bool) -> list[int]:
        ids: list[int] = (self._whole if first else self._inner).encode(text)
        return ids


def _closed(piece: SentencePiece) -> SentencePiece:
    """The piece as it must be so that a text cannot spell a marker."""
    if piece.type == model_proto.USER_DEFINED and is_marker(piece.text, special=False):
        return piece._replace(type=model_proto.CONTROL)
    return piece


def _markers(
    pieces: Sequence[SentencePiece], closed: Sequence[SentencePiece], declared: Declared
) -> dict[str, Marker]:
    """Every marker by its text."""
    markers = {
        piece.text: Marker(index, piece.text, special=pieces[index].type == model_proto.CONTROL)
        for index, piece in enumerate(closed)
        if piece.type == model_proto.CONTROL
    }
    return markers | {marker.text: marker for marker in declared.markers}


def _named(bos_id: int, eos_id: int, pieces: Sequence[SentencePiece]) -> dict[str, str]:
    """The variables of chat templates that the model itself defines."""
    names = {"bos_token": bos_id, "eos_token": eos_id}
    return {name: pieces[index].text for name, index in names.items() if index >= 0}


def _table(pieces: Sequence[SentencePiece], markers: dict[str, Marker]) -> list[bytes]:
    """What each id spells."""
    silent = (model_proto.CONTROL, model_proto.UNKNOWN)
    table = [b"" if piece.type in silent else word_piece_bytes(piece.text) for piece in pieces]
    table += [b""] * (1 + max((marker.id for marker in markers.values()), default=-1) - len(table))
    for marker in markers.values():
        table[marker.id] = b"" if marker.special else marker.text.encode()
    return table
