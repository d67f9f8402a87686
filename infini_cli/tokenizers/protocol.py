"""What the rest of the program may expect of a tokenizer."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol


class StreamDecoder(Protocol):
    """Token ids in, text out as soon as its characters are complete; all pieces joined equal `decode`."""

    def push(self, token_id: int) -> str:
        """The characters that this token completes; often none in the middle of a character."""

    def flush(self) -> str:
        """What is left at the end: a replacement character when the last character never became complete."""


class Tokenizer(Protocol):
    """Text to token ids and back, for one model."""

    @property
    def vocab_size(self) -> int:
        """One more than the highest token id."""

    @property
    def bos_id(self) -> int | None:
        """The token that begins every text, or None where the model's texts begin without one."""

    @property
    def eos_ids(self) -> frozenset[int]:
        """Tokens that end an answer."""

    @property
    def chat_template(self) -> str | None:
        """The model's own Jinja template, or None for a model that was not tuned to chat."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of everything that decides which ids a text gets."""

    def encode(self, text: str) -> list[int]:
        """Ids of a plain text: no token is added, and markers spelled out in it stay ordinary characters."""

    def encode_chat(
        self, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool = True
    ) -> list[int]:
        """Ids of a conversation in the model's chat template.

        Only the template itself can write markers; those spelled out in a message stay ordinary characters.

        Args:
            messages: each with "role" ("system", "user" or "assistant") and "content".
            add_generation_prompt: end with the opening of the assistant's answer.

        Raises:
            ModelError: the template cannot be used, or refuses the conversation.
        """

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, without special tokens; bytes that are not UTF-8 become U+FFFD."""

    def stream_decoder(self) -> StreamDecoder:
        """A decoder for ids that arrive one by one."""

    def count(self, text: str) -> int:
        """How many tokens `encode(text)` has."""
