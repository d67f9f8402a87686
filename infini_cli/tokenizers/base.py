"""What both kinds of tokenizer share: conversations, decoding, and what a model's files declare."""

import abc
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from infini_cli.tokenizers.chat import render
from infini_cli.tokenizers.detokenizing import ByteTableDecoder
from infini_cli.tokenizers.markers import END_MARKERS, Marker, split_at_markers

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Declared:
    """What a model's files say about its special tokens, beside the vocabulary itself.

    names: the variables that chat templates use, such as {"bos_token": "<s>"}.
    adds_bos: whether the model's texts begin with BOS; None leaves it to the vocabulary.
    eos_ids: tokens that end an answer, as far as declared by id.
    markers: added tokens that the vocabulary file itself does not list.
    """

    chat_template: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    adds_bos: bool | None = None
    eos_ids: frozenset[int] = frozenset()
    markers: tuple[Marker, ...] = ()


class BaseTokenizer(abc.ABC):
    """A tokenizer over a table of bytes per token and a set of markers (see protocol.Tokenizer)."""

    def __init__(
        self,
        *,
        table: Sequence[bytes],
        markers: Mapping[str, Marker],
        declared: Declared,
        bos_id: int | None,
        strips_first_space: bool,
    ) -> None:
        self._table = table
        self._markers = markers
        self._names = dict(declared.names)
        self._strips_first_space = strips_first_space
        self.vocab_size = len(table)
        self.bos_id = bos_id
        self.chat_template = declared.chat_template
        ends = {*END_MARKERS, declared.names.get("eos_token")}
        self.eos_ids = declared.eos_ids | {m.id for m in markers.values() if m.text in ends}

    @property
    @abc.abstractmethod
    def fingerprint(self) -> str: ...

    @abc.abstractmethod
    def _ids(self, text: str, *, first: bool) -> list[int]:
        """Ids of a text without markers; `first` where it begins a document or conversation."""

    def encode(self, text: str) -> list[int]:
        return self._ids(without_surrogates(text), first=True)

    def encode_chat(
        self, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool = True
    ) -> list[int]:
        pieces = render(
            self.chat_template, messages, variables=self._names, add_generation_prompt=add_generation_prompt
        )
        ids: list[int] = []
        for place, part in enumerate(split_at_markers(pieces, self._markers)):
            if isinstance(part, Marker):
                ids.append(part.id)
            else:
                ids += self._ids(without_surrogates(part), first=place == 0)
        return ids

    def count(self, text: str) -> int:
        return len(self.encode(text))

    def decode(self, ids: Iterable[int]) -> str:
        decoder = self.stream_decoder()
        return "".join([*map(decoder.push, ids), decoder.flush()])

    def stream_decoder(self) -> ByteTableDecoder:
        return ByteTableDecoder(self._table, strips_first_space=self._strips_first_space)


def without_surrogates(text: str) -> str:
    """The text with lone surrogates, which no UTF-8 can hold, replaced by U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
