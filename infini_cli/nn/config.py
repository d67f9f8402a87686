"""The shapes of a network and of its memory, without torch, so that anything may read them cheaply."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

FeatureMap = Literal["elu", "elu-map", "dpfp-3", "hedgehog"]
UpdateRule = Literal["linear", "delta"]

FEATURE_MAPS: tuple[FeatureMap, ...] = ("elu", "elu-map", "dpfp-3", "hedgehog")
UPDATE_RULES: tuple[UpdateRule, ...] = ("linear", "delta")


@dataclass(frozen=True, slots=True)
class RopeScaling:
    """How rotary frequencies are stretched for long contexts.

    `linear` divides every frequency by `factor`; `llama3` does so for long wavelengths only, as Llama 3.1;
    `factors` holds one divisor per frequency (a GGUF file's `rope_freqs.weight`).
    """

    kind: Literal["linear", "llama3", "factors"]
    factor: float = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_context: int = 8192  # tokens
    factors: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class MemoryConfig:
    """Which layers carry a compressive memory, and of which form (nn/README.md, "The memory")."""

    layers: tuple[int, ...]  # indices of the layers that carry a memory
    feature_map: FeatureMap = "elu"  # phi
    map_factor: int = 1  # rows of a hedgehog map for each dimension of a head; more features, a larger memory
    map_groups: int = 1  # of features of a hedgehog map, each with a softmax of its own
    word_keys: int = 0  # size of keys and queries made of words; 0: those of the layer's attention
    word_parts: int = 1  # sums that such a key is made of
    word_context: int = (
        0  # units that say how much words and parts count where they stand; 0: alike everywhere
    )
    word_values: bool = False  # values are made of the written token, not by the layer's attention
    key_shift: int = 0  # write each value under the key of the token so many places before it in its segment
    write_gate: bool = False  # scale each written feature by a learned w_t
    write_hidden: int = 0  # units of a gate that looks at what follows in the segment too; 0: a linear gate
    write_layer: int | None = None  # whose input all gates look at; None: each that of its own layer
    write_threshold: float = 0.0  # a token whose w_t is below it is not written at all
    write_ends: bool = False  # what follows a value is written as the end of an answer
    read_gate: bool = False  # the share of the memory depends on the token that reads, not on the head alone
    read_layer: int | None = None  # whose input all read gates look at; None: each that of its own layer
    read_threshold: float = 0.0  # a token whose share of the memory is below it does not read at all
    read_in_turn: bool = (
        False  # heads that go on from the last words read only behind what the others have read
    )
    update: UpdateRule = "delta"
    segment_length: int = 512  # tokens read at once; local attention does not look further while reading
    eps: float = 1e-6  # added to the denominator of a memory read
    beta_init: float = -4.0  # share of the memory in an untrained network: sigmoid(-4) = 1.8%

    def __post_init__(self) -> None:
        if self.feature_map not in FEATURE_MAPS:
            raise ValueError(f"unknown feature map {self.feature_map!r}; known: {', '.join(FEATURE_MAPS)}")
        if self.update not in UPDATE_RULES:
            raise ValueError(f"unknown update rule {self.update!r}; known: {', '.join(UPDATE_RULES)}")
        if self.map_factor < 1 or (self.map_factor > 1 and self.feature_map != "hedgehog"):
            raise ValueError(
                f"map_factor is {self.map_factor}; it must be at least 1, and 1 for {self.feature_map!r}"
            )
        if self.map_groups < 1 or (self.map_groups > 1 and self.feature_map != "hedgehog"):
            raise ValueError(
                f"map_groups is {self.map_groups}; it must be at least 1, and 1 for {self.feature_map!r}"
            )
        if self.key_shift < 0:
            raise ValueError(f"key_shift is {self.key_shift}; it must be at least 0")
        if self.word_keys < 0 or self.word_keys % 2 or (self.word_keys and self.feature_map != "hedgehog"):
            raise ValueError(
                f"word_keys is {self.word_keys}; it must be even and at least 0, and 0 for {self.feature_map!r}"
            )
        if self.word_parts < 1 or (self.word_keys // 2) % self.word_parts:
            raise ValueError(
                f"word_parts is {self.word_parts}; each part of the {self.word_keys} numbers of a key must be even"
            )
        if not 0 <= self.write_threshold < 1:
            raise ValueError(f"write_threshold is {self.write_threshold}; it must be at least 0 and below 1")
        for name in ("write_threshold", "write_hidden"):
            if getattr(self, name) and not self.write_gate:
                raise ValueError(f"{name} needs write_gate")
        if self.read_in_turn and not (self.read_threshold and self.word_keys):
            raise ValueError("read_in_turn needs read_threshold and word_keys")
        if not 0 <= self.read_threshold < 1:
            raise ValueError(f"read_threshold is {self.read_threshold}; it must be at least 0 and below 1")
        if self.read_threshold and not self.read_gate:
            raise ValueError("read_threshold needs read_gate")
        if self.write_hidden < 0:
            raise ValueError(f"write_hidden is {self.write_hidden}; it must be at least 0")
        if self.write_ends and not (self.write_gate and self.word_values):
            raise ValueError("write_ends needs write_gate and word_values")
        if self.word_context < 0 or (self.word_context and self.write_layer is None):
            raise ValueError(
                f"word_context is {self.word_context}; it must be at least 0, and 0 without write_layer"
            )
        if self.read_layer is not None:
            if not self.read_gate:
                raise ValueError("read_layer needs read_gate")
            if not 0 <= self.read_layer <= min(self.layers, default=0):
                raise ValueError(
                    f"read_layer is {self.read_layer}; it must not be above the first memory layer"
                )
        if self.write_layer is not None:
            if not (self.write_gate and self.word_keys and self.word_values):
                raise ValueError("write_layer needs write_gate, word_keys and word_values")
            if not 0 <= self.write_layer <= min(self.layers, default=0):
                raise ValueError(
                    f"write_layer is {self.write_layer}; it must not be above the first memory layer"
                )
        if self.segment_length < 1:
            raise ValueError(f"segment_length is {self.segment_length}; it must be at least 1")
        if self.eps <= 0:
            raise ValueError(f"eps is {self.eps}; it must be above 0")
        if tuple(sorted(set(self.layers))) != tuple(self.layers):
            raise ValueError(f"memory layers must be ascending and distinct, not {self.layers}")

    def gate_layer(self, layer: int) -> int:
        """The layer whose input decides what this memory layer writes."""
        return layer if self.write_layer is None else self.write_layer

    def hearing_layer(self, layer: int) -> int:
        """The layer whose input decides how much this memory layer reads."""
        return layer if self.read_layer is None else self.read_layer

    @property
    def reading_depth(self) -> int:
        """How many layers are run to read a text; there has to be a memory layer."""
        return self.gate_layer(self.layers[-1])

    def feature_dim(self, head_dim: int) -> int:
        """F, the size of phi(k) for keys of size `head_dim`; DPFP-nu has 2 * nu * D of them."""
        return {"dpfp-3": 6, "hedgehog": 2 * self.map_factor}.get(self.feature_map, 1) * head_dim


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A Llama-family decoder; `memory=None` is the plain base model."""

    vocab_size: int
    d_model: int
    n_layers: int
    n_heads: int  # H, query heads
    n_kv_heads: int  # G, key/value heads; each serves H/G query heads
    head_dim: int  # D
    d_ff: int
    norm_eps: float = 1e-5
    rope_theta: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    tied_embeddings: bool = False
    qkv_bias: bool = False  # Qwen2
    qk_norm: bool = False  # Qwen3: RMSNorm over each head's q and k
    sliding_window: int | None = None  # Mistral 0.1: a token sees at most so many tokens back
    memory: MemoryConfig | None = None

    def __post_init__(self) -> None:
        if self.n_heads % self.n_kv_heads:
            raise ValueError(f"{self.n_heads} query heads cannot share {self.n_kv_heads} key/value heads")
        if self.head_dim % 2:
            raise ValueError(f"head_dim is {self.head_dim}; rotary positions need an even one")
        if self.memory is not None and any(not 0 <= i < self.n_layers for i in self.memory.layers):
            raise ValueError(f"memory layers {self.memory.layers} are not all within 0..{self.n_layers - 1}")
        if self.memory is not None and self.memory.read_in_turn and self.n_kv_heads < 2:
            raise ValueError(
                "read_in_turn needs more than one key/value head: a single one goes on from the last words"
            )
        if self.memory is not None and self.memory.word_parts > 1 and self.n_kv_heads < 2:
            raise ValueError("word_parts above 1 need more than one key/value head")
        if self.memory is not None and self.memory.map_factor * self.head_dim % self.memory.map_groups:
            raise ValueError(
                f"{self.memory.map_groups} groups cannot share the {self.memory.map_factor * self.head_dim} rows of a "
                "map evenly"
            )

    @property
    def memory_layers(self) -> tuple[int, ...]:
        return self.memory.layers if self.memory is not None else ()

    def with_memory(self, memory: MemoryConfig | None) -> "ModelConfig":
        return dataclasses.replace(self, memory=memory)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON or TOML."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ModelConfig":
        """The inverse of `to_dict`. Raises ValueError for unknown or missing keys."""
        values = dict(values)
        if (scaling := values.get("rope_scaling")) is not None:
            values["rope_scaling"] = build(
                RopeScaling, {**scaling, "factors": tuple(scaling.get("factors", ()))}
            )
        if (memory := values.get("memory")) is not None:
            values["memory"] = memory_from_dict(memory)
        return build(cls, values)


def memory_from_dict(values: Mapping[str, Any]) -> MemoryConfig:
    """A MemoryConfig from plain values. Raises ValueError for unknown or missing keys."""
    return build(MemoryConfig, {**values, "layers": tuple(values.get("layers", ()))})


def build(cls: type, values: Mapping[str, Any]) -> Any:
    """`cls(**values)`, with the names of unknown and missing keys in the ValueError."""
    fields = {f.name: f for f in dataclasses.fields(cls)}
    if unknown := sorted(set(values) - set(fields)):
        raise ValueError(f"unknown {cls.__name__} keys: {', '.join(unknown)}")
    required = {n for n, f in fields.items() if f.default is dataclasses.MISSING}
    if missing := sorted(required - set(values)):
        raise ValueError(f"missing {cls.__name__} keys: {', '.join(missing)}")
    return cls(**values)
