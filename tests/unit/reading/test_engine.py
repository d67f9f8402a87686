"""The model from the settings: which device, which numbers, which fingerprints."""

import dataclasses

import pytest
import torch

from infini_cli.errors import ModelError, UsageError
from infini_cli.nn.config import MemoryConfig
from infini_cli.reading import engine as engine_module
from infini_cli.reading.engine import (
    ModelEngine,
    choose_device,
    choose_dtype,
    expected_fingerprints,
    load_engine,
    memory_fingerprint,
)
from infini_cli.settings import Settings

TINY = Settings(model="for-tests-tiny", dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def engine() -> ModelEngine:
    return load_engine(TINY)


def test_the_model_is_described(engine: ModelEngine) -> None:
    assert (engine.model_name, engine.device, engine.dtype) == ("for-tests-tiny", "cpu", "float32")
    assert engine.segment_length == 32
    assert set(engine.fingerprints) == {"model", "adapter", "tokenizer", "memory"}
    assert engine.fingerprints["adapter"] == "none"
    assert not engine.model.training


def test_fingerprints_can_be_had_without_the_weights(engine: ModelEngine) -> None:
    assert expected_fingerprints(TINY) == engine.fingerprints


def test_the_segment_length_can_be_chosen_and_changes_no_fingerprint(engine: ModelEngine) -> None:
    other = load_engine(TINY, segment_length=64)
    assert other.segment_length == 64
    assert other.model.config.memory is not None
    assert other.model.config.memory.segment_length == 64
    assert other.fingerprints == engine.fingerprints
    from_settings = load_engine(TINY.model_copy(update={"segment_length": 48}))
    assert from_settings.segment_length == 48


def test_every_other_part_of_the_memorys_form_changes_its_fingerprint() -> None:
    form = MemoryConfig(layers=(0, 1), feature_map="hedgehog")
    others = {
        "layers": (0,),
        "feature_map": "dpfp-3",
        "write_gate": True,
        "read_gate": True,
        "word_keys": 64,
        "key_shift": 1,
        "update": "linear",
        "eps": 1e-5,
    }
    prints = {memory_fingerprint(dataclasses.replace(form, **{key: value})) for key, value in others.items()}  # type: ignore[arg-type]
    assert len({memory_fingerprint(form), *prints}) == len(others) + 1
    assert memory_fingerprint(dataclasses.replace(form, segment_length=7)) == memory_fingerprint(form)


def test_forms_from_before_the_read_gate_keep_their_fingerprint() -> None:
    form = MemoryConfig(layers=(0, 1))
    of_version_0_1 = "4c294f906dfba0ccaed2283aaf6057bcc30f7d5ed8a2a057b9f9ce1a95c998af"
    assert memory_fingerprint(form) == of_version_0_1


def test_reading_fills_the_memory_and_leaves_the_old_state_alone(engine: ModelEngine) -> None:
    before = engine.empty_state()
    tokens = torch.arange(64).view(1, 2, 32)
    after = engine.read(tokens, before)
    assert all((layer.norm == 0).all() for layer in before)
    assert all((layer.norm > 0).any() for layer in after)
    one_by_one = engine.read(tokens[:, 1:], engine.read(tokens[:, :1], before))
    for together, apart in zip(after, one_by_one, strict=True):
        torch.testing.assert_close(together.matrix, apart.matrix)
        assert together.matrix.dtype == torch.float32


def test_a_model_that_is_not_known_is_told() -> None:
    with pytest.raises(ModelError, match="no model 'nonesuch'"):
        load_engine(Settings(model="nonesuch"))


def test_auto_takes_the_best_device_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"


@pytest.mark.parametrize("name", ["cuda", "cuda:7", "mps"])
def test_a_device_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: name == "cuda:7")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match=f"no device '{name}'"):
        choose_device(name)


def test_auto_takes_bfloat16_only_where_the_device_computes_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert choose_dtype("auto", cuda) == torch.bfloat16
    for able in (True, False):
        monkeypatch.setattr(
            engine_module.torch.cpu, "_is_avx512_bf16_supported", lambda able=able: able, raising=False
        )
        monkeypatch.setattr(engine_module.torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
        assert choose_dtype("auto", cpu) == (torch.bfloat16 if able else torch.float32)
    monkeypatch.delattr(engine_module.torch.cpu, "_is_avx512_bf16_supported")
    monkeypatch.delattr(engine_module.torch.cpu, "_is_amx_tile_supported")
    assert choose_dtype("auto", cpu) == torch.float32
    assert choose_dtype("bfloat16", cpu) == torch.bfloat16
    assert choose_dtype("float32", cuda) == torch.float32
