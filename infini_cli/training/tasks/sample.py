"""What a task hands over: a document of whole segments, and questions asked after it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from infini_cli.tokenizers.protocol import Tokenizer
from infini_cli.training.corpus import Corpus
from infini_cli.training.manifest import Role
from infini_cli.training.sources import Sources

_FULLEST = 0.8  # share of a document that may be put into it

# what the loss of a question is: the answer's tokens, running text, or only staying close to the base model
Objective = Literal["answer", "text", "replay"]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where samples come from and how large they are."""

    corpus: Corpus
    tokenizer: Tokenizer
    n_segments: int  # segments of the document, all of which only the memory has seen when the question comes
    segment_length: int  # tokens
    split: Role = "train"

    @property
    def n_tokens(self) -> int:
        return self.n_segments * self.segment_length

    def has_room_for(self, sentences: Iterable[str]) -> bool:
        """Whether a document that holds these, with a space before each, has enough of other text as well."""
        return sum(self.tokenizer.count(each) + 1 for each in sentences) <= _FULLEST * self.n_tokens


@dataclass(frozen=True, slots=True)
class Question:
    """Something asked after the document; prompt and answer together are the local window."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]  # closed by the token that ends an answer, where the objective is "answer"
    text: str  # the question in words
    accepted: tuple[str, ...]  # right answers in words, the one in `answer` first
    depth: float  # where the needed text stands in the document, 0 start to 1 end
    # segments from the last needed token to the question: 1 is the document's last segment, 0 the window
    distance: int
    teacher_prompt: tuple[int, ...] | None = (
        None  # the same question with the needed text before it, to distil from
    )
    objective: Objective = "answer"
    # for each token of the answer, the tokens of the document that hold it: what a lookup should find
    sources: Sources = ()
    replaced: tuple[int, ...] = ()  # first tokens of what the document said before in the answer's place
    reply_tokens: int = 0  # above 0: the answer is what the base model replies, at most so much of it
    alone: bool = False  # asked as if no document had been read
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def tokens(self) -> tuple[int, ...]:
        """Prompt and answer."""
        return self.prompt + self.answer

    @property
    def loss_mask(self) -> tuple[bool, ...]:
        """True at the tokens of `tokens` that are to be predicted."""
        return (False,) * len(self.prompt) + (True,) * len(self.answer)


@dataclass(frozen=True, slots=True)
class Sample:
    """One document and one or more questions about it, each asked on its own."""

    task: str
    segments: npt.NDArray[np.int64]  # (S, T)
    questions: tuple[Question, ...]
    details: dict[str, Any] = field(default_factory=dict)
