"""Adapters come back as they were saved, and fit only the model they were made for."""

import dataclasses
import json
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch

from infini_cli.errors import ModelError
from infini_cli.nn.adapter_info import METADATA_KEY, read_adapter_info
from infini_cli.nn.checkpoint import load_adapter, save_adapter
from infini_cli.nn.lora import LoRAConfig, adapted_modules, inject
from infini_cli.nn.memory import empty_state
from infini_cli.nn.transformer import InfiniTransformer
from tests.unit.nn.networks import FORMS, random_network, random_tokens

BASE = "b" * 64
LORA = LoRAConfig(rank=2, alpha=4.0, targets=("attn.q", "attn.v", "mlp.up"))
MEMORY = FORMS["mapped-gated"]


def logits(model: InfiniTransformer) -> torch.Tensor:
    with torch.inference_mode():
        return model(random_tokens(1, 3, 8), empty_state(model.config))[0]


def fresh() -> InfiniTransformer:
    """The base model with an untrained memory: what an adapter is loaded into."""
    model = random_network(MEMORY)
    untrained = InfiniTransformer(model.config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".memory." in name:
                parameter.copy_(untrained.get_parameter(name))
    return model


def trained() -> InfiniTransformer:
    model = random_network(MEMORY)  # whose memory parameters are random
    inject(model, LORA)
    torch.manual_seed(9)
    with torch.no_grad():
        for _, module in adapted_modules(model):
            module.lora_b.normal_(0, 0.1)
    return model


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "adapter.safetensors"
    save_adapter(trained(), path, base=BASE, lora=LORA)
    return path


@pytest.mark.parametrize("merged", [True, False])
def test_loaded_adapter_computes_what_was_saved(merged: bool, file: Path) -> None:
    model = fresh()
    assert (logits(model) - logits(trained())).abs().max() > 0.01

    info = load_adapter(model, file, base=BASE, merged=merged)

    torch.testing.assert_close(logits(model), logits(trained()), atol=1e-4, rtol=1e-4)
    assert any(True for _ in adapted_modules(model)) is not merged
    assert (info.base, info.memory) == (BASE, MEMORY)


def test_memory_alone_makes_an_adapter(tmp_path: Path) -> None:
    source = random_network(MEMORY)
    save_adapter(source, tmp_path / "a.safetensors", base=BASE)
    model = fresh()

    load_adapter(model, tmp_path / "a.safetensors", base=BASE)

    assert torch.equal(logits(model), logits(source))
    assert read_adapter_info(tmp_path / "a.safetensors").lora is None


def test_keys_are_those_of_peft_and_only_the_trained_parts_are_stored(file: Path) -> None:
    tensors = safetensors.torch.load_file(file)

    prefix = "base_model.model.model.layers.0."
    assert tensors[prefix + "self_attn.q_proj.lora_A.weight"].shape == (2, 32)
    assert tensors[prefix + "mlp.up_proj.lora_B.weight"].shape == (48, 2)
    assert tensors[prefix + "memory.beta"].shape == (4,)
    assert all(".lora_" in key or ".memory." in key for key in tensors)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_updates_can_be_stored_in_half_the_room(tmp_path: Path) -> None:
    save_adapter(trained(), tmp_path / "a.safetensors", base=BASE, lora=LORA, dtype=torch.bfloat16)
    model = fresh()

    load_adapter(model, tmp_path / "a.safetensors", base=BASE)

    torch.testing.assert_close(logits(model), logits(trained()), atol=0.05, rtol=0.05)
    dtypes = {k: t.dtype for k, t in safetensors.torch.load_file(tmp_path / "a.safetensors").items()}
    assert {dtype for key, dtype in dtypes.items() if ".memory." in key} == {torch.float32}
    assert {dtype for key, dtype in dtypes.items() if ".lora_" in key} == {torch.bfloat16}


def test_word_keys_are_stored_in_half_the_room_too(tmp_path: Path) -> None:
    memory = dataclasses.replace(MEMORY, feature_map="hedgehog", word_keys=8)
    save_adapter(random_network(memory), tmp_path / "a.safetensors", base=BASE, dtype=torch.bfloat16)
    tensors = safetensors.torch.load_file(tmp_path / "a.safetensors")
    kept = {key: tensor.dtype for key, tensor in tensors.items()}
    assert {dtype for key, dtype in kept.items() if ".words." in key} == {torch.bfloat16}
    assert {dtype for key, dtype in kept.items() if ".words." not in key} == {torch.float32}


def test_segment_length_alone_may_differ(file: Path) -> None:
    def with_memory(**values: object) -> InfiniTransformer:
        return random_network(dataclasses.replace(MEMORY, **values))

    load_adapter(with_memory(segment_length=4, beta_init=-1.0), file, base=BASE)

    for other in ({"update": "linear"}, {"layers": (0, 1)}, {"feature_map": "dpfp-3"}, {"write_gate": False}):
        with pytest.raises(ModelError, match="another form of memory"):
            load_adapter(with_memory(**other), file, base=BASE)
    with pytest.raises(ModelError, match="another form of memory"):
        load_adapter(random_network(None), file, base=BASE)


def test_adapter_of_another_base_model_is_refused(file: Path) -> None:
    with pytest.raises(ModelError, match="another base model") as caught:
        load_adapter(fresh(), file, base="c" * 64)

    assert "bbbbbbbbbbbb" in str(caught.value.hint)


def rewrite(file: Path, *, tensors: dict[str, torch.Tensor] | None = None, **metadata: object) -> None:
    """Write the adapter again with some tensors or metadata changed."""
    with safetensors.safe_open(file, framework="pt") as stored:
        kept = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118 (no mapping)
        values = json.loads(stored.metadata()[METADATA_KEY])
    safetensors.torch.save_file(
        {**kept, **(tensors or {})}, file, {METADATA_KEY: json.dumps({**values, **metadata})}
    )


def test_tensors_that_do_not_fit_are_named(file: Path) -> None:
    key = "base_model.model.model.layers.0.memory.beta"
    rewrite(file, tensors={key: torch.zeros(3)})
    with pytest.raises(ModelError, match=r"memory\.beta is \(3,\), expected \(4,\)"):
        load_adapter(fresh(), file, base=BASE)

    rewrite(file, tensors={key: torch.zeros(4), "extra": torch.zeros(1)})
    with pytest.raises(ModelError, match="extra is on one side only"):
        load_adapter(fresh(), file, base=BASE)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"version": 99}, "adapter format 99"),
        ({"memory": {"layers": [0], "shape": 1}}, "damaged"),
        ({"lora": {"rank": 2}}, "damaged"),
        ({"lora": {"rank": 2, "alpha": 1.0, "targets": ["attn.x"]}}, "damaged|another form"),
    ],
)
def test_unusable_metadata_is_a_model_error(metadata: dict[str, object], message: str, file: Path) -> None:
    rewrite(file, **metadata)

    with pytest.raises(ModelError, match=message):
        load_adapter(fresh(), file, base=BASE)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_truncated_adapter_is_a_model_error(kept: int, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:kept])

    with pytest.raises(ModelError, match="damaged"):
        load_adapter(fresh(), file, base=BASE)


def test_missing_and_foreign_files_are_model_errors(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        read_adapter_info(tmp_path / "none.safetensors")

    safetensors.torch.save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="not an adapter"):
        read_adapter_info(tmp_path / "other.safetensors")


def test_saving_refuses_what_it_cannot_describe(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without memory"):
        save_adapter(random_network(None), tmp_path / "a", base=BASE)
    with pytest.raises(ValueError, match="not those of the configuration"):
        save_adapter(random_network(MEMORY), tmp_path / "a", base=BASE, lora=LORA)
    with pytest.raises(ValueError, match="not those of the configuration"):
        save_adapter(trained(), tmp_path / "a", base=BASE)
