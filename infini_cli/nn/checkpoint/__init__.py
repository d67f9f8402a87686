"""Checkpoints: base models from Hugging Face folders and GGUF files, a cache of the latter, and adapters."""

from infini_cli.nn.checkpoint.adapter import load_adapter, save_adapter
from infini_cli.nn.checkpoint.conversion import convert_to_cache
from infini_cli.nn.checkpoint.loading import load_base, read_config

__all__ = ["convert_to_cache", "load_adapter", "load_base", "read_config", "save_adapter"]
