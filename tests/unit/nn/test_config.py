"""The network's description: round trips, and refusals that name the value."""

import dataclasses
import json

import pytest

from infini_cli.nn.config import MemoryConfig, ModelConfig, RopeScaling
from tests.unit.nn.networks import BASE, FORMS


@pytest.mark.parametrize("form", [None, *FORMS.values()])
@pytest.mark.parametrize(
    "scaling", [None, RopeScaling("llama3", factor=8.0), RopeScaling("factors", factors=(1.0, 2.0))]
)
def test_json_round_trip(form, scaling):
    config = dataclasses.replace(BASE, memory=form, rope_scaling=scaling)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_unknown_and_missing_keys_are_named():
    values = BASE.to_dict()
    with pytest.raises(ValueError, match="n_layer_typo"):
        ModelConfig.from_dict({**values, "n_layer_typo": 3})
    del values["d_model"]
    with pytest.raises(ValueError, match="d_model"):
        ModelConfig.from_dict(values)


OF_WORDS = {"feature_map": "hedgehog", "word_keys": 8, "word_values": True, "write_gate": True}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"feature_map": "relu"}, "relu"),
        ({"update": "sum"}, "sum"),
        ({"segment_length": 0}, "segment_length"),
        ({"eps": 0.0}, "eps"),
        ({"layers": (2, 1)}, "ascending"),
        ({"write_gate": True, "write_threshold": 1.0}, "write_threshold"),
        ({"write_threshold": 0.1}, "needs write_gate"),
        ({"write_hidden": 8}, "needs write_gate"),
        ({"write_gate": True, "write_hidden": -1}, "write_hidden"),
        ({"write_layer": 0, "write_gate": True}, "write_layer"),
        ({**OF_WORDS, "write_layer": 1}, "above the first memory layer"),
        ({**OF_WORDS, "word_context": 4}, "word_context"),
        ({**OF_WORDS, "write_layer": 0, "word_context": -1}, "word_context"),
        ({"write_gate": True, "write_ends": True}, "write_ends"),
        ({"read_layer": 0}, "read_layer"),
        ({"read_gate": True, "read_threshold": 1.0}, "read_threshold"),
        ({"read_threshold": 0.5}, "needs read_gate"),
        ({"read_gate": True, "read_threshold": 0.5, "read_in_turn": True}, "read_in_turn"),
        ({"read_gate": True, "read_layer": 1}, "above the first memory layer"),
        ({**OF_WORDS, "word_parts": 0}, "word_parts"),
        ({**OF_WORDS, "word_parts": 3}, "word_parts"),
        ({"key_shift": -1}, "key_shift"),
        ({"feature_map": "elu-map", "word_keys": 8}, "word_keys"),
        ({"feature_map": "elu-map", "map_factor": 2}, "map_factor"),
        ({"feature_map": "hedgehog", "map_factor": 0}, "map_factor"),
        ({"feature_map": "elu-map", "map_groups": 2}, "map_groups"),
        ({"feature_map": "hedgehog", "map_groups": 0}, "map_groups"),
    ],
)
def test_memory_forms_that_cannot_be_are_refused(change, named):
    with pytest.raises(ValueError, match=named):
        MemoryConfig(**{"layers": (0,), **change})


def test_shapes_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="query heads"):
        dataclasses.replace(BASE, n_kv_heads=3)
    with pytest.raises(ValueError, match="head_dim"):
        dataclasses.replace(BASE, head_dim=7)
    with pytest.raises(ValueError, match="not all within"):
        BASE.with_memory(MemoryConfig(layers=(0, 3)))
    with pytest.raises(ValueError, match="3 groups"):
        BASE.with_memory(MemoryConfig(layers=(0,), feature_map="hedgehog", map_groups=3))
    one_head = dataclasses.replace(BASE, n_kv_heads=1)
    with pytest.raises(ValueError, match="word_parts"):
        one_head.with_memory(MemoryConfig(layers=(0,), feature_map="hedgehog", word_keys=8, word_parts=2))
