"""Makes models/for-tests-tiny, a random Llama-type model with a small vocabulary; the same every time.

python -m tests.make_tiny_model [FOLDER]
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers, trainers

from infini_cli.nn.checkpoint.names import hugging_face_name
from infini_cli.nn.hugging_face_config import config_from_hugging_face
from infini_cli.nn.transformer import InfiniTransformer

FOLDER = Path(__file__).parent.parent / "models" / "for-tests-tiny"
TEXT = Path(__file__).parent / "tiny_model_text.txt"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "dtype": "bfloat16",
}


def tokenizer_description() -> dict[str, Any]:
    """A byte-level BPE tokenizer.json, trained on a few pages of public-domain prose."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=CONFIG["vocab_size"],
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT.read_text(encoding="utf-8").splitlines(keepends=True), trainer)
    description: dict[str, Any] = json.loads(tokenizer.to_str())
    return description


def weights() -> dict[str, torch.Tensor]:
    """Random bfloat16 parameters by Hugging Face's names; NumPy gives the same numbers in every release."""
    random = np.random.RandomState(0)
    with torch.device("meta"):
        model = InfiniTransformer(config_from_hugging_face(CONFIG, name="config.json"))
    tensors = {}
    for name, parameter in model.named_parameters():
        noise = random.standard_normal(tuple(parameter.shape)).astype(np.float32)
        values = 1 + 0.1 * noise if "norm" in name else noise * parameter.shape[-1] ** -0.5
        tensors[hugging_face_name(name)] = torch.from_numpy(values).bfloat16()
    return tensors


def make(folder: Path) -> None:
    """Write the model's files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SPECIAL[1],
        "eos_token": SPECIAL[2],
        "add_bos_token": False,
        "chat_template": CHAT_TEMPLATE,
    }
    for name, content in (
        ("config.json", CONFIG),
        ("tokenizer.json", tokenizer_description()),
        ("tokenizer_config.json", tokenizer_config),
    ):
        (folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(safetensors.torch.save(weights(), {"format": "pt"}))


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
