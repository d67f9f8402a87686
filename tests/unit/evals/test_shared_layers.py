"""Segments of the same tokens go through the layers below the first memory once."""

import dataclasses

import numpy as np
import pytest
import torch

from infini_cli.evals import shared_layers
from infini_cli.evals.shared_layers import SharedReader
from infini_cli.nn.checkpoint import load_base
from infini_cli.nn.lora import LoRAConfig, adapted_modules, inject
from infini_cli.nn.memory import empty_state
from tests.unit.evals.conftest import BASE, MEMORY


@pytest.mark.parametrize("layers", [(0, 1, 2), (1, 2), (2,), (0, 2), (1,), ()])
@pytest.mark.parametrize("kept", [0, 2, 64])
@torch.inference_mode()
def test_reading_is_that_of_the_model(monkeypatch, layers, kept):
    monkeypatch.setattr(shared_layers, "SEGMENTS_KEPT", kept)
    model = load_base(BASE, memory=dataclasses.replace(MEMORY, layers=layers), dtype=torch.float32)
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 256, (4, 16))
    reader, state, expected = SharedReader(model), empty_state(model.config, 3), empty_state(model.config, 3)
    for _ in range(4):
        segments = patterns[rng.integers(0, 4, (3, 5))]
        state = reader.read(segments, state)
        expected = model.read(torch.from_numpy(segments), expected)
    for one, other in zip(state, expected, strict=True):
        assert torch.allclose(one.matrix, other.matrix, atol=1e-4)
        assert torch.allclose(one.norm, other.norm, atol=1e-4)


@torch.inference_mode()
def test_updates_of_lower_layers_that_act_after_reading_do_so():
    model = load_base(BASE, memory=dataclasses.replace(MEMORY, layers=(2,)), dtype=torch.float32)
    inject(model, LoRAConfig(rank=2, alpha=2.0, targets=("mlp.up",), after_reading=True))
    for _, module in adapted_modules(model):
        torch.nn.init.normal_(module.lora_b)
    patterns = np.random.default_rng(0).integers(0, 256, (2, 16))
    segments = patterns[[[0, 0, 1, 0], [1, 0, 0, 1]]]
    state = SharedReader(model).read(segments, empty_state(model.config, 2))
    expected = model.read(torch.from_numpy(segments), empty_state(model.config, 2))
    assert torch.allclose(state[0].matrix, expected[0].matrix, atol=1e-4)


@torch.inference_mode()
def test_the_lower_layers_see_each_segment_once():
    model = load_base(BASE, memory=dataclasses.replace(MEMORY, layers=(2,)), dtype=torch.float32)
    seen: list[int] = []
    model.layers[0].register_forward_hook(lambda module, given, result: seen.append(given[0].shape[1]))
    patterns = np.random.default_rng(0).integers(0, 256, (5, 16))
    reader, state = SharedReader(model), empty_state(model.config, 2)
    for chosen in ([0, 1, 0], [1, 2, 2], [0, 1, 2], [3, 4, 0]):
        state = reader.read(patterns[[chosen, chosen]], state)
    assert seen == [2, 1, 2]
