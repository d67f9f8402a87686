"""From a composed document, and what is known of it, to the questions that a sample carries."""

from collections.abc import Sequence
from typing import Any

from infini_cli.answering.prompts import Messages, evidence_messages, memory_messages
from infini_cli.training.composition import Document
from infini_cli.training.prompting import as_within, close_answer
from infini_cli.training.sources import find_first, find_sources, spelled_as
from infini_cli.training.tasks.sample import Objective, Question, Setting


def place_of(setting: Setting, document: Document, needed: Sequence[int]) -> tuple[float, int]:
    """Depth (0 to 1) and distance in segments of the last of the needed insertions (given by index).

    Where none is needed, because the window itself holds all there is, the depth is 1 and the distance 0.
    """
    if not needed:
        return 1.0, 0
    start = max(document.spans[index][0] for index in needed)
    end = max(document.spans[index][1] for index in needed)
    segment = (end - 1) // setting.segment_length
    return start / max(1, setting.n_tokens), setting.n_segments - segment


def ask(
    setting: Setting,
    document: Document,
    needed: Sequence[int],
    text: str,
    accepted: Sequence[str],
    *,
    evidence: str | None = None,
    messages: Messages | None = None,
    objective: Objective = "answer",
    replaced: Sequence[tuple[int, str]] = (),
    details: dict[str, Any] | None = None,
) -> Question:
    """A question after a document.

    Args:
        text: the question in words.
        needed: indices of the document's insertions that hold the answer and that only the memory has.
        accepted: right answers, the one to learn first.
        evidence: the needed text, which the teacher of a distillation sees in its window.
        replaced: what the answer has taken the place of: values, and the index of the insertion that holds each.
        messages: the conversation up to the answer; by default the question as `ask --memory-only` puts it.
    """
    tokenizer = setting.tokenizer
    value = accepted[0]
    if messages is None:
        messages, value = memory_messages(text), as_within(tokenizer, value)
    prompt, answer = close_answer(tokenizer, messages, value)
    depth, distance = place_of(setting, document, needed)
    spans = [document.spans[index] for index in needed]
    if needed and (spelled := spelled_as(tokenizer, document.tokens, spans[-1], value)) is not None:
        # what a memory says is what stands there, which need not be how the tokenizer would begin an answer
        answer = (*spelled, *answer[len(tokenizer.encode(value)) :])
    teacher = None if evidence is None else tuple(tokenizer.encode_chat(evidence_messages(text, [evidence])))
    sources = find_sources(tokenizer, document.tokens, spans, accepted[0], answer)
    return Question(
        prompt=prompt,
        answer=answer,
        text=text,
        accepted=tuple(accepted),
        depth=depth,
        distance=distance,
        teacher_prompt=teacher,
        objective=objective,
        sources=sources,
        replaced=tuple(
            place
            for index, value in replaced
            if (place := find_first(tokenizer, document.tokens, document.spans[index], value)) is not None
        ),
        details=details or {},
    )
