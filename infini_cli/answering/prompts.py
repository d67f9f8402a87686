"""Every text the model is asked with, in one place, since training shows the model the same ones.

Measured with the untuned SmolLM2-135M-Instruct on 96 questions people asked about encyclopaedia articles (share of
answers that hold the expected one; one standard error is 5 points): a worked example before the question 42, without
it 35; one passage 39, three 36, the best one whole after single sentences of two others 42; the best passage last 36,
in document order 30. A second example that refuses halves the right answers and brings no refusals.
"""

from collections.abc import Sequence

Messages = list[dict[str, str]]

REFUSAL = "The document does not say."

_INSTRUCTION = f"Answer the question from the text. If the text does not say, answer: {REFUSAL}"
_EXAMPLE_TEXT = (
    "The old mill at Dunmore burned down in the spring of 1887. Two years later Alice Carr had it rebuilt in brick."
)
_EXAMPLE_QUESTION = "Who rebuilt the mill?"
_EXAMPLE_ANSWER = "Alice Carr had the mill rebuilt in brick."


def evidence_messages(question: str, passages: Sequence[str]) -> Messages:
    """The question with passages of the document before it, the one that bears on it most last."""
    return [
        {"role": "system", "content": _INSTRUCTION},
        {"role": "user", "content": _ask([_EXAMPLE_TEXT], _EXAMPLE_QUESTION)},
        {"role": "assistant", "content": _EXAMPLE_ANSWER},
        {"role": "user", "content": _ask(passages, question)},
    ]


def memory_messages(question: str) -> Messages:
    """The question alone: all that is known of the document is in the memory."""
    return [{"role": "user", "content": question}]


def _ask(passages: Sequence[str], question: str) -> str:
    listed = "\n\n".join(passages)
    return f"Text: {listed}\n\nQuestion: {question}"
