"""The vocabulary inside a GGUF file, as the description that its tokenizer library takes."""

from typing import Any

from infini_cli.errors import ModelError
from infini_cli.gguf_file import GGUFFile
from infini_cli.tokenizers.base import Declared
from infini_cli.tokenizers.model_proto import CONTROL, UNUSED, USER_DEFINED, SentencePiece, write_model
from infini_cli.tokenizers.pre_tokenizers import scheme

# token types of GGUF files are those of SentencePiece
_ADDED = (CONTROL, USER_DEFINED)

# what chat templates call the special tokens, and what GGUF does
_NAMED = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}


def tokenizer_kind(file: GGUFFile) -> str:
    """ "gpt2" (byte-level BPE) or "llama" (SentencePiece BPE). Raises ModelError for any other."""
    kind = str(file.value("tokenizer.ggml.model"))
    if kind not in ("gpt2", "llama"):
        raise ModelError(f"{file.path} has a tokenizer of kind {kind!r}", hint="supported: gpt2, llama")
    return kind


def declared(file: GGUFFile) -> Declared:
    """What the metadata says about special tokens."""
    tokens = file.value("tokenizer.ggml.tokens")
    ids = {name: file.value(f"tokenizer.ggml.{key}_token_id", None) for name, key in _NAMED.items()}
    if out_of_range := [index for index in ids.values() if index is not None and index >= len(tokens)]:
        raise ModelError(f"{file.path} names a special token {out_of_range[0]} of {len(tokens)} tokens")
    ends = {file.value(f"tokenizer.ggml.{key}_token_id", None) for key in ("eos", "eot", "eom")}
    adds_bos = file.value("tokenizer.ggml.add_bos_token", None)
    if adds_bos is None:
        spm = tokenizer_kind(file) == "llama"
        adds_bos = spm or scheme(file.value("tokenizer.ggml.pre", None)).adds_bos
    return Declared(
        chat_template=file.value("tokenizer.chat_template", None),
        names={name: tokens[index] for name, index in ids.items() if index is not None},
        adds_bos=bool(adds_bos),
        eos_ids=frozenset(end for end in ends if end is not None),
    )


def tokenizer_json(file: GGUFFile) -> dict[str, Any]:
    """The content of a tokenizer.json for a byte-level BPE vocabulary.

    Raises:
        ModelError: unknown pre-tokenizer, or lists of different lengths.
    """
    how = scheme(file.value("tokenizer.ggml.pre", None))
    tokens = file.value("tokenizer.ggml.tokens")
    types = file.value("tokenizer.ggml.token_type", [])
    if types and len(types) != len(tokens):
        raise ModelError(f"{file.path} has {len(tokens)} tokens but {len(types)} token types")
    added = [index for index, kind in enumerate(types) if kind in _ADDED]
    # places without a token, and added tokens at the end, stay out of the vocabulary proper, where texts look
    end = len(tokens)
    for kinds in ((UNUSED,), _ADDED):
        while types and end and types[end - 1] in kinds:
            end -= 1
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added_token(index, tokens[index], types[index]) for index in added],
        "normalizer": how.normalizer,
        "pre_tokenizer": how.pre_tokenizer,
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": how.ignore_merges,
            "vocab": {token: index for index, token in enumerate(tokens[:end])},
            "merges": [merge.split(" ", 1) for merge in file.value("tokenizer.ggml.merges")],
        },
    }


def sentence_piece_model(file: GGUFFile) -> bytes:
    """The content of a tokenizer.model for a SentencePiece BPE vocabulary.

    Raises:
        ModelError: lists of different lengths.
    """
    tokens = file.value("tokenizer.ggml.tokens")
    scores = file.value("tokenizer.ggml.scores")
    types = file.value("tokenizer.ggml.token_type")
    if not len(tokens) == len(scores) == len(types):
        raise ModelError(
            f"{file.path} has {len(tokens)} tokens, {len(scores)} scores and {len(types)} token types"
        )
    return write_model(
        [SentencePiece(*piece) for piece in zip(tokens, scores, types, strict=True)],
        unk_id=file.value("tokenizer.ggml.unknown_token_id", 0),
        bos_id=file.value("tokenizer.ggml.bos_token_id", -1),
        eos_id=file.value("tokenizer.ggml.eos_token_id", -1),
        space_prefix=file.value("tokenizer.ggml.add_space_prefix", True),
        collapses_spaces=file.value("tokenizer.ggml.remove_extra_whitespaces", False),
    )


def _added_token(index: int, text: str, kind: int) -> dict[str, Any]:
    return {
        "id": index,
        "content": text,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": kind == CONTROL,
    }
