"""Tokenizers described by a tokenizer.json, through the `tokenizers` library."""

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from infini_cli.errors import ModelError
from infini_cli.tokenizers.base import BaseTokenizer, Declared
from infini_cli.tokenizers.detokenizing import byte_level_alphabet, byte_level_bytes, word_piece_bytes
from infini_cli.tokenizers.markers import Marker, is_marker

# the parts of a tokenizer.json that decide which ids a text gets
_DEFINING = ("normalizer", "pre_tokenizer", "added_tokens", "model")


class BPETokenizer(BaseTokenizer):
    """A byte-pair tokenizer, over bytes as GPT-2's or over characters with byte fallback as Llama 2's.

    Args:
        description: the content of a tokenizer.json.
        declared: what the model's other files say.
        name: what to call the vocabulary in errors.

    Raises:
        ModelError: not a BPE vocabulary, or one whose decoder is of another kind, or not valid at all.
    """

    def __init__(self, description: Mapping[str, Any], declared: Declared, *, name: str) -> None:
        import tokenizers

        try:
            self._defining: dict[str, Any] = {key: description.get(key) for key in _DEFINING}
            model = description["model"]
            if model.get("type", "BPE") != "BPE":
                raise ModelError(
                    f"{name} holds a {model['type']} vocabulary",
                    hint="supported: BPE vocabularies, and tokenizer.model",
                )
            byte_level = _is_byte_level(description.get("decoder"), name)
            added = [_added_token(token) for token in description.get("added_tokens", [])]
            # dropout is for training: it would give a text different ids each time
            self._whole = tokenizers.Tokenizer.from_str(
                json.dumps({**description, "model": {**model, "dropout": None}})
            )
            for marker, _ in added:
                if self._whole.token_to_id(marker.text) != marker.id:
                    raise ModelError(f"{name} gives the added token {marker.text!r} an id that is not free")
        except ModelError:
            raise
        except Exception as error:
            # the library raises bare Exception for what it does not accept
            raise ModelError(f"{name} is not a valid tokenizer description: {error}") from None
        markers = {marker.text: marker for marker, is_text in added if not is_text}
        bos_id = _bos_id(self._whole, markers, declared)
        self._inner = _without_first_prefix(self._whole)
        for tokenizer in (self._whole, self._inner):
            tokenizer.no_truncation()
            tokenizer.no_padding()
            # from here on the library looks for markers nowhere, so that a text cannot forge one
            tokenizer.add_special_tokens([*markers])
            tokenizer.encode_special_tokens = True
        super().__init__(
            table=_table(model["vocab"], [marker for marker, _ in added], byte_level=byte_level),
            markers=markers,
            declared=declared,
            bos_id=bos_id,
            strips_first_space=not byte_level,
        )

    @functools.cached_property
    def fingerprint(self) -> str:
        # parsed and written again, so that the same vocabulary counts as the same whatever wrote the file
        model: dict[str, Any] = dict(self._defining["model"])
        model["merges"] = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
        text = json.dumps({**self._defining, "model": model}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _ids(self, text: str, *, first: bool) -> list[int]:
        tokenizer = self._whole if first else self._inner
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def _is_byte_level(decoder: Mapping[str, Any] | None, name: str) -> bool:
    """Whether tokens spell bytes by GPT-2's alphabet (True) or as SentencePiece does (False)."""
    steps = (decoder or {}).get("decoders", [decoder or {}])
    kinds = {step.get("type") for step in steps}
    if "ByteLevel" in kinds:
        return True
    if kinds & {"ByteFallback", "Metaspace"}:
        return False
    raise ModelError(
        f"{name} has an unknown decoder: {', '.join(sorted(map(str, kinds)))}",
        hint="supported: ByteLevel, ByteFallback, Metaspace",
    )


def _added_token(token: Mapping[str, Any]) -> tuple[Marker, bool]:
    """An added token, and whether it is ordinary text with a token of its own."""
    text, special = token["content"], bool(token["special"])
    marker = Marker(token["id"], text, special, bool(token["lstrip"]), bool(token["rstrip"]))
    return marker, not is_marker(text, special=special)


def _table(vocab: Mapping[str, int], added: list[Marker], *, byte_level: bool) -> list[bytes]:
    """What each id spells."""
    alphabet = byte_level_alphabet()
    table = [b""] * (1 + max([*vocab.values(), *(token.id for token in added)], default=-1))
    for token, index in vocab.items():
        table[index] = byte_level_bytes(token, alphabet) if byte_level else word_piece_bytes(token)
    for marker in added:
        table[marker.id] = b"" if marker.special else marker.text.encode()
    return table


def _bos_id(tokenizer: Any, markers: Mapping[str, Marker], declared: Declared) -> int | None:
    """The token that begins every text: declared, or what the vocabulary's own post-processor puts there."""
    if declared.adds_bos is None:
        ids = tokenizer.encode("", add_special_tokens=True).ids
        eos = markers.get(declared.names.get("eos_token", ""))
        return ids[0] if ids and (eos is None or ids[0] != eos.id) else None
    bos = markers.get(declared.names.get("bos_token", ""))
    return bos.id if declared.adds_bos and bos is not None else None


def _without_first_prefix(tokenizer: Any) -> Any:
    """The tokenizer for texts within a conversation: without the space that only a first word is given."""
    import tokenizers

    description = json.loads(tokenizer.to_str()) if "Metaspace" in repr(tokenizer.pre_tokenizer) else {}
    steps = description.get("pre_tokenizer") or {}
    changed = False
    for step in steps.get("pretokenizers", [steps]):
        if step.get("type") == "Metaspace" and step.get("prepend_scheme") == "first":
            step["prepend_scheme"] = "never"
            changed = True
    if not changed:
        return tokenizer
    return tokenizers.Tokenizer.from_str(json.dumps(description))
