"""Every text the model is asked with, in one place, since training shows the model the same ones.

Measured with the untuned SmolLM2-135M-Instruct on 96 questions people asked about encyclopaedia articles (share of
answers that hold the expected one; one standard error is 5 points): the best passage whole, after single sentences of
two others, 42; without the worked example and the instruction 21. One passage 39; three 36 with the best one last, 30
in document order. A second example, one that refuses, halves the right answers and brings no refusals.
For summaries the model is given one passage at a time: of 16 passages of a manual it told 10 in a sentence that the
passage bears out, after an example; 5 to 7 without one; of several passages at once hardly any.
"""

import re
from collections.abc import Sequence

Messages = list[dict[str, str]]
Exchange = tuple[str, str]  # a question and its answer

REFUSAL = "The document does not say."
_REFUSES = re.compile(
    r"\b{0} (?:does|do)(?: not|n't) (?:say|mention|state|specify|provide|contain)\b"
    r"|\bnot (?:mentioned|stated|specified|given) in the {0}\b".format(
        "(?:text|document|passage|book|context|article)s?"
    ),
    re.I,
)
MARKS = ("Question:", "Text:")  # by which the model, once it has answered, goes on to ask itself

_INSTRUCTION = "Answer the question from the text."
_EXAMPLE_TEXT = (
    "The old mill at Dunmore burned down in the spring of 1887."
    " Two years later Alice Carr had it rebuilt in brick."
)
_EXAMPLE_QUESTION = "Who rebuilt the mill?"
_EXAMPLE_ANSWER = "Alice Carr had the mill rebuilt in brick."
_LONGER_EXAMPLE_TEXT = (
    f"{_EXAMPLE_TEXT} The new mill ground corn for the whole valley until the railway came."
)
_EXAMPLE_SUMMARY = (
    "The mill at Dunmore, which burned down in 1887, was rebuilt in brick by Alice Carr and served the valley until"
    " the railway came."
)


def evidence_messages(question: str, passages: Sequence[str], earlier: Sequence[Exchange] = ()) -> Messages:
    """The question with passages of the document before it, the one that bears on it most last.

    Args:
        question: as asked.
        passages: texts.
        earlier: questions of the same conversation and their answers, in order.
    """
    said = [
        {"role": role, "content": text}
        for exchange in earlier
        for role, text in zip(("user", "assistant"), exchange, strict=True)
    ]
    return [
        {"role": "system", "content": _INSTRUCTION},
        {"role": "user", "content": _ask([_EXAMPLE_TEXT], _EXAMPLE_QUESTION)},
        {"role": "assistant", "content": _EXAMPLE_ANSWER},
        *said,
        {"role": "user", "content": _ask(passages, question)},
    ]


def exchange_text(exchange: Exchange) -> str:
    """A question and its answer as running text, the form in which a conversation is read into a memory."""
    question, answer = exchange
    return f"Question: {question}\nAnswer: {answer}\n\n"


def memory_messages(question: str) -> Messages:
    """The question alone: all that is known of the document is in the memory."""
    return [{"role": "user", "content": question}]


def summary_messages(text: str) -> Messages:
    """A text to be told in one sentence."""
    return [
        {"role": "system", "content": "Summarize the text in one sentence."},
        {"role": "user", "content": f"Text: {_LONGER_EXAMPLE_TEXT}"},
        {"role": "assistant", "content": _EXAMPLE_SUMMARY},
        {"role": "user", "content": f"Text: {text}"},
    ]


def is_refusal(sentence: str) -> bool:
    """Whether a sentence says that the text does not say."""
    return bool(_REFUSES.search(sentence))


def _ask(passages: Sequence[str], question: str) -> str:
    listed = "\n\n".join(passages)
    return f"Text: {listed}\n\nQuestion: {question}"
