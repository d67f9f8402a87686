"""`infini ask`: questions answered from a memory or from documents, with pages and quotes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infini_cli.commands.answers import describe_answer, emit_answer
from infini_cli.commands.options import (
    ANSWER,
    INPUT,
    Debug,
    Device,
    Dtype,
    Json,
    Memory,
    Model,
    NoColor,
    Offline,
    PasswordFile,
    Pdf,
    Quiet,
    SegmentLength,
    Session,
    Window,
    start,
)
from infini_cli.commands.writing_options import (
    MaxTokens,
    Output,
    RepetitionPenalty,
    Seed,
    Stream,
    Temperature,
    TopP,
)
from infini_cli.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from infini_cli.answering.answer import Answer, OnText
    from infini_cli.commands.opening import Opened
    from infini_cli.nn.generate import Sampling

STDIN = "-"


def ask(
    ctx: typer.Context,
    question: Annotated[
        str | None, typer.Argument(metavar="QUESTION", help="What you want to know.", show_default=False)
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="Documents to read first, for this question only; - is standard input.",
            show_default=False,
        ),
    ] = None,
    questions: Annotated[
        str | None,
        typer.Option(
            "--questions",
            metavar="FILE",
            help="Questions from a file, one on a line; all arguments are then documents.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    memory: Memory = None,
    memory_only: Annotated[
        bool,
        typer.Option(
            "--memory-only",
            help="Answer from the memory alone, without looking passages up; nothing is cited.",
            rich_help_panel=ANSWER,
        ),
    ] = False,
    citations: Annotated[
        int,
        typer.Option("--citations", "-n", min=0, max=20, help="Most places to cite.", rich_help_panel=ANSWER),
    ] = 3,
    fail_if_not_found: Annotated[
        bool,
        typer.Option(
            "--fail-if-not-found", help="Exit with code 8 if there is no answer.", rich_help_panel=ANSWER
        ),
    ] = False,
    max_tokens: MaxTokens = 160,
    temperature: Temperature = 0.0,
    top_p: TopP = 1.0,
    repetition_penalty: RepetitionPenalty = 1.0,
    seed: Seed = 0,
    stream: Stream = None,
    output: Output = None,
    password_file: PasswordFile = None,
    pdf: Pdf = None,
    model: Model = None,
    device: Device = None,
    dtype: Dtype = None,
    segment_length: SegmentLength = None,
    window: Window = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Answer a question from the memory read last, with page and quote.

    With files, or text from a pipe, these are read first and forgotten afterwards: infini ask "Who pays?" contract.pdf.
    Each sentence of the answer is held against the passages found; what they do not bear out is left out.
    """
    session = start(ctx)
    asked, documents = _questions(question, files or [], questions)
    from infini_cli.commands.opening import open_for_questions, raise_for_unread
    from infini_cli.commands.results import results_to

    with results_to(output), open_for_questions(session, documents) as opened:
        from infini_cli.nn.generate import Sampling

        show = _Show(
            session=session,
            opened=opened,
            sampling=Sampling(max_tokens, temperature, top_p, repetition_penalty, seed),
            citations=citations,
            memory_only=memory_only,
            stream=not session.reporter.json if stream is None else stream,
            many=questions is not None,
        )
        answers = [show.answer(each) for each in asked]
        show.finish(answers)
    raise_for_unread(opened)
    if fail_if_not_found:
        _raise_for_missing(answers)


def _questions(question: str | None, files: Sequence[str], file: str | None) -> tuple[list[str], list[str]]:
    """The questions, and the documents to ask them of."""
    if file is not None:
        documents = [*([question] if question is not None else []), *files]
        if file == STDIN and STDIN in documents:
            raise UsageError("standard input cannot be both the questions and a document")
        return _read_questions(file), documents
    if question is None or not question.strip():
        raise UsageError("there is no question", hint='ask like this: infini ask "Who is the narrator?"')
    if not files and Path(question).is_file():
        raise UsageError(
            f"there is no question, only the file {question}",
            hint=f'put the question first: infini ask "…" {question}',
        )
    # bytes of the command line that are no text could be neither searched for nor printed
    return [question.strip().encode(errors="replace").decode()], list(files)


def _read_questions(file: str) -> list[str]:
    """The lines of a file that are not blank."""
    try:
        text = sys.stdin.read() if file == STDIN else Path(file).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"the questions in {file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the questions in {file} cannot be read: it is not a text in UTF-8") from error
    questions = [line.strip() for line in text.splitlines() if line.strip()]
    if not questions:
        raise UsageError(f"there are no questions in {file}", hint="write one question on each line")
    return questions


@dataclass(frozen=True, slots=True)
class _Show:
    """Asks one question after another and prints what comes back."""

    session: Session
    opened: "Opened"
    sampling: "Sampling"
    citations: int
    memory_only: bool
    stream: bool
    many: bool

    def answer(self, question: str) -> "Answer":
        """Ask, and print the answer unless it is to be printed with all others at the end."""
        from infini_cli.answering.answer import answer, answer_from_memory
        from infini_cli.answering.writing import ModelWriter

        reporter, opened = self.session.reporter, self.opened
        writer = ModelWriter(opened.engine, opened.memory.state, self.sampling, self.session.settings.window)
        if self.many and not reporter.json:
            reporter.emit(f"Q: {question}\nA: ", end="")
        on_text = self._on_text()
        if self.memory_only:
            result = answer_from_memory(question, writer, on_text=on_text)
        else:
            result = answer(question, opened.memory, writer, citations=self.citations, on_text=on_text)
        self._print(result)
        return result

    def finish(self, answers: "Sequence[Answer]") -> None:
        """Print what belongs to all answers together."""
        reporter = self.session.reporter
        if reporter.json and self.many and not self.stream:
            reporter.emit_json({"answers": [describe_answer(self.opened, each) for each in answers]})
        if self.memory_only:
            reporter.note("from the memory alone: no passage was looked up, so there is nothing to cite")

    def _on_text(self) -> "OnText":
        reporter = self.session.reporter
        if not self.stream or (reporter.json and self.many):
            return lambda text: None
        if reporter.json:
            return lambda text: reporter.emit_json_line({"text": text})
        return lambda text: reporter.emit(text, end="")

    def _print(self, answer: "Answer") -> None:
        reporter = self.session.reporter
        if reporter.json:
            if self.stream:
                reporter.emit_json_line(describe_answer(self.opened, answer))
            elif not self.many:
                reporter.emit_json(describe_answer(self.opened, answer))
            return
        emit_answer(reporter, self.opened, answer, streamed=self.stream)
        if self.many:
            reporter.emit("")


def _raise_for_missing(answers: "Sequence[Answer]") -> None:
    missing = sum(not answer.found for answer in answers)
    if missing:
        what = "the question" if len(answers) == 1 else f"{missing} of {len(answers)} questions"
        raise NotFoundError(f"no answer to {what} was found", hint="ask in the words of the document")
