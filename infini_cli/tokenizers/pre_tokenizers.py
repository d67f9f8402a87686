"""How a text is cut before byte-pair merging, by GGUF's names for it, as parts of a tokenizer.json."""

from dataclasses import dataclass
from typing import Any

from infini_cli.errors import ModelError

# Llama 3 (groups of up to three digits) and Qwen2 (single digits), as their authors publish them
_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN_2 = _LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")


def _byte_level(*, splits: bool) -> dict[str, Any]:
    """Bytes to GPT-2's alphabet; `splits` first cuts the text as GPT-2 does."""
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": splits}


def _sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(steps)}


def _split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


@dataclass(frozen=True, slots=True)
class Scheme:
    """What surrounds a byte-level vocabulary."""

    pre_tokenizer: dict[str, Any]
    normalizer: dict[str, Any] | None = None
    ignore_merges: bool = False  # a word that is a token as a whole is not built from merges
    adds_bos: bool = False  # unless the file says otherwise


_GPT_2 = Scheme(_byte_level(splits=True))
_SMOLLM = Scheme(_sequence({"type": "Digits", "individual_digits": True}, _byte_level(splits=True)))
_LLAMA_BPE = Scheme(_sequence(_split(_LLAMA_3), _byte_level(splits=False)), ignore_merges=True, adds_bos=True)
_QWEN = Scheme(_sequence(_split(_QWEN_2), _byte_level(splits=False)), normalizer={"type": "NFC"})

_SCHEMES = {
    "default": _GPT_2,
    "gpt-2": _GPT_2,
    "smollm": _SMOLLM,
    "llama-bpe": _LLAMA_BPE,
    "llama3": _LLAMA_BPE,
    "llama-v3": _LLAMA_BPE,
    "qwen2": _QWEN,
    "deepseek-r1-qwen": _QWEN,
}


def scheme(name: str | None) -> Scheme:
    """The scheme that a GGUF file names. Raises ModelError for one that is not known."""
    known = f"supported: {', '.join(_SCHEMES)}"
    if name is None:
        raise ModelError(
            "the file does not say how its tokenizer cuts words (tokenizer.ggml.pre)", hint=known
        )
    if name not in _SCHEMES:
        raise ModelError(f"the pre-tokenizer {name!r} is not supported", hint=known)
    return _SCHEMES[name]
