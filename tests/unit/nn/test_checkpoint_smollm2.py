"""The real SmolLM2 computes, writes and tokenizes what transformers makes of the same files."""

import time
from pathlib import Path
from typing import Any

import pytest
import torch

from infini_cli import zoo
from infini_cli.nn.checkpoint import load_base
from infini_cli.nn.window import Window
from infini_cli.tokenizers import load_tokenizer
from tests.unit.tokenizers.conftest import random_text

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]

NAME = "smollm2-135m-instruct"
PROMPTS = [
    "What is the capital of France?",
    "Write two sentences about the sea.",
    "def fibonacci(n):",
    "List three colours.",
    "Who wrote Pride and Prejudice, and when?",
]
NEW_TOKENS = 50


@pytest.fixture(scope="module")
def gguf() -> Path:
    """The GGUF file of the pulled model; found before a test gets a home of its own."""
    model = zoo.show(NAME)
    if model.folder is None:
        pytest.skip(f"needs the default model: infini models pull {NAME}")
    return next(model.folder.parent.glob("*.gguf"))


@pytest.fixture(scope="module")
def folder(gguf: Path) -> Path:
    return gguf.parent / "converted"


@pytest.fixture(scope="module")
def peer(gguf: Path) -> Any:
    """The model as transformers itself reads and dequantizes the file."""
    import transformers
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    config = transformers.AutoConfig.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = transformers.LlamaForCausalLM(config).float().eval()
    tensors = load_gguf_checkpoint(str(gguf), return_tensors=True, model_to_load=model)["tensors"]
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert (missing, unexpected) == (["lm_head.weight"], [])
    model.tie_weights()
    return model


def prompts(folder: Path) -> list[list[int]]:
    tokenizer = load_tokenizer(folder)
    return [tokenizer.encode_chat([{"role": "user", "content": text}]) for text in PROMPTS]


def test_logits_equal_those_of_transformers(gguf: Path, folder: Path, peer: Any) -> None:
    ours = load_base(gguf, dtype=torch.float32)

    for ids in prompts(folder):
        tokens = torch.tensor([ids])
        with torch.inference_mode():
            logits, _ = ours(tokens[:, None], ())
            torch.testing.assert_close(logits[0, 0], peer(tokens).logits[0], atol=1e-3, rtol=1e-4)


def test_greedy_tokens_equal_those_of_transformers(folder: Path) -> None:
    import transformers

    ours = load_base(folder, dtype=torch.float32)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    theirs.generation_config = transformers.GenerationConfig(
        max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=None, pad_token_id=2
    )

    for ids in prompts(folder):
        window = Window(ours.config, len(ids) + NEW_TOKENS, torch.float32, torch.device("cpu"))
        written, tokens = [], torch.tensor([ids])
        with torch.inference_mode():
            for _ in range(NEW_TOKENS):
                written.append(int(ours.extend(tokens, (), window).argmax()))
                tokens = torch.tensor([[written[-1]]])
            expected = theirs.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)))
        assert written == expected[0, len(ids) :].tolist()


def test_answers_make_sense(folder: Path) -> None:
    # in bfloat16 a processor's rounding decides between "The capital" and "L'Étoile"
    model, tokenizer = load_base(folder, dtype=torch.float32), load_tokenizer(folder)
    ids = prompts(folder)[0]
    window = Window(model.config, len(ids) + 8, torch.float32, torch.device("cpu"))
    written, tokens = [], torch.tensor([ids])
    with torch.inference_mode():
        for _ in range(8):
            written.append(int(model.extend(tokens, (), window).argmax()))
            tokens = torch.tensor([[written[-1]]])

    assert "Paris" in tokenizer.decode(written)


def test_ids_of_a_megabyte_equal_those_of_transformers(gguf: Path, folder: Path) -> None:
    import transformers
    from tokenizers import pre_tokenizers

    text = random_text(1_000_000, seed=11)
    ours = load_tokenizer(folder)
    # transformers reads vocabulary and merges from the GGUF file itself, but takes every file for Llama 3's
    theirs = transformers.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    theirs.backend_tokenizer.normalizer = None
    theirs.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )

    ids = ours.encode(text)

    assert ids == theirs.encode(text, add_special_tokens=False)
    assert ours.decode(ids) == theirs.decode(ids)


def test_loading_takes_well_under_a_second(folder: Path) -> None:
    load_base(folder)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        load_base(folder)
        times.append(time.perf_counter() - start)

    assert min(times) < 0.5
