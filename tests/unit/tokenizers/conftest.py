"""Texts of every kind, and vocabularies trained on them."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WORDS = "the memory of a segment holds what came before it Segments reading MEMORY naïve café Straße".split()
CODE = [
    "def f(x):\n\treturn x[1:]",
    "for(int i=0;i<n;++i){\r\n    a[i]+=2;\r\n}",
    "</div><p class='x'>",
    "a != b && c",
]
EMOJI = ["😀", "👩‍👩‍👧", "🏳️‍🌈", "👍🏽", "🇳🇴", "☕️"]
FOREIGN = [
    "記憶は有限です。",
    "无限注意力",
    "한국어 문장",
    "память",
    "ذاكرة طويلة",
    "हिन्दी",
    "ไทยไม่มีช่องว่าง",
    "ἀρχή",
]
COMBINED = ["e\u0301", "A\u030a", "\u1e9b\u0323", "q\u0307\u0323", "\ufb01ne", "\u2460", "\uff21\uff22"]
QUOTED = ["it's", "we'LL", "don’t", "I'd've", "--", "…", "“so”", "▁", "a▁b", "C:\\x", "[INST", "<s", "<0x41>"]


def random_text(bytes_wanted: int, seed: int) -> str:
    """Prose, code, digits, emoji, scripts, control characters and runs of white space in random order."""
    rng = random.Random(seed)
    kinds: list[Callable[[], str]] = [
        lambda: " ".join(rng.choices(WORDS, k=rng.randint(1, 12))) + rng.choice([".", "?", ", ", ";\n"]),
        lambda: rng.choice(CODE),
        lambda: str(rng.randint(0, 10 ** rng.randint(1, 18))),
        lambda: f"{rng.random():.{rng.randint(1, 9)}f}%",
        lambda: "".join(rng.choices(EMOJI, k=rng.randint(1, 4))),
        lambda: rng.choice(FOREIGN),
        lambda: rng.choice(COMBINED),
        lambda: rng.choice(QUOTED),
        lambda: rng.choice(" \t\n\r\u00a0\u3000\u2028") * rng.randint(1, 20),
        lambda: "".join(rng.choices(" \n\t", k=rng.randint(1, 9))),
        lambda: chr(rng.choice([*range(32), 127, 0x85, 0xAD, 0x200B, 0x200E, 0xFEFF, 0xFFFD])),
        lambda: chr(rng.choice([rng.randint(0xA1, 0xD7FF), rng.randint(0xE000, 0x10FFFF)])),
        lambda: rng.choice("=-*#_") * rng.randint(1, 40),
    ]
    parts, size = [], 0
    while size < bytes_wanted:
        part = rng.choice(kinds)() + rng.choice(["", "", " "])
        parts.append(part)
        size += len(part.encode())
    return "".join(parts)


@pytest.fixture(scope="session")
def megabyte() -> str:
    return random_text(1_000_000, seed=7)


@pytest.fixture(scope="session")
def byte_level_vocabulary() -> tuple[list[str], list[str]]:
    """Tokens in order of ids, and merges, of a byte-level BPE vocabulary; the first three are ChatML's."""
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, trainers

    trained = tokenizers.Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1500,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator([random_text(200_000, seed=1)], trainer)
    model = json.loads(trained.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return tokens, [" ".join(pair) for pair in model["merges"]]


@pytest.fixture(scope="session")
def sentence_piece_model() -> bytes:
    """A SentencePiece model with the settings of Llama 2's: BPE, byte fallback, no normalization."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(random_text(300_000, seed=2).splitlines()),
        model_writer=model,
        model_type="bpe",
        vocab_size=2000,
        character_coverage=0.99,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        minloglevel=2,
        num_threads=1,
    )
    return model.getvalue()


@pytest.fixture
def write_gguf(tmp_path: Path) -> Callable[..., Path]:
    """`write_gguf(tokens=[…], model="gpt2", …)` writes a GGUF file that holds nothing but a tokenizer."""
    import gguf

    def write(*, tokens: list[str], model: str, **values: Any) -> Path:
        path = tmp_path / "tokenizer.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_tokenizer_model(model)
        writer.add_token_list(tokens)
        setters = {
            "pre": writer.add_tokenizer_pre,
            "merges": writer.add_token_merges,
            "types": writer.add_token_types,
            "scores": writer.add_token_scores,
            "bos": writer.add_bos_token_id,
            "eos": writer.add_eos_token_id,
            "unk": writer.add_unk_token_id,
            "add_bos": writer.add_add_bos_token,
            "space_prefix": writer.add_add_space_prefix,
            "template": writer.add_chat_template,
        }
        for name, value in values.items():
            setters[name](value)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return write
