"""A conversation as a text to keep: questions, answers and citations, in Markdown that also reads well as it is."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from infini_cli.commands.places import citation_line
from infini_cli.errors import DiskError, UsageError
from infini_cli.reading.atomic import write_atomically

if TYPE_CHECKING:
    from infini_cli.answering.conversation import Turn

SUFFIXES = (".md", ".txt")


def write_transcript(file: Path, title: str, turns: "Sequence[Turn]", *, replace: bool) -> None:
    """Write a conversation into a file.

    Args:
        file: where to; its folder must exist.
        title: what was talked about.
        turns: in order.
        replace: a file that is there.

    Raises:
        UsageError: nothing was said, there is no such folder, or the file is there.
        DiskError: it cannot be written.
    """
    if not turns:
        raise UsageError("nothing was said yet")
    if not file.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {file.absolute().parent}")
    if file.exists() and not replace:
        raise UsageError(f"{file} is there already", hint="choose another name")
    try:
        write_atomically(file, [transcript(title, turns).encode("utf-8", errors="replace")])
    except OSError as error:
        raise DiskError(f"{file} cannot be written: {error.strerror or error}") from error


def transcript(title: str, turns: "Sequence[Turn]") -> str:
    """The text of a conversation."""
    lines = [f"# {title[:1].upper()}{title[1:]}", *(line for turn in turns for line in _lines(turn))]
    return "\n".join(lines) + "\n"


def _lines(turn: "Turn") -> Iterator[str]:
    answer = turn.answer
    several = len({citation.document for citation in answer.citations}) > 1
    yield from ("", f"## {answer.question}", "", answer.text, "")
    for citation in answer.citations:
        yield f"- {citation_line(citation, several=several)}"
