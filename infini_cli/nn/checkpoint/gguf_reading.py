"""Networks in GGUF files: their metadata as a Hugging Face config, and their tensors dequantized.

Shapes: H query heads, G key/value heads, D head size, d the model's width.
"""

from typing import Any

import torch
from torch import Tensor

from infini_cli.errors import ModelError
from infini_cli.gguf_file import GGUFFile
from infini_cli.nn.checkpoint.names import gguf_name
from infini_cli.nn.config import ModelConfig

_ARCHITECTURES = ("llama", "qwen2", "qwen3")
_ROPE_FACTORS = "rope_freqs.weight"


def hugging_face_config(file: GGUFFile) -> dict[str, Any]:
    """What would stand in the config.json of the same model.

    Raises:
        ModelError: an unsupported architecture, or missing metadata.
    """
    if file.architecture not in _ARCHITECTURES:
        raise ModelError(
            f"{file.path}: architecture {file.architecture!r} is not supported",
            hint=f"supported: {', '.join(_ARCHITECTURES)}",
        )
    if file.setting("expert_count", 0):
        raise ModelError(f"{file.path} is a mixture of experts, which is not supported")
    embedding = file.tensors.get("token_embd.weight")
    if embedding is None:
        raise ModelError(f"{file.path} has no tensor token_embd.weight")
    heads = _integer(file, "attention.head_count")
    width = _integer(file, "embedding_length")
    head_dim = _integer(file, "attention.key_length", width // heads)
    for key, expected in (("attention.value_length", head_dim), ("rope.dimension_count", head_dim)):
        if (value := file.setting(key, expected)) != expected:
            raise ModelError(f"{file.path}: {key} {value} is not supported where heads have size {expected}")
    window = file.setting("attention.sliding_window", None)
    return {
        # Mistral's models go by the name of llama; the window is all that sets them apart
        "model_type": "mistral" if window and file.architecture == "llama" else file.architecture,
        "vocab_size": int(embedding.shape[-1]),  # GGUF gives dimensions in reverse
        "hidden_size": width,
        "num_hidden_layers": _integer(file, "block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": _integer(file, "attention.head_count_kv", heads),
        "head_dim": head_dim,
        "intermediate_size": _integer(file, "feed_forward_length"),
        "hidden_act": "silu",
        "rms_norm_eps": file.setting("attention.layer_norm_rms_epsilon"),
        "rope_parameters": _rope_parameters(file),
        "sliding_window": window or None,
        "tie_word_embeddings": "output.weight" not in file.tensors,
        "max_position_embeddings": file.setting("context_length", 2048),
    }


def _integer(file: GGUFFile, key: str, default: int | None = None) -> int:
    """A number that all layers share. Raises ModelError where layers differ, or where it is missing."""
    value = file.setting(key) if default is None else file.setting(key, default)
    if not isinstance(value, int) or value < 1:
        raise ModelError(f"{file.path}: {key} should be a whole number above 0, not {value!r}")
    return value


def _rope_parameters(file: GGUFFile) -> dict[str, Any]:
    """Rotary theta and scaling; for Llama 3 a file holds the divisor of each frequency as a tensor."""
    parameters = {"rope_theta": file.setting("rope.freq_base", 10_000.0), "rope_type": "default"}
    kind = file.setting("rope.scaling.type", "none")
    if kind != "none":
        parameters |= {"rope_type": kind, "factor": file.setting("rope.scaling.factor", 1.0)}
    if _ROPE_FACTORS in file.tensors:
        parameters |= {"rope_type": "factors", "factors": dequantize(file, _ROPE_FACTORS).tolist()}
    return parameters


def dequantize(file: GGUFFile, name: str) -> Tensor:
    """A tensor in float32. Raises ModelError for a type that cannot be dequantized."""
    from gguf import quants

    tensor = file.tensors[name]
    try:
        values = quants.dequantize(tensor.data, tensor.tensor_type)
    except NotImplementedError:
        raise ModelError(
            f"{file.path}: tensor {name} has the unsupported type {tensor.tensor_type.name}",
            hint="supported: F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, K-quants and IQ-quants",
        ) from None
    # a copy, since the file's own memory is read-only
    return torch.tensor(values, dtype=torch.float32)


class GGUFTensors:
    """A network's parameters in a GGUF file, by the names of InfiniTransformer."""

    def __init__(self, file: GGUFFile, config: ModelConfig) -> None:
        self.file = file
        self.config = config
        # GGUF gives dimensions in reverse
        self.shapes = {name: tuple(map(int, reversed(t.shape))) for name, t in file.tensors.items()}

    def stored_name(self, name: str) -> str:
        return gguf_name(name)

    def is_surplus(self, stored_name: str) -> bool:
        """Whether a tensor is no parameter: it belongs to the config."""
        return stored_name == _ROPE_FACTORS

    def tensor(self, name: str) -> Tensor:
        """A parameter dequantized to float32, its rows in the order that this network expects."""
        values = dequantize(self.file, self.stored_name(name))
        if self.file.architecture == "llama":
            if ".attn.q." in name:
                return unpermute(values, self.config.n_heads)
            if ".attn.k." in name:
                return unpermute(values, self.config.n_kv_heads)
        return values


def unpermute(rows: Tensor, heads: int) -> Tensor:
    """Rows (heads * D, …) from interleaved rotary pairs (0, D/2, 1, D/2 + 1, …) back to (0, 1, …, D - 1).

    llama.cpp permutes the q and k projections of its llama architecture so that the two rows of a rotary pair
    are neighbours; it does not do so for Qwen.
    """
    pairs = rows.reshape(heads, -1, 2, *rows.shape[1:])  # (heads, D/2, 2, …)
    return pairs.transpose(1, 2).reshape(rows.shape)
