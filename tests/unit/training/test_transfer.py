"""Attention transfer: maps learn the weights of the base model's attention, and nothing else changes."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from infini_cli import paths
from infini_cli.errors import UsageError
from infini_cli.nn.checkpoint import load_base
from infini_cli.nn.config import MemoryConfig
from infini_cli.training.recipe import Transfer, load_recipe
from infini_cli.training.transfer import attention_weights, map_parameters, transfer_maps

BASE = paths.shipped_models_dir() / "for-tests-tiny"
MEMORY = MemoryConfig(layers=(1, 2), feature_map="hedgehog", map_factor=2, write_gate=True)


@pytest.mark.parametrize("heads", [(4, 4), (4, 2), (3, 1)])
def test_weights_are_those_of_the_fused_kernel(heads):
    torch.manual_seed(0)
    q, k, v = (torch.randn(count, 7, 8) for count in (heads[0], heads[1], heads[1]))
    repeated = v.repeat_interleave(heads[0] // heads[1], dim=0)
    expected = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True, enable_gqa=True)[0]
    torch.testing.assert_close(attention_weights(q, k) @ repeated, expected)


def test_maps_come_closer_to_attention_and_nothing_else_changes(setting):
    model = load_base(BASE, memory=MEMORY, dtype=torch.float32)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    losses: list[float] = []
    settings = Transfer(steps=30, lr=1e-2, segments=1, mixture={"passkey": 1})
    sized = dataclasses.replace(setting, segment_length=512)
    transfer_maps(model, sized, settings, "seed", lambda step, loss: losses.append(loss))
    assert len(losses) == 30
    assert sum(losses[-5:]) < sum(losses[:5])
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {
        f"layers.{layer}.memory.{part}"
        for layer in MEMORY.layers
        for part in ("query_map", "key_map", "query_offset", "key_offset")
    }


def test_without_steps_nothing_is_read_or_changed(setting):
    """A recipe need not have a transfer: its mixture is then empty."""
    model = load_base(BASE, memory=MEMORY, dtype=torch.float32)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    transfer_maps(model, setting, Transfer(), "seed", lambda step, loss: pytest.fail("a step"))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_all_that_maps_keys_and_queries_is_trained():
    model = load_base(BASE, memory=MEMORY, dtype=torch.float32)
    assert len(map_parameters(model.layers[1].memory)) == 4


def test_a_recipe_names_what_the_transfer_reads(tmp_path):
    recipe = paths.shipped_models_dir() / "smollm2-135m-infini" / "recipe.toml"
    text = recipe.read_text()
    broken = tmp_path / "recipe.toml"
    broken.write_text(text.replace("[transfer.mixture]\n", "[transfer.mixture]\nnonesuch = 1\n", 1))
    with pytest.raises(UsageError, match="nonesuch"):
        load_recipe(broken)
