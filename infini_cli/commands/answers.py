"""Answers as `ask` and `chat` print them."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infini_cli.answering.answer import Answer
    from infini_cli.commands.opening import Opened
    from infini_cli.console import Reporter


def emit_answer(reporter: "Reporter", opened: "Opened", answer: "Answer", *, streamed: bool) -> None:
    """Write an answer, or only the end of its line when it was `streamed`, and its citations below it."""
    from infini_cli.commands.places import emit_citations

    if streamed:
        reporter.emit("")
    else:
        reporter.emit_markdown(answer.text)
    several = len(opened.memory.record.documents) > 1
    heading = None if answer.found else "The nearest passages:"
    emit_citations(reporter, answer.citations, several=several, heading=heading)


def describe_answer(opened: "Opened", answer: "Answer") -> dict[str, Any]:
    """An answer for `--json`."""
    return {
        "question": answer.question,
        "answer": answer.text,
        "found": answer.found,
        "source": answer.source,
        "citations": [asdict(citation) for citation in answer.citations],
        "memory": opened.name,
        "model": opened.engine.model_name,
        "usage": asdict(answer.usage),
        "seconds": opened.seconds(answer.first_token_s, answer.total_s),
    }
