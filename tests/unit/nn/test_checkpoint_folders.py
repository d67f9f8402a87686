"""Base models from Hugging Face folders compute what transformers computes; what does not fit is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import transformers

from infini_cli.errors import ModelError
from infini_cli.nn.checkpoint import load_base, read_config
from infini_cli.nn.config import MemoryConfig
from infini_cli.nn.memory import empty_state
from tests.unit.nn.peers import CASES, peer, prompt

MEMORY = MemoryConfig(layers=(0, 1), feature_map="elu-map", write_gate=True)


def logits(path: Path, memory: MemoryConfig | None = None) -> torch.Tensor:
    """Logits (T, V) of the prompt as one segment."""
    model = load_base(path, memory=memory, dtype=torch.float32)
    with torch.inference_mode():
        out, _ = model(prompt()[:, None], empty_state(model.config))
    return out[0, 0]


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    def save(case: str, **options: Any) -> Path:
        folder = tmp_path_factory.mktemp(case)
        peer(case).save_pretrained(folder, **options)
        return folder

    return save


@pytest.fixture
def folder(folder_of: Callable[..., Path]) -> Path:
    """A sound folder to be damaged."""
    return folder_of("llama-2")


def change_config(folder: Path, **values: Any) -> None:
    file = folder / "config.json"
    config = {**json.loads(file.read_text()), **values}
    file.write_text(json.dumps({key: value for key, value in config.items() if value != "absent"}))


def change_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    change(tensors)
    safetensors.torch.save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize("case", CASES)
def test_logits_equal_those_of_transformers(case: str, folder_of: Callable[..., Path]) -> None:
    with torch.inference_mode():
        expected = peer(case)(prompt()).logits[0]

    ours = logits(folder_of(case), MEMORY)

    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)
    assert expected.std() > 0.3  # a network whose parts all vanish would agree with anything


@pytest.mark.parametrize("case", ["llama-3", "mistral"])
def test_special_features_matter_in_this_test(case: str, folder_of: Callable[..., Path]) -> None:
    folder = folder_of(case)
    before = logits(folder)
    change_config(
        folder, rope_parameters={"rope_type": "default", "rope_theta": 500_000.0}, sliding_window=None
    )

    assert (logits(folder) - before).abs().max() > 0.01


def test_sharded_folder_equals_a_single_file(folder_of: Callable[..., Path]) -> None:
    single, sharded = folder_of("llama-2"), folder_of("llama-2", max_shard_size="600KB")

    assert len(list(sharded.glob("model-*.safetensors"))) > 2
    assert torch.equal(logits(sharded), logits(single))


def test_weights_are_frozen_and_the_memory_is_not(folder: Path) -> None:
    model = load_base(folder, memory=MEMORY, dtype=torch.bfloat16)

    trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}

    assert trainable == {name for name, _ in model.named_parameters() if ".memory." in name} != set()
    assert {p.dtype for n, p in model.named_parameters() if ".memory." in n} == {torch.float32}
    assert {p.dtype for n, p in model.named_parameters() if ".memory." not in n} == {torch.bfloat16}
    assert model.layers[0].memory.beta.tolist() == [-4.0] * 4
    assert not any(p.is_meta for p in model.parameters())


def test_half_precision_weights_load_in_float32(tmp_path: Path) -> None:
    peer("llama-2").half().save_pretrained(tmp_path)
    with torch.inference_mode():
        model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
        expected = model(prompt()).logits[0]

    torch.testing.assert_close(logits(tmp_path), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("case", ["llama-3", "smollm2", "mistral", "qwen2", "qwen3"])
def test_config_of_transformers_4_reads_alike(case: str, folder_of: Callable[..., Path]) -> None:
    folder = folder_of(case)
    expected = read_config(folder)
    rope = json.loads((folder / "config.json").read_text())["rope_parameters"]
    theta = rope.pop("rope_theta")
    scaling = None if rope["rope_type"] == "default" else rope

    change_config(
        folder, rope_parameters="absent", rope_theta=theta, rope_scaling=scaling, layer_types="absent"
    )

    assert read_config(folder) == expected


def test_stored_head_of_a_tied_model_is_ignored_when_it_is_the_embedding(
    folder_of: Callable[..., Path],
) -> None:
    folder = folder_of("smollm2")
    expected = logits(folder)

    def add_head(tensors: dict[str, torch.Tensor]) -> None:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)

    change_tensors(folder, add_head)
    assert torch.equal(logits(folder), expected)

    change_tensors(folder, lambda tensors: tensors["lm_head.weight"].mul_(2))
    with pytest.raises(ModelError, match=r"lm_head\.weight"):
        logits(folder)


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({"model_type": "gemma3"}, "model_type 'gemma3'", "llama, mistral, qwen2, qwen3"),
        ({"model_type": "absent"}, "model_type ''", "llama"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'", "silu"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, "rope_type 'yarn'", "llama3"),
        ({"rope_parameters": {"full_attention": {"rope_type": "default"}}}, "rope_parameters", None),
        ({"rope_parameters": {"rope_type": "linear"}}, "factor", None),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor", None),
        ({"rope_parameters": {"rope_type": "factors", "factors": [1.0]}}, "should be 32 numbers", None),
        ({"attention_bias": True}, "attention_bias", None),
        ({"mlp_bias": True}, "mlp_bias", None),
        ({"quantization_config": {"quant_method": "awq"}}, "quantization_config", None),
        ({"hidden_size": "absent"}, "hidden_size should be a whole number", None),
        ({"hidden_size": -1}, "hidden_size should be a whole number", None),
        ({"num_key_value_heads": 3}, "impossible network", None),
        ({"rms_norm_eps": "small"}, "rms_norm_eps should be a number", None),
        (
            {"model_type": "qwen2", "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1},
            "different kinds",
            None,
        ),
    ],
)
def test_config_that_is_not_understood_is_named(
    values: dict[str, Any], message: str, hint: str | None, folder: Path
) -> None:
    change_config(folder, layer_types="absent", **values)

    with pytest.raises(ModelError, match=message) as caught:
        load_base(folder)

    assert hint is None or hint in str(caught.value.hint)


def test_missing_tensors_are_named(folder: Path) -> None:
    change_tensors(folder, lambda tensors: tensors.pop("model.layers.1.mlp.up_proj.weight"))

    with pytest.raises(ModelError, match=r"lacks model\.layers\.1\.mlp\.up_proj\.weight"):
        load_base(folder)


def test_unknown_tensors_are_named(folder: Path) -> None:
    change_tensors(folder, lambda t: t.update({"model.layers.0.self_attn.q_proj.bias": torch.ones(256)}))

    with pytest.raises(ModelError, match=r"does not know: model\.layers\.0\.self_attn\.q_proj\.bias"):
        load_base(folder)


def test_wrong_shapes_are_named(folder: Path) -> None:
    change_config(folder, vocab_size=95)

    with pytest.raises(
        ModelError, match=r"embed_tokens\.weight has the shape \(96, 256\), expected \(95, 256\)"
    ):
        load_base(folder)


def test_integer_weights_are_refused(folder: Path) -> None:
    change_tensors(folder, lambda t: t.update({"model.norm.weight": torch.ones(256, dtype=torch.int8)}))

    with pytest.raises(ModelError, match=r"unsupported type torch\.int8"):
        load_base(folder)


@pytest.mark.parametrize("kept", [0, 5, 2000, 0.5, -1])
def test_truncated_weights_are_a_model_error(kept: float, folder: Path) -> None:
    file = folder / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content)) if 0 < kept < 1 else int(kept)])

    with pytest.raises(ModelError, match="not a complete safetensors file"):
        load_base(folder)


def test_missing_shard_is_named(folder_of: Callable[..., Path]) -> None:
    folder = folder_of("llama-2", max_shard_size="600KB")
    shard = sorted(folder.glob("model-*.safetensors"))[1]
    shard.unlink()

    with pytest.raises(ModelError, match=shard.name):
        load_base(folder)


def test_index_cannot_name_files_elsewhere(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "stolen.safetensors")
    index = {"weight_map": {"lm_head.weight": "../stolen.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    with pytest.raises(ModelError, match="outside its folder"):
        load_base(folder)


def test_pickled_weights_are_refused_with_a_hint(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    with pytest.raises(ModelError, match=r"has no model\.safetensors") as caught:
        load_base(folder)

    assert "pickled" in str(caught.value.hint)


@pytest.mark.parametrize("content", [None, "", "{", "[]", "\ud800"])
def test_unreadable_config_is_a_model_error(content: str | None, folder: Path) -> None:
    (folder / "config.json").unlink()
    if content is not None:
        (folder / "config.json").write_text(content, errors="surrogatepass")

    with pytest.raises(ModelError, match=r"config\.json"):
        load_base(folder)


def test_memory_on_layers_that_do_not_exist_is_a_model_error(folder: Path) -> None:
    with pytest.raises(ModelError, match="not all within"):
        load_base(folder, memory=MemoryConfig(layers=(7,)))
