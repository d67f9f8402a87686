"""Text to token ids and back: one protocol over the `tokenizers` and `sentencepiece` libraries."""

from infini_cli.tokenizers.loading import load_tokenizer, save_gguf_tokenizer
from infini_cli.tokenizers.protocol import StreamDecoder, Tokenizer

__all__ = ["StreamDecoder", "Tokenizer", "load_tokenizer", "save_gguf_tokenizer"]
