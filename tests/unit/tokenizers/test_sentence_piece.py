"""SentencePiece models give the ids of the sentencepiece library and of transformers, also out of a GGUF."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sentencepiece
from sentencepiece import SentencePieceProcessor

from infini_cli.errors import ModelError
from infini_cli.gguf_file import GGUFFile
from infini_cli.tokenizers import load_tokenizer, save_gguf_tokenizer
from infini_cli.tokenizers.model_proto import CONTROL, NORMAL, USER_DEFINED, read_pieces, with_pieces


@pytest.fixture
def folder(tmp_path: Path, sentence_piece_model: bytes) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    (path / "tokenizer.model").write_bytes(sentence_piece_model)
    return path


@pytest.fixture
def gguf(write_gguf: Callable[..., Path], sentence_piece_model: bytes) -> Path:
    """The same vocabulary as llama.cpp stores it."""
    library = SentencePieceProcessor(model_proto=sentence_piece_model)
    tokens, scores, types = [], [], []
    for index in range(library.get_piece_size()):
        tokens.append(library.id_to_piece(index))
        scores.append(library.get_score(index))
        kinds = [library.is_unknown(index), library.is_control(index), library.is_byte(index)]
        types.append((2, 3, 6)[kinds.index(True)] if any(kinds) else 1)
    return write_gguf(
        tokens=tokens, model="llama", scores=scores, types=types, unk=0, bos=1, eos=2, space_prefix=True
    )


def test_ids_of_a_megabyte_equal_those_of_transformers(folder: Path, megabyte: str) -> None:
    import transformers

    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
    peer = transformers.LlamaTokenizer.from_pretrained(folder)

    ids = load_tokenizer(folder).encode(megabyte)

    assert ids == peer.encode(megabyte, add_special_tokens=False)


def test_ids_of_a_megabyte_equal_those_of_sentencepiece(
    folder: Path, sentence_piece_model: bytes, megabyte: str
) -> None:
    ours = load_tokenizer(folder)

    ids = ours.encode(megabyte)

    assert ids == SentencePieceProcessor(model_proto=sentence_piece_model).encode(megabyte)
    assert ours.decode(ids) == megabyte.replace("▁", " ")  # a vocabulary of this kind cannot tell them apart


def test_tokenizer_json_of_this_kind_is_read_alike(folder: Path, tmp_path: Path, megabyte: str) -> None:
    import transformers

    template = "{{ bos_token }}[INST] {{ messages[0].content }} [/INST]"
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "chat_template": template})
    )
    peer = transformers.LlamaTokenizer.from_pretrained(folder)
    peer.save_pretrained(tmp_path / "json")
    by_model, by_json = load_tokenizer(folder), load_tokenizer(tmp_path / "json")
    messages = [{"role": "user", "content": "the memory"}]

    ids = by_json.encode(megabyte)

    assert ids == by_model.encode(megabyte)
    assert by_json.decode(ids) == by_model.decode(ids)
    assert by_json.bos_id == by_model.bos_id == 1
    assert by_json.encode_chat(messages) == peer.apply_chat_template(messages)["input_ids"]


def test_model_rebuilt_from_gguf_gives_the_same_ids(
    gguf: Path, sentence_piece_model: bytes, megabyte: str
) -> None:
    ours = load_tokenizer(gguf)

    assert ours.encode(megabyte) == SentencePieceProcessor(model_proto=sentence_piece_model).encode(megabyte)
    assert (ours.bos_id, ours.eos_ids, ours.vocab_size) == (1, {2}, 2000)


def test_folder_written_from_gguf_is_the_same_tokenizer(gguf: Path, tmp_path: Path, megabyte: str) -> None:
    saved = tmp_path / "saved"
    saved.mkdir()
    save_gguf_tokenizer(GGUFFile(gguf), saved)

    direct, again = load_tokenizer(gguf), load_tokenizer(saved)

    assert again.encode(megabyte[:50_000]) == direct.encode(megabyte[:50_000])
    assert again.fingerprint == direct.fingerprint
    assert (again.bos_id, again.eos_ids) == (direct.bos_id, direct.eos_ids)


def test_user_defined_markers_cannot_be_written_by_a_text_but_spaces_can(
    folder: Path, sentence_piece_model: bytes
) -> None:
    pieces = read_pieces(sentence_piece_model)
    pieces[-2] = pieces[-2]._replace(text="<|user|>", type=USER_DEFINED)
    pieces[-1] = pieces[-1]._replace(text="▁" * 9, type=USER_DEFINED)
    (folder / "tokenizer.model").write_bytes(with_pieces(sentence_piece_model, pieces))
    tokenizer = load_tokenizer(folder)
    marker, spaces = 1998, 1999

    assert marker not in tokenizer.encode("a <|user|> b")
    assert spaces in tokenizer.encode("a" + " " * 9 + "b")
    assert tokenizer.decode(tokenizer.encode("a <|user|> b")) == "a <|user|> b"


def test_added_tokens_of_the_config_join_the_vocabulary(folder: Path) -> None:
    added = {
        "2000": {"content": "<|im_start|>", "special": True},
        "2001": {"content": "<|im_end|>", "special": True, "rstrip": True},
    }
    template = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>\n{% endfor %}"
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"added_tokens_decoder": added, "chat_template": template, "eos_token": "<|im_end|>"})
    )
    tokenizer = load_tokenizer(folder)

    ids = tokenizer.encode_chat([{"role": "user", "content": "the memory"}])

    assert (ids[0], ids[-1]) == (2000, 2001)
    assert tokenizer.vocab_size == 2002
    assert 2001 in tokenizer.eos_ids
    assert tokenizer.decode(ids) == "the memory"


def test_chat_equals_transformers_around_special_tokens(folder: Path) -> None:
    import transformers

    template = (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
        "{% else %} {{ m.content }} {{ eos_token }}{% endif %}{% endfor %}"
    )
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "LlamaTokenizer", "legacy": False, "chat_template": template})
    )
    messages = [
        {"role": "user", "content": "What came before?"},
        {"role": "assistant", "content": "the memory"},
        {"role": "user", "content": "again"},
    ]

    ids = load_tokenizer(folder).encode_chat(messages)

    peer = transformers.LlamaTokenizer.from_pretrained(folder)
    assert ids == peer.apply_chat_template(messages)["input_ids"]


def test_unknown_characters_become_bytes(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    text = "\U0001f9ff\U000e0041"

    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("damage", [b"", b"\x0a\xff\xff", b"not a model"])
def test_damaged_model_is_a_model_error(damage: bytes, folder: Path) -> None:
    (folder / "tokenizer.model").write_bytes(damage)

    with pytest.raises(ModelError, match="not a valid SentencePiece model"):
        load_tokenizer(folder)


def test_truncated_model_is_a_model_error(folder: Path, sentence_piece_model: bytes) -> None:
    (folder / "tokenizer.model").write_bytes(sentence_piece_model[:-7])

    with pytest.raises(ModelError):
        load_tokenizer(folder)


def test_pieces_survive_reading_and_writing(sentence_piece_model: bytes) -> None:
    pieces = read_pieces(sentence_piece_model)
    library = SentencePieceProcessor(model_proto=sentence_piece_model)

    assert [piece.text for piece in pieces] == [library.id_to_piece(i) for i in range(len(pieces))]
    assert [piece.score for piece in pieces] == [library.get_score(i) for i in range(len(pieces))]
    assert {piece.type for piece in pieces} >= {NORMAL, CONTROL}
    assert read_pieces(with_pieces(sentence_piece_model, pieces)) == pieces
    assert sentencepiece.SentencePieceProcessor(model_proto=with_pieces(sentence_piece_model, pieces)).encode(
        "the memory"
    ) == library.encode("the memory")
