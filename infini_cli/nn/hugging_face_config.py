"""A Hugging Face config.json as a ModelConfig; what would change the computation is understood or refused."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infini_cli.errors import ModelError
from infini_cli.nn.config import ModelConfig, RopeScaling

CONFIG = "config.json"


@dataclass(frozen=True, slots=True)
class _Family:
    """What a model type computes, and its defaults for keys that a config.json leaves out."""

    n_kv_heads: int | None  # None: as many as query heads
    qkv_bias: bool = False
    qk_norm: bool = False
    head_dim: int | None = None  # None: width divided by query heads
    sliding_window: int | None = None


_FAMILIES = {
    "llama": _Family(n_kv_heads=None),
    "mistral": _Family(n_kv_heads=8, sliding_window=4096),
    "qwen2": _Family(n_kv_heads=32, qkv_bias=True),
    "qwen3": _Family(n_kv_heads=32, qk_norm=True, head_dim=128),
}
_ROPE_TYPES = ("default", "linear", "llama3", "factors")

# keys that must be absent, false or null, since they add what this network does not have
_REFUSED = ("attention_bias", "mlp_bias", "rope_interleaved", "quantization_config")


def read_folder_config(folder: Path) -> ModelConfig:
    """The network, without memory, of a Hugging Face folder.

    Raises:
        ModelError: there is no config.json, or it describes nothing that is supported.
    """
    return config_from_hugging_face(read_json(folder / CONFIG), name=str(folder / CONFIG))


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ModelError when there is none."""
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ModelError(f"{file} is not valid JSON: {error}", hint="fetch the file again") from None
    if not isinstance(content, dict):
        raise ModelError(f"{file} does not hold a JSON object")
    return content


def config_from_hugging_face(values: Mapping[str, Any], *, name: str) -> ModelConfig:
    """The ModelConfig (without memory) that a config.json describes.

    Args:
        values: the content of config.json, as written by transformers 4 or 5.
        name: what to call the file in errors.

    Raises:
        ModelError: an unsupported model type, activation or feature, or a missing or impossible value.
    """
    reader = _Reader(values, name)
    family = reader.family()
    for key in _REFUSED:
        if values.get(key):
            raise ModelError(f"{name} asks for {key}, which is not supported")
    reader.choice("hidden_act", "silu", ("silu",))
    n_heads = reader.integer("num_attention_heads")
    d_model = reader.integer("hidden_size")
    head_dim = reader.integer("head_dim", family.head_dim or max(1, d_model // n_heads))
    try:
        return ModelConfig(
            vocab_size=reader.integer("vocab_size"),
            d_model=d_model,
            n_layers=reader.integer("num_hidden_layers"),
            n_heads=n_heads,
            n_kv_heads=reader.integer("num_key_value_heads", family.n_kv_heads or n_heads),
            head_dim=head_dim,
            d_ff=reader.integer("intermediate_size"),
            norm_eps=reader.number("rms_norm_eps", 1e-6),
            rope_theta=reader.rope_theta(),
            rope_scaling=reader.rope_scaling(head_dim),
            tied_embeddings=bool(values.get("tie_word_embeddings", False)),
            qkv_bias=family.qkv_bias,
            qk_norm=family.qk_norm,
            sliding_window=reader.sliding_window(family),
        )
    except ValueError as error:
        raise ModelError(f"{name} describes an impossible network: {error}") from None


class _Reader:
    """The values of one config.json, with its name for errors."""

    def __init__(self, values: Mapping[str, Any], name: str) -> None:
        self.values = values
        self.name = name
        # transformers 5 keeps everything rotary in one place; before, theta stood beside it
        self.rope = self._mapping("rope_parameters") or self._mapping("rope_scaling")

    def family(self) -> _Family:
        return _FAMILIES[self.choice("model_type", "", tuple(_FAMILIES))]

    def choice(self, key: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.values.get(key, default)
        if value not in allowed:
            raise ModelError(
                f"{self.name}: {key} {value!r} is not supported", hint=f"supported: {', '.join(allowed)}"
            )
        return str(value)

    def integer(self, key: str, default: int | None = None) -> int:
        value = self.values.get(key)
        value = default if value is None else value
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ModelError(f"{self.name}: {key} should be a whole number above 0, not {value!r}")
        return value

    def number(self, key: str, default: float, *, within: Mapping[str, Any] | None = None) -> float:
        value = (self.values if within is None else within).get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
            raise ModelError(f"{self.name}: {key} should be a number above 0, not {value!r}")
        return float(value)

    def rope_theta(self) -> float:
        return self.number("rope_theta", self.number("rope_theta", 10_000.0), within=self.rope)

    def rope_scaling(self, head_dim: int) -> RopeScaling | None:
        rope = self.rope
        for values in (rope, self.values):
            if self.number("partial_rotary_factor", 1.0, within=values) != 1.0:
                raise ModelError(f"{self.name} asks for partial_rotary_factor, which is not supported")
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind not in _ROPE_TYPES:
            raise ModelError(
                f"{self.name}: rope_type {kind!r} is not supported",
                hint=f"supported: {', '.join(_ROPE_TYPES)}",
            )
        if kind == "default":
            return None
        if kind == "factors":
            factors = rope.get("factors")
            if not isinstance(factors, list) or len(factors) != head_dim // 2:
                raise ModelError(f"{self.name}: rope factors should be {head_dim // 2} numbers")
            return RopeScaling("factors", factors=tuple(map(float, factors)))
        factor = self.number("factor", 0.0, within=rope)
        if kind == "linear":
            return RopeScaling("linear", factor=factor)
        return RopeScaling(
            "llama3",
            factor=factor,
            low_freq_factor=self.number("low_freq_factor", 0.0, within=rope),
            high_freq_factor=self.number("high_freq_factor", 0.0, within=rope),
            original_context=int(self.number("original_max_position_embeddings", 0, within=rope)),
        )

    def sliding_window(self, family: _Family) -> int | None:
        """The window that all layers share. Raises ModelError when only some of them have one."""
        values = self.values
        if family.sliding_window is None and not values.get("use_sliding_window"):
            return None
        if values.get("sliding_window", family.sliding_window) is None:
            return None
        layers = self.integer("num_hidden_layers")
        first = values.get("max_window_layers", 0) if family.sliding_window is None else 0
        sliding = ["sliding_attention" if index >= first else "full_attention" for index in range(layers)]
        kinds = set(values.get("layer_types") or sliding)
        if kinds == {"full_attention"}:
            return None
        if kinds != {"sliding_attention"}:
            raise ModelError(f"{self.name}: layers of different kinds are not supported: {sorted(kinds)}")
        return self.integer("sliding_window", family.sliding_window)

    def _mapping(self, key: str) -> Mapping[str, Any]:
        value = self.values.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or any(isinstance(part, Mapping) for part in value.values()):
            raise ModelError(f"{self.name}: {key} is not in a supported form")
        return value
