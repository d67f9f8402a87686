"""Tiny random models made by Hugging Face transformers, and the same written as GGUF files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType, quants
from torch import Tensor

# wide enough for the K-quants, whose blocks hold 256 values
SHAPE = {
    "vocab_size": 96,
    "hidden_size": 256,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 512,
    "attention_dropout": 0.0,
}
LLAMA_3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
# head sizes differ from width / heads where the family allows it
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama-2": ("Llama", {"tie_word_embeddings": False}),
    "llama-3": ("Llama", {"tie_word_embeddings": False, "head_dim": 32, "rope_parameters": LLAMA_3_ROPE}),
    "llama-linear": (
        "Llama",
        {"rope_parameters": {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0}},
    ),
    "smollm2": (
        "Llama",
        {
            "tie_word_embeddings": True,
            "num_attention_heads": 8,
            "num_key_value_heads": 1,
            "rope_parameters": {"rope_type": "default", "rope_theta": 100_000.0},
        },
    ),
    "mistral": ("Mistral", {"sliding_window": 5, "head_dim": 32}),
    "mistral-without-window": ("Mistral", {"sliding_window": None}),
    "qwen2": ("Qwen2", {"tie_word_embeddings": True}),
    "qwen2-untied": ("Qwen2", {"tie_word_embeddings": False}),
    "qwen2-window": ("Qwen2", {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 0}),
    "qwen3": ("Qwen3", {"head_dim": 32, "tie_word_embeddings": True}),
}


def peer(case: str) -> Any:
    """A random model of one of the CASES, with weights large enough that every part of it matters."""
    family, values = CASES[case]
    config = getattr(transformers, f"{family}Config")(**{**SHAPE, **values})
    torch.manual_seed(0)
    model = getattr(transformers, f"{family}ForCausalLM")(config).float().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            parameter.copy_(1 + 0.3 * noise if name.endswith("norm.weight") else 0.08 * noise)
    return model


def prompt(length: int = 24) -> Tensor:
    """Token ids (1, T)."""
    return torch.randint(0, SHAPE["vocab_size"], (1, length), generator=torch.Generator().manual_seed(3))


def permute(rows: np.ndarray, heads: int) -> np.ndarray:
    """As llama.cpp's converter does for q and k of the llama architecture."""
    return (
        rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
        .swapaxes(1, 2)
        .reshape(rows.shape)
    )


def gguf_tensors(model: Any) -> dict[str, np.ndarray]:
    """A model's tensors under GGUF's names, before quantization."""
    config = model.config
    architecture = gguf.MODEL_ARCH[gguf_architecture(model).upper()]
    mapping = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    tensors = {}
    for name, value in model.state_dict().items():
        values = value.float().numpy()
        if gguf_architecture(model) == "llama" and ".q_proj." in name:
            values = permute(values, config.num_attention_heads)
        if gguf_architecture(model) == "llama" and ".k_proj." in name:
            values = permute(values, config.num_key_value_heads)
        tensors[mapping.get_name(name, try_suffixes=(".weight", ".bias"))] = values
    if config.tie_word_embeddings:
        tensors.pop("output.weight", None)
    return tensors


def gguf_architecture(model: Any) -> str:
    return {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}[model.config.model_type]


def write_gguf(
    model: Any,
    file: Path,
    *,
    kind: GGMLQuantizationType = GGMLQuantizationType.F32,
    architecture: str | None = None,
    change: Callable[[dict[str, np.ndarray]], None] = lambda tensors: None,
    metadata: Callable[[gguf.GGUFWriter], None] = lambda writer: None,
) -> None:
    """Write a model as a GGUF file; matrices in `kind`, vectors in float32, as llama.cpp does."""
    config = model.config
    writer = gguf.GGUFWriter(file, architecture or gguf_architecture(model))
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    head_dim = model.model.layers[0].self_attn.head_dim
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    metadata(writer)
    tensors = gguf_tensors(model)
    change(tensors)
    for name, values in tensors.items():
        if values.ndim == 1:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def rounded(model: Any, kind: GGMLQuantizationType) -> Any:
    """The model with its matrices as they come back from a GGUF file of this type.

    Quantization works on rows, so that it does not matter that llama.cpp permutes them.
    """
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                values = quants.dequantize(quants.quantize(parameter.numpy(), kind), kind)
                parameter.copy_(torch.from_numpy(values))
    return model
