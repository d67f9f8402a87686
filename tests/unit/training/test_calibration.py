"""Maps of a Hedgehog memory begin centred, whitened and aligned."""

import dataclasses

import torch

from infini_cli import paths
from infini_cli.nn.checkpoint import load_base
from infini_cli.nn.config import MemoryConfig
from infini_cli.nn.word_keys import Words
from infini_cli.training.calibration import SCALE, aligned_maps, whiten_maps

BASE = paths.shipped_models_dir() / "for-tests-tiny"
MEMORY = MemoryConfig(layers=(1, 2), feature_map="hedgehog", write_gate=True)


def correlated(rows: int, columns: int, seed: int) -> torch.Tensor:
    """Vectors that vary much more in some directions than in others."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(columns, columns, generator=generator, dtype=torch.float64)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64) @ mixing @ mixing


def test_mapped_keys_vary_alike_in_every_direction_and_keep_their_products_with_queries():
    queries = torch.stack([correlated(4_000, 8, seed) for seed in (1, 2)])
    keys = correlated(4_000, 8, 3)
    query_map, key_map = aligned_maps(queries, keys)
    mapped = keys @ key_map
    covariance = torch.cov(mapped.T)
    off_diagonal = covariance - torch.diag(covariance.diag())
    assert off_diagonal.abs().max() < 1e-6 * covariance.diag().max()
    assert torch.allclose(covariance.diag().mean(), torch.tensor(SCALE**2, dtype=torch.float64))
    products, expected = (queries @ query_map) @ mapped.T, queries @ keys.T
    ratio = (products * expected).sum() / (expected * expected).sum()
    torch.testing.assert_close(products, ratio * expected, rtol=1e-6, atol=1e-6)


def test_every_memory_layer_is_centred_on_its_own_keys(setting):
    model = load_base(BASE, memory=MEMORY, dtype=torch.float32)
    before = [layer.memory.key_map.clone() for layer in model.layers if layer.memory is not None]
    whiten_maps(model, setting, "seed")
    memories = [layer.memory for layer in model.layers if layer.memory is not None]
    for memory, old in zip(memories, before, strict=True):
        assert not torch.equal(memory.key_map, old)
        assert memory.key_offset.abs().max() > 0
        assert memory.query_offset.abs().max() > 0
    again = load_base(BASE, memory=MEMORY, dtype=torch.float32)
    whiten_maps(again, setting, "seed")
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True)
    )
    assert not torch.equal(memories[0].key_offset, memories[1].key_offset)


def test_features_of_mapped_keys_spread_over_more_entries(setting):
    """The reason for it all: what tells keys apart must reach the features."""
    plain = load_base(BASE, memory=dataclasses.replace(MEMORY), dtype=torch.float32)
    whitened = load_base(BASE, memory=MEMORY, dtype=torch.float32)
    whiten_maps(whitened, setting, "seed")
    tokens = torch.from_numpy(setting.corpus.books_of("train")[0].tokens["flowing"][:256].astype("int64"))[
        None, None
    ]
    overlap = []
    for model in (plain, whitened):
        layer = model.layers[1]
        with torch.no_grad():
            words = Words(tokens, model.embed(tokens))
            x, _ = model.layers[0](words.embedded, words, model.turns(0, 256), None, None, None)
            keys, _ = layer.attn.keys_values(layer.attn_norm(x))
            phi = layer.memory.key_features(keys)[0, 0]
        similar = torch.nn.functional.cosine_similarity(phi[:, :, None], phi[:, None], dim=-1)
        overlap.append(float(similar.mean()))
    assert overlap[1] < overlap[0]
