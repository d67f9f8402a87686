"""The model writing: prompts in, text out as it appears, with an account of the tokens."""

import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch

from infini_cli.answering.prompts import Messages
from infini_cli.nn.generate import Sampling, fold, generate
from infini_cli.nn.memory import MemoryState
from infini_cli.reading.engine import ModelEngine


@dataclass(slots=True)
class Usage:
    """Tokens the model took in and wrote."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Writer(Protocol):
    """What answering needs of a model."""

    usage: Usage
    first_token_at: float | None  # by time.monotonic; of the first token of the latest text
    cut: bool  # whether the latest text ended at the limit of tokens
    sureness: float  # the probability, 0 to 1, of the likeliest first token of the latest text

    def write(self, messages: Messages, *, max_tokens: int | None = None) -> Generator[str, None, None]:
        """The answer to a conversation, in pieces as they appear; closing the iterator stops the model."""

    def room(self, messages: Messages, *, max_tokens: int | None = None) -> int:
        """Tokens left in the window beside this conversation and the answer to it; below 0 when it does not fit."""


class RememberingWriter(Writer, Protocol):
    """A writer with a memory that texts can be read into."""

    state: MemoryState

    def read(self, text: str) -> int:
        """Read a text into the memory and return its tokens; the state held before is left as it is."""


@dataclass(slots=True)
class ModelWriter:
    """A writer that is a model with a memory behind its window.

    Attributes:
        engine: the model.
        state: the memory it looks back into; writing leaves it as it is.
        sampling: how tokens are chosen, and at most how many.
        window: tokens attended to exactly.
    """

    engine: ModelEngine
    state: MemoryState
    sampling: Sampling
    window: int
    usage: Usage = field(default_factory=Usage)
    first_token_at: float | None = None
    cut: bool = False
    sureness: float = 0.0

    def write(self, messages: Messages, *, max_tokens: int | None = None) -> Generator[str, None, None]:
        """The answer to a conversation, in pieces as they appear; closing the iterator stops the model."""
        tokenizer = self.engine.tokenizer
        prompt = tokenizer.encode_chat(messages)
        self.usage.prompt_tokens += len(prompt)
        self.first_token_at, self.cut = None, False
        decoder = tokenizer.stream_decoder()
        sampling = self._sampling(max_tokens)
        sure: list[float] = []  # the probability of the likeliest token at each place
        tokens = generate(
            self.engine.model,
            prompt,
            self.state,
            sampling,
            stop_ids=tokenizer.eos_ids,
            window_length=self.window,
            on_choice=sure.append,
        )
        for number, token in enumerate(tokens, start=1):
            self.cut = number == sampling.max_new_tokens
            if self.first_token_at is None:
                self.first_token_at, self.sureness = time.monotonic(), sure[0]
            self.usage.completion_tokens += 1
            if piece := decoder.push(token):
                yield piece
        if rest := decoder.flush():
            yield rest

    def room(self, messages: Messages, *, max_tokens: int | None = None) -> int:
        """Tokens left in the window beside this conversation and the answer to it; below 0 when it does not fit."""
        prompt = len(self.engine.tokenizer.encode_chat(messages))
        return self.window - prompt - self._sampling(max_tokens).max_new_tokens

    def read(self, text: str) -> int:
        """Read a text into the memory and return its tokens; the state held before is left as it is."""
        tokens = self.engine.tokenizer.encode(text)
        with torch.inference_mode():
            self.state = fold(self.engine.model, tokens, self.state)
        return len(tokens)

    def _sampling(self, max_tokens: int | None) -> Sampling:
        limit = self.sampling.max_new_tokens
        return replace(self.sampling, max_new_tokens=limit if max_tokens is None else min(limit, max_tokens))
