"""Base models from GGUF files compute what transformers computes with the same dequantized weights."""

import json
import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
import transformers
from gguf import GGMLQuantizationType as Kind

from infini_cli.errors import ModelError
from infini_cli.gguf_file import GGUFFile
from infini_cli.nn.checkpoint import convert_to_cache, load_base, read_config
from tests.unit.nn.peers import gguf_tensors, peer, prompt, rounded, write_gguf


def logits(path: Path) -> torch.Tensor:
    """Logits (T, V) of the prompt as one segment."""
    with torch.inference_mode():
        out, _ = load_base(path, dtype=torch.float32)(prompt()[:, None], ())
    return out[0, 0]


def peer_logits(model: transformers.PreTrainedModel) -> torch.Tensor:
    with torch.inference_mode():
        return model(prompt()).logits[0]


@pytest.mark.parametrize(
    "case", ["llama-2", "smollm2", "mistral-without-window", "qwen2", "qwen2-untied", "qwen3"]
)
def test_logits_equal_those_of_transformers(case: str, tmp_path: Path) -> None:
    write_gguf(peer(case), tmp_path / "model.gguf")

    ours = logits(tmp_path / "model.gguf")

    torch.testing.assert_close(ours, peer_logits(peer(case)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", [Kind.F16, Kind.BF16, Kind.Q8_0, Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1])
def test_quantized_weights_equal_the_dequantized_ones(kind: Kind, tmp_path: Path) -> None:
    write_gguf(peer("smollm2"), tmp_path / "model.gguf", kind=kind)

    ours = logits(tmp_path / "model.gguf")

    torch.testing.assert_close(ours, peer_logits(rounded(peer("smollm2"), kind)), atol=1e-4, rtol=0)
    assert (ours - peer_logits(peer("smollm2"))).abs().max() > 1e-4  # rounding is visible at this tolerance


def test_llama_3_frequencies_come_from_the_file(tmp_path: Path) -> None:
    model = peer("llama-3")
    dim = model.config.head_dim
    plain = 1.0 / 500_000.0 ** (torch.arange(0, dim, 2) / dim)
    factors = (plain / model.model.rotary_emb.inv_freq).numpy().astype(np.float32)
    write_gguf(
        model, tmp_path / "model.gguf", change=lambda tensors: tensors.update({"rope_freqs.weight": factors})
    )

    ours = logits(tmp_path / "model.gguf")

    torch.testing.assert_close(ours, peer_logits(model), atol=1e-4, rtol=0)


def test_sliding_window_comes_from_the_metadata(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    write_gguf(peer("mistral"), file, metadata=lambda writer: writer.add_sliding_window(5))

    torch.testing.assert_close(logits(file), peer_logits(peer("mistral")), atol=1e-4, rtol=0)


def test_linear_rope_scaling_comes_from_the_metadata(tmp_path: Path) -> None:
    def scaled(writer: gguf.GGUFWriter) -> None:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(4.0)

    write_gguf(peer("llama-linear"), tmp_path / "model.gguf", metadata=scaled)

    torch.testing.assert_close(
        logits(tmp_path / "model.gguf"), peer_logits(peer("llama-linear")), atol=1e-4, rtol=0
    )


def q4_k_block(block: bytes) -> list[float]:
    """256 values of a Q4_K block, as ggml's dequantize_row_q4_K."""
    d, minimum = np.frombuffer(block[:4], np.float16).astype(np.float32)
    packed, nibbles = block[4:16], block[16:]
    values: list[float] = []
    for group in range(8):
        if group < 4:
            scale, offset = packed[group] & 63, packed[group + 4] & 63
        else:
            scale = packed[group + 4] & 0xF | (packed[group - 4] >> 6) << 4
            offset = packed[group + 4] >> 4 | (packed[group] >> 6) << 4
        for byte in nibbles[group // 2 * 32 : group // 2 * 32 + 32]:
            values.append(d * scale * (byte & 0xF if group % 2 == 0 else byte >> 4) - minimum * offset)
    return values


def q6_k_block(block: bytes) -> list[float]:
    """256 values of a Q6_K block, as ggml's dequantize_row_q6_K."""
    low, high, scales = block[:128], block[128:192], struct.unpack("16b", block[192:208])
    d = np.frombuffer(block[208:], np.float16).astype(np.float32)[0]
    values = [0.0] * 256
    for half in (0, 1):
        for i in range(32):
            bits = high[half * 32 + i]
            for part in range(4):
                byte = low[half * 64 + i + 32 * (part % 2)]
                quant = (byte >> 4 if part > 1 else byte & 0xF) | (bits >> 2 * part & 3) << 4
                scale = scales[half * 8 + i // 16 + 2 * part]
                values[half * 128 + part * 32 + i] = d * scale * (quant - 32)
    return values


@pytest.mark.parametrize(
    ("kind", "size", "half_floats", "reference"),
    [(Kind.Q4_K, 144, (0, 2), q4_k_block), (Kind.Q6_K, 210, (208,), q6_k_block)],
)
def test_k_quants_are_dequantized_as_ggml_does(
    kind: Kind, size: int, half_floats, reference, tmp_path: Path
) -> None:
    blocks = np.random.default_rng(0).integers(0, 256, (256, size), dtype=np.uint8)
    for place in half_floats:
        blocks[:, place : place + 2] = np.array([0.01], np.float16).view(np.uint8)

    def replace(writer: gguf.GGUFWriter) -> None:
        writer.add_tensor("blk.0.ffn_up.weight", blocks, raw_dtype=kind)

    write_gguf(
        peer("smollm2"),
        tmp_path / "model.gguf",
        change=lambda tensors: tensors.pop("blk.0.ffn_up.weight"),
        metadata=replace,
    )

    weight = load_base(tmp_path / "model.gguf", dtype=torch.float32).layers[0].mlp.up.weight

    expected = torch.tensor([reference(block.tobytes()) for block in blocks])
    torch.testing.assert_close(weight.detach(), expected, atol=1e-5, rtol=1e-5)


def test_cache_is_the_model_rounded_to_bfloat16(tmp_path: Path) -> None:
    file, cache = tmp_path / "model.gguf", tmp_path / "cache"
    cache.mkdir()
    write_gguf(peer("smollm2"), file, kind=Kind.Q4_1)
    seen: list[tuple[int, int]] = []

    convert_to_cache(GGUFFile(file), cache, on_progress=lambda done, total: seen.append((done, total)))

    assert sorted(path.name for path in cache.iterdir()) == ["config.json", "model.safetensors"]
    assert seen[-1] == (len(seen), len(seen))
    assert read_config(cache) == read_config(file)
    expected = rounded(rounded(peer("smollm2"), Kind.Q4_1), Kind.BF16)
    for module in expected.modules():
        if type(module).__name__ == "LlamaRMSNorm":
            module.weight.data = module.weight.data.bfloat16().float()
    assert torch.equal(logits(cache), peer_logits(expected))


@pytest.mark.parametrize("case", ["smollm2", "qwen2-untied", "qwen3"])
def test_cache_is_a_folder_that_transformers_reads(case: str, tmp_path: Path) -> None:
    write_gguf(peer(case), tmp_path / "model.gguf")
    convert_to_cache(GGUFFile(tmp_path / "model.gguf"), tmp_path)

    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)

    torch.testing.assert_close(logits(tmp_path), peer_logits(model), atol=1e-4, rtol=0)


def test_cache_keeps_llama_3_frequencies(tmp_path: Path) -> None:
    factors = np.linspace(1, 8, 16, dtype=np.float32)
    write_gguf(
        peer("llama-3"),
        tmp_path / "model.gguf",
        change=lambda tensors: tensors.update({"rope_freqs.weight": factors}),
    )
    convert_to_cache(GGUFFile(tmp_path / "model.gguf"), tmp_path)

    scaling = read_config(tmp_path).rope_scaling

    assert scaling is not None
    assert scaling.factors == tuple(factors.tolist())


def test_failed_conversion_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gguf(peer("smollm2"), tmp_path / "model.gguf")

    def interrupt(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    cache = tmp_path / "cache"
    cache.mkdir()
    with pytest.raises(KeyboardInterrupt):
        convert_to_cache(GGUFFile(tmp_path / "model.gguf"), cache, on_progress=interrupt)

    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("kept", [0, 3, 20, 300, 0.5, -1])
def test_truncated_file_is_a_model_error(kept: float, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    write_gguf(peer("smollm2"), file)
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content)) if 0 < kept < 1 else int(kept)])

    with pytest.raises(ModelError, match=r"model\.gguf"):
        load_base(file)


def test_missing_file_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load_base(tmp_path / "model.gguf")


def test_other_architectures_are_named(tmp_path: Path) -> None:
    write_gguf(peer("smollm2"), tmp_path / "model.gguf", architecture="gemma3")

    with pytest.raises(ModelError, match="'gemma3' is not supported") as caught:
        load_base(tmp_path / "model.gguf")

    assert caught.value.hint == "supported: llama, qwen2, qwen3"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (lambda writer: writer.add_expert_count(8), "mixture of experts"),
        (lambda writer: writer.add_array("llama.attention.key_length", [64, 32]), "key_length should be"),
        (lambda writer: writer.add_rope_dimension_count(16), r"rope\.dimension_count 16"),
        (lambda writer: writer.add_rope_scaling_type(gguf.RopeScalingType.YARN), "'yarn'"),
    ],
)
def test_features_that_are_not_understood_are_named(metadata, message: str, tmp_path: Path) -> None:
    write_gguf(peer("smollm2"), tmp_path / "model.gguf", metadata=metadata)

    with pytest.raises(ModelError, match=message):
        load_base(tmp_path / "model.gguf")


def test_missing_and_unknown_tensors_are_named(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    write_gguf(peer("smollm2"), file, change=lambda tensors: tensors.pop("blk.1.ffn_up.weight"))
    with pytest.raises(ModelError, match=r"lacks blk\.1\.ffn_up\.weight"):
        load_base(file)

    extra = {"blk.0.attn_output.bias": np.ones(256, np.float32)}
    write_gguf(peer("smollm2"), file, change=lambda tensors: tensors.update(extra))
    with pytest.raises(ModelError, match=r"does not know: blk\.0\.attn_output\.bias"):
        load_base(file)


def test_missing_metadata_is_named(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_tensor("token_embd.weight", gguf_tensors(peer("smollm2"))["token_embd.weight"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    with pytest.raises(ModelError, match=r"llama\.attention\.head_count"):
        read_config(file)


def test_config_of_the_cache_is_plain_json(tmp_path: Path) -> None:
    write_gguf(peer("qwen3"), tmp_path / "model.gguf")
    convert_to_cache(GGUFFile(tmp_path / "model.gguf"), tmp_path)

    values = json.loads((tmp_path / "config.json").read_text())

    assert (values["model_type"], values["head_dim"], values["dtype"]) == ("qwen3", 32, "bfloat16")
