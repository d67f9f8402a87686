"""Small random networks for the tests of the network."""

import dataclasses

import torch

from infini_cli.nn.config import MemoryConfig, ModelConfig
from infini_cli.nn.transformer import InfiniTransformer

BASE = ModelConfig(
    vocab_size=97, d_model=32, n_layers=3, n_heads=4, n_kv_heads=2, head_dim=8, d_ff=48, tied_embeddings=True
)
PAPER = MemoryConfig(layers=(0, 1, 2), update="linear", segment_length=8, beta_init=0.0)
WORD_KEYS = dataclasses.replace(
    PAPER, feature_map="hedgehog", word_keys=12, key_shift=1, write_gate=True, update="delta", eps=1e-2
)
FORMS = {
    "paper": PAPER,
    "paper-delta": dataclasses.replace(PAPER, update="delta"),
    "some-layers": dataclasses.replace(PAPER, layers=(1,), update="delta"),
    "mapped-gated": dataclasses.replace(PAPER, feature_map="elu-map", write_gate=True, update="delta"),
    "mapped-gated-linear": dataclasses.replace(PAPER, feature_map="elu-map", write_gate=True),
    "dpfp-gated": dataclasses.replace(PAPER, feature_map="dpfp-3", write_gate=True, update="delta"),
    "hedgehog-gated": dataclasses.replace(
        PAPER,
        feature_map="hedgehog",
        map_factor=2,
        write_gate=True,
        write_threshold=0.5,
        read_gate=True,
        update="delta",
        eps=1e-2,
    ),
    "word-keys-shifted": WORD_KEYS,
    "words": dataclasses.replace(WORD_KEYS, word_values=True, read_gate=True, write_hidden=5),
    "words-in-parts": dataclasses.replace(
        WORD_KEYS,
        layers=(1, 2),
        map_factor=2,
        map_groups=4,
        word_values=True,
        word_parts=2,
        write_hidden=5,
        write_layer=1,
    ),
    "words-in-context": dataclasses.replace(
        WORD_KEYS,
        layers=(1, 2),
        word_parts=3,
        word_context=6,
        word_values=True,
        write_hidden=5,
        write_layer=0,
        write_ends=True,
        read_gate=True,
        read_layer=1,
        read_threshold=0.5,
        read_in_turn=True,
    ),
    "written-below": dataclasses.replace(
        WORD_KEYS, layers=(2,), word_values=True, read_gate=True, write_threshold=0.4, write_layer=0
    ),
}


def random_network(
    memory: MemoryConfig | None,
    *,
    seed: int = 0,
    base: ModelConfig = BASE,
    dtype: torch.dtype = torch.float32,
) -> InfiniTransformer:
    """A network whose every parameter is random, the memory's too, so that no default hides a mistake."""
    torch.manual_seed(seed)
    model = InfiniTransformer(base.with_memory(memory))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            spread = 0.3 if "memory" in name else 0.2
            parameter.add_(torch.randn_like(parameter) * spread)
    model.requires_grad_(False)
    return model.to(dtype)


def random_tokens(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, BASE.vocab_size, shape, generator=torch.Generator().manual_seed(seed))
