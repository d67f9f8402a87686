"""A model's tokenizer from the files beside its weights, or from inside its GGUF file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infini_cli.errors import ModelError
from infini_cli.gguf_file import GGUFFile
from infini_cli.tokenizers import gguf_vocabulary
from infini_cli.tokenizers.base import Declared
from infini_cli.tokenizers.bpe import BPETokenizer
from infini_cli.tokenizers.markers import Marker
from infini_cli.tokenizers.protocol import Tokenizer
from infini_cli.tokenizers.sentence_piece import SentencePieceTokenizer

TOKENIZER_JSON = "tokenizer.json"
TOKENIZER_MODEL = "tokenizer.model"
CONFIG = "tokenizer_config.json"
_TEMPLATE_FILE = "chat_template.jinja"
_FLAGS = {"special": True, "lstrip": False, "rstrip": False}  # with their defaults
_TEMPLATE_VARIABLES = ("bos_token", "eos_token", "unk_token", "pad_token")


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a Hugging Face folder (tokenizer.json, else tokenizer.model) or of a GGUF file.

    Raises:
        ModelError: no tokenizer there, or one that is damaged or of an unsupported kind.
    """
    if path.is_dir():
        declared = _declared_in(path)
        if (path / TOKENIZER_JSON).is_file():
            file = path / TOKENIZER_JSON
            return BPETokenizer(_read_json(file), declared, name=str(file))
        if (path / TOKENIZER_MODEL).is_file():
            file = path / TOKENIZER_MODEL
            return SentencePieceTokenizer(_read(file), declared, name=str(file))
        raise ModelError(
            f"{path} has no tokenizer",
            hint=f"supported: {TOKENIZER_JSON} or {TOKENIZER_MODEL} in the model's folder",
        )
    gguf = GGUFFile(path)
    declared = gguf_vocabulary.declared(gguf)
    if gguf_vocabulary.tokenizer_kind(gguf) == "gpt2":
        return BPETokenizer(gguf_vocabulary.tokenizer_json(gguf), declared, name=str(path))
    return SentencePieceTokenizer(gguf_vocabulary.sentence_piece_model(gguf), declared, name=str(path))


def save_gguf_tokenizer(file: GGUFFile, folder: Path) -> None:
    """Write the tokenizer of a GGUF file into a folder, in the form that `load_tokenizer` reads there.

    Raises:
        ModelError: the tokenizer is damaged or of an unsupported kind.
        OSError: the folder cannot be written.
    """
    declared = gguf_vocabulary.declared(file)
    if gguf_vocabulary.tokenizer_kind(file) == "gpt2":
        _write_json(folder / TOKENIZER_JSON, gguf_vocabulary.tokenizer_json(file))
    else:
        (folder / TOKENIZER_MODEL).write_bytes(gguf_vocabulary.sentence_piece_model(file))
    config = {**declared.names, "add_bos_token": declared.adds_bos, "clean_up_tokenization_spaces": False}
    if declared.chat_template is not None:
        config["chat_template"] = declared.chat_template
    _write_json(folder / CONFIG, config)
    _write_json(folder / "generation_config.json", {"eos_token_id": sorted(declared.eos_ids)})


def _declared_in(folder: Path) -> Declared:
    """What the JSON files of a Hugging Face folder say about special tokens; all of them are optional."""
    config = _read_json(folder / CONFIG, missing={})
    # special_tokens_map.json and added_tokens.json are where older files keep what is now in the config
    named = {**_read_json(folder / "special_tokens_map.json", missing={}), **config}
    ends: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        value = _read_json(folder / name, missing={}).get("eos_token_id")
        ends |= set(value if isinstance(value, list) else [value]) - {None}
    try:
        names = {name: _content(named[name]) for name in _TEMPLATE_VARIABLES if named.get(name) is not None}
        added = [
            _marker(int(index), token) for index, token in config.get("added_tokens_decoder", {}).items()
        ]
        older = _read_json(folder / "added_tokens.json", missing={})
        known = {marker.text for marker in added}
        added += [Marker(index, text) for text, index in older.items() if text not in known]
        return Declared(
            chat_template=_chat_template(folder, config),
            names=names,
            adds_bos=config.get("add_bos_token"),
            eos_ids=frozenset(int(end) for end in ends),
            markers=tuple(added),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{folder / CONFIG} is not as expected: {error!r}") from None


def _marker(index: int, token: Mapping[str, Any]) -> Marker:
    flags = (bool(token.get(flag, default)) for flag, default in _FLAGS.items())
    return Marker(index, token["content"], *flags)


def _content(token: str | dict[str, Any]) -> str:
    """A special token's text, which is written either as such or within its properties."""
    return token if isinstance(token, str) else str(token["content"])


def _chat_template(folder: Path, config: dict[str, Any]) -> str | None:
    """The template in its own file, or in the config: alone, or as the one named "default"."""
    file = folder / _TEMPLATE_FILE
    if file.is_file():
        return _read(file).decode(errors="replace")
    template = config.get("chat_template")
    if isinstance(template, list):
        return {entry["name"]: str(entry["template"]) for entry in template}.get("default")
    return template


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}") from None


def _read_json(file: Path, *, missing: dict[str, Any] | None = None) -> dict[str, Any]:
    """The object in a JSON file, or `missing` where there is no such file."""
    if missing is not None and not file.is_file():
        return missing
    try:
        content = json.loads(_read(file))
    except ValueError as error:
        raise ModelError(f"{file} is not valid JSON: {error}", hint="fetch the file again") from None
    if not isinstance(content, dict):
        raise ModelError(f"{file} does not hold a JSON object")
    return content


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
