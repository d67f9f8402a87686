"""Byte-level vocabularies give the ids that Hugging Face transformers gives."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infini_cli.errors import ModelError
from infini_cli.gguf_file import GGUFFile
from infini_cli.tokenizers import load_tokenizer, save_gguf_tokenizer

CONTROL, NORMAL, USER_DEFINED, UNUSED = 3, 1, 4, 5

Vocabulary = tuple[list[str], list[str]]


def peer(scheme: str, vocabulary: Vocabulary) -> Any:
    """The tokenizer that transformers itself builds for this kind of model."""
    import transformers
    from tokenizers import pre_tokenizers
    from transformers.convert_slow_tokenizer import TikTokenConverter

    tokens, merges = vocabulary
    parts = {
        "vocab": {token: index for index, token in enumerate(tokens)},
        "merges": [tuple(merge.split(" ")) for merge in merges],
    }
    if scheme == "qwen2":
        return transformers.Qwen2Tokenizer(**parts)
    if scheme == "llama-bpe":

        class Converter(TikTokenConverter):
            """Llama 3's, which would read ranks from a tiktoken file."""

            def extract_vocab_merges_from_model(self, tiktoken_url: str) -> Any:
                return parts["vocab"], parts["merges"]

        return transformers.PreTrainedTokenizerFast(tokenizer_object=Converter().converted())
    tokenizer = transformers.GPT2Tokenizer(**parts)
    if scheme == "smollm":
        # as in the tokenizer.json published with SmolLM2
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    return tokenizer


@pytest.fixture
def gguf(write_gguf: Callable[..., Path], byte_level_vocabulary: Vocabulary) -> Callable[..., Path]:
    tokens, merges = byte_level_vocabulary
    types = [CONTROL] * 3 + [NORMAL] * (len(tokens) - 3)

    def write(pre: str, **values: Any) -> Path:
        return write_gguf(
            **{"tokens": tokens, "model": "gpt2", "pre": pre, "merges": merges, "types": types, **values}
        )

    return write


@pytest.mark.parametrize("scheme", ["smollm", "gpt-2", "llama-bpe", "qwen2"])
def test_ids_of_a_megabyte_equal_those_of_transformers(
    scheme: str, gguf: Callable[..., Path], byte_level_vocabulary: Vocabulary, megabyte: str
) -> None:
    ours = load_tokenizer(gguf(scheme))

    ids = ours.encode(megabyte)

    assert ids == peer(scheme, byte_level_vocabulary).encode(megabyte, add_special_tokens=False)
    if scheme != "qwen2":  # whose normalizer changes the text
        assert ours.decode(ids) == megabyte


def test_default_is_that_of_gpt_2(gguf: Callable[..., Path], megabyte: str) -> None:
    default, gpt_2 = (
        load_tokenizer(gguf(scheme)).encode(megabyte[:20_000]) for scheme in ("default", "gpt-2")
    )

    assert default == gpt_2


def test_each_scheme_cuts_differently(gguf: Callable[..., Path], megabyte: str) -> None:
    schemes = ("gpt-2", "smollm", "llama-bpe", "qwen2")

    ids = {tuple(load_tokenizer(gguf(scheme)).encode(megabyte[:20_000])) for scheme in schemes}

    assert len(ids) == len(schemes)


def test_folder_written_from_gguf_is_the_same_tokenizer(
    gguf: Callable[..., Path], tmp_path: Path, megabyte: str
) -> None:
    source = gguf("smollm", bos=1, eos=2, template="{{ messages[0].content }}")
    folder = tmp_path / "folder"
    folder.mkdir()
    save_gguf_tokenizer(GGUFFile(source), folder)

    direct, saved = load_tokenizer(source), load_tokenizer(folder)

    assert saved.encode(megabyte[:50_000]) == direct.encode(megabyte[:50_000])
    assert saved.fingerprint == direct.fingerprint
    assert (saved.bos_id, saved.eos_ids, saved.chat_template) == (None, {0, 2}, "{{ messages[0].content }}")
    assert (direct.bos_id, direct.eos_ids) == (None, {0, 2})
    assert direct.vocab_size == saved.vocab_size == 1500


def test_fingerprint_follows_what_decides_ids(gguf: Callable[..., Path], tmp_path: Path) -> None:
    prints = []
    for scheme, template in (("smollm", "a"), ("smollm", "b"), ("qwen2", "a")):
        prints.append(load_tokenizer(gguf(scheme, template=template)).fingerprint)

    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(("adds", "expected"), [(True, 1), (False, None), (None, None)])
def test_bos_only_where_texts_begin_with_it(
    adds: bool | None, expected: int | None, gguf: Callable[..., Path]
) -> None:
    values = {"bos": 1} if adds is None else {"bos": 1, "add_bos": adds}

    assert load_tokenizer(gguf("smollm", **values)).bos_id == expected


def test_llama_3_adds_bos_unless_told_otherwise(gguf: Callable[..., Path]) -> None:
    assert load_tokenizer(gguf("llama-bpe", bos=1)).bos_id == 1
    assert load_tokenizer(gguf("llama-bpe", bos=1, add_bos=False)).bos_id is None


def test_bos_from_the_post_processor_of_tokenizer_json(gguf: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    save_gguf_tokenizer(GGUFFile(gguf("llama-bpe")), folder)
    (folder / "tokenizer_config.json").unlink()
    description = json.loads((folder / "tokenizer.json").read_text())
    bos = "<|im_start|>"
    description["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": bos, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {bos: {"id": bos, "ids": [1], "tokens": [bos]}},
    }
    (folder / "tokenizer.json").write_text(json.dumps(description))

    tokenizer = load_tokenizer(folder)

    assert tokenizer.bos_id == 1
    assert 1 not in tokenizer.encode("text")


def test_truncation_padding_and_dropout_of_the_file_are_not_applied(
    gguf: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    save_gguf_tokenizer(GGUFFile(gguf("smollm")), folder)
    expected = load_tokenizer(folder).encode("reading " * 50)
    description = json.loads((folder / "tokenizer.json").read_text())
    description["truncation"] = {
        "direction": "Right",
        "max_length": 5,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    description["padding"] = {
        "strategy": {"Fixed": 1000},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "<|endoftext|>",
    }
    description["model"]["dropout"] = 0.5
    (folder / "tokenizer.json").write_text(json.dumps(description))

    assert load_tokenizer(folder).encode("reading " * 50) == expected


def test_added_tokens_after_the_vocabulary_keep_their_ids(
    gguf: Callable[..., Path], byte_level_vocabulary: Vocabulary
) -> None:
    tokens = [*byte_level_vocabulary[0], "<|user|>", "<think>", "    ", "[PAD0]", "[PAD1]"]
    types = [CONTROL] * 3 + [NORMAL] * 1497 + [CONTROL, USER_DEFINED, USER_DEFINED, UNUSED, UNUSED]
    tokenizer = load_tokenizer(gguf("smollm", tokens=tokens, types=types))

    assert tokenizer.vocab_size == 1503
    assert tokenizer.encode("a    b")[1] == 1502  # white space is text, whoever added the token
    assert not {1500, 1501} & set(tokenizer.encode("<|user|><think>"))
    assert tokenizer.decode([1500, 1501, 1502]) == "<think>    "


def test_unknown_pre_tokenizer_is_named_with_those_supported(gguf: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="'falcon9'") as caught:
        load_tokenizer(gguf("falcon9"))

    assert "smollm" in str(caught.value.hint)


def test_lists_of_different_lengths_are_an_error(gguf: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="1500 tokens but 2 token types"):
        load_tokenizer(gguf("smollm", types=[1, 1]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"model": {', "not valid JSON"),
        (b"[1]", "JSON object"),
        (b'{"decoder": {"type": "ByteLevel"}}', "not a valid tokenizer"),
        (b'{"model": {"type": "WordPiece", "vocab": {}}}', "WordPiece"),
        (
            b'{"model": {"type": "BPE", "vocab": {}}, "decoder": {"type": "WordPiece"}}',
            "unknown decoder: WordPiece",
        ),
    ],
)
def test_damaged_tokenizer_json_is_a_model_error(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)

    with pytest.raises(ModelError, match=message):
        load_tokenizer(tmp_path)


def test_folder_without_tokenizer_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no tokenizer"):
        load_tokenizer(tmp_path)
