"""A conversation on a memory: questions that may lean on those before them, each answered as `answer` does.

A question that stands alone is answered as if it were the only one. One that leans on what was said before ("And how
old was she?") is also searched for with the words of the question it leans on and the names of the last answer, and
the model is shown the conversation so far. What no longer fits into the window beside the evidence is read into the
writer's memory, oldest first; the memory that the conversation began with is left as it is.
"""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from infini_cli.answering import words
from infini_cli.answering.answer import CITATIONS, NOTHING_BEFORE, QUOTING, Answer, Context, answer
from infini_cli.answering.prompts import Exchange, evidence_messages, exchange_text
from infini_cli.answering.question import Question, parse_question
from infini_cli.answering.writing import RememberingWriter, Usage
from infini_cli.nn.memory import MemoryState
from infini_cli.reading.memory import OpenMemory

EVIDENCE_TOKENS = 450  # of the window that are kept free for passages: one whole, and sentences of two others
_MOST_NAMES = 4  # of an answer that are taken for its subject

# beginnings that go on from what was said, and words that stand for something named before
_GOES_ON = re.compile(r"\W*(?:and|but|or|so|also|then|(?:what|how) about|why not|what else|who else)\b", re.I)
_REFERS = re.compile(
    r"\b(?:he|him|his|himself|she|her|hers|herself|it|its|itself|they|them|their|theirs|themselves|then)\b"
    # "there" for a place, not in "there is"
    r"|(?<!\bis )(?<!\bare )(?<!\bwas )(?<!\bwere )\bthere\b(?! (?:is|are|was|were|be|been)\b)"
    r"|\b(?:this|that|these|those)\b(?=\W*$|\s+(?:is|was|are|were|mean|happen))"
    r"|\b(?:the )?(?:other|same|latter|former|first|second|last) ones?\b|\bone\b(?=\W*$)",
    re.I,
)
_ABOUT_ALL = re.compile(r"\b(?:this|all this|it all)\b.{0,20}\babout\b", re.I)


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer.

    Attributes:
        answer: with its question.
        topic: the question that names what this turn is about: this one, or one before it.
        searched: what the question was also searched for with; empty when it stands alone.
    """

    answer: Answer
    topic: str
    searched: str

    @property
    def exchange(self) -> Exchange:
        """What was said; of an answer that quotes the document, the quotation alone."""
        return self.answer.question, self.answer.text.removeprefix(QUOTING).strip("“”")


class Conversation:
    """A conversation on one memory.

    Args:
        memory: what was read.
        writer: the model, with the state of `memory` behind its window.
        citations: at most so many with each answer.

    Attributes:
        turns: all of them, in order.
        folded: how many, from the beginning, have been read into the writer's memory.
        folded_tokens: of these.
    """

    def __init__(self, memory: OpenMemory, writer: RememberingWriter, *, citations: int = CITATIONS) -> None:
        self._memory = memory
        self._writer = writer
        self._citations = citations
        self.turns: list[Turn] = []
        self.folded = 0
        self.folded_tokens = 0

    def ask(self, question: str, *, on_text: Callable[[str], None] = lambda text: None) -> Turn:
        """Answer the next question. When it is broken off by an exception, the conversation is as before.

        Args:
            question: as the user wrote it.
            on_text: gets the answer piece by piece.
        """
        self._make_room(question)
        self._writer.usage, self._writer.first_token_at = Usage(), None
        context = self._context(question)
        result = answer(
            question, self._memory, self._writer, citations=self._citations, on_text=on_text, context=context
        )
        # the account belongs to this answer alone
        result = replace(result, usage=replace(result.usage))
        names_something = not context.searched or bool(_names(parse_question(question)))
        topic = question if names_something or not self.turns else self.turns[-1].topic
        turn = Turn(result, topic, context.searched)
        self.turns.append(turn)
        return turn

    def whole_state(self) -> tuple[MemoryState, int]:
        """The memory with all of the conversation read into it, and the conversation's tokens.

        The conversation itself goes on as before.
        """
        reader = copy.copy(self._writer)
        text = "".join(exchange_text(turn.exchange) for turn in self.turns[self.folded :])
        tokens = reader.read(text) if text else 0
        return reader.state, self.folded_tokens + tokens

    def _context(self, question: str) -> Context:
        if not self.turns or not leans(question):
            return NOTHING_BEFORE
        # shown that it did not know, a small model goes on not knowing
        told = tuple(turn.exchange for turn in self.turns[self.folded :] if turn.answer.found)
        return Context(told, _carried(question, self.turns[-1]))

    def _make_room(self, question: str) -> None:
        """Read the oldest turns into the memory until the others fit into the window beside the evidence."""
        while self.folded < len(self.turns):
            exchanges = [turn.exchange for turn in self.turns[self.folded :]]
            if self._writer.room(evidence_messages(question, [], exchanges)) >= EVIDENCE_TOKENS:
                return
            self.folded_tokens += self._writer.read(exchange_text(exchanges[0]))
            self.folded += 1


def leans(question: str) -> bool:
    """Whether a question needs what was said before it to be understood."""
    if _GOES_ON.match(question):
        return True
    parsed = parse_question(question)
    if _names(parsed):
        return False
    if _REFERS.search(question):
        return True
    if _ABOUT_ALL.search(question) or (parsed.general and parsed.terms):
        return False
    # "Why?", "Tell me more."
    return all(term.text.lower() in words.ASKING_WORDS for term in parsed.terms)


def _carried(question: str, last: Turn) -> str:
    """What a question that leans on the last turn is also searched for with."""
    if _names(parse_question(question)):
        # "And Catherine?" asks the same of somebody else
        asked = parse_question(last.answer.question).terms
        return " ".join(term.text for term in asked if not term.names)
    told = last.answer.text if last.answer.found and not last.answer.quoted else ""
    names = [
        word for word in dict.fromkeys(words.tokens(told)) if word[0].isupper() and words.is_content(word)
    ]
    return " ".join([last.topic, *(names if len(names) <= _MOST_NAMES else ())])


def _names(question: Question) -> list[str]:
    return [term.text for term in question.terms if term.names]
