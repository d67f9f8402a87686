"""What tensors are called here, in Hugging Face checkpoints and in GGUF files."""

import re

# module: (Hugging Face, GGUF)
_TOP = {
    "embed": ("model.embed_tokens", "token_embd"),
    "norm": ("model.norm", "output_norm"),
    "head": ("lm_head", "output"),
}
_LAYER = {
    "attn_norm": ("input_layernorm", "attn_norm"),
    "attn.q": ("self_attn.q_proj", "attn_q"),
    "attn.k": ("self_attn.k_proj", "attn_k"),
    "attn.v": ("self_attn.v_proj", "attn_v"),
    "attn.o": ("self_attn.o_proj", "attn_output"),
    "attn.q_norm": ("self_attn.q_norm", "attn_q_norm"),
    "attn.k_norm": ("self_attn.k_norm", "attn_k_norm"),
    "mlp_norm": ("post_attention_layernorm", "ffn_norm"),
    "mlp.gate": ("mlp.gate_proj", "ffn_gate"),
    "mlp.up": ("mlp.up_proj", "ffn_up"),
    "mlp.down": ("mlp.down_proj", "ffn_down"),
}
_IN_LAYER = re.compile(r"layers\.(\d+)\.(.+)")


def hugging_face_module(module: str) -> str:
    """A module of InfiniTransformer, such as "layers.0.attn.q", as Hugging Face calls it."""
    if match := _IN_LAYER.fullmatch(module):
        return f"model.layers.{match[1]}.{_LAYER[match[2]][0]}"
    return _TOP[module][0]


def hugging_face_name(name: str) -> str:
    """A parameter of InfiniTransformer as Hugging Face calls it."""
    module, _, kind = name.rpartition(".")
    return f"{hugging_face_module(module)}.{kind}"


def gguf_name(name: str) -> str:
    """A parameter of InfiniTransformer as a GGUF file calls it."""
    module, _, kind = name.rpartition(".")
    if match := _IN_LAYER.fullmatch(module):
        return f"blk.{match[1]}.{_LAYER[match[2]][1]}.{kind}"
    return f"{_TOP[module][1]}.{kind}"
