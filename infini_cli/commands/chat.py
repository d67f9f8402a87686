"""`infini chat`: a conversation on a memory, at a prompt or line by line through a pipe."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Annotated, NoReturn

import typer

from infini_cli.commands.options import (
    ANSWER,
    Debug,
    Device,
    Dtype,
    Json,
    Memory,
    Model,
    NoColor,
    Offline,
    PasswordFile,
    Quiet,
    SegmentLength,
    Window,
    start,
)
from infini_cli.commands.writing_options import (
    MaxTokens,
    RepetitionPenalty,
    Seed,
    Stream,
    Temperature,
    TopP,
)
from infini_cli.errors import Interrupted, UsageError

STDIN = "-"


def chat(
    ctx: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE", help="Documents to read first, for this conversation only.", show_default=False
        ),
    ] = None,
    password_file: PasswordFile = None,
    memory: Memory = None,
    citations: Annotated[
        int,
        typer.Option("--citations", "-n", min=0, max=20, help="Most places to cite.", rich_help_panel=ANSWER),
    ] = 3,
    max_tokens: MaxTokens = 160,
    temperature: Temperature = 0.0,
    top_p: TopP = 1.0,
    repetition_penalty: RepetitionPenalty = 1.0,
    seed: Seed = 0,
    stream: Stream = None,
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
    """Talk about the memory read last: one question after another, each answered with page and quote.

    A question that stands alone is answered as `infini ask` answers it. One that leans on what was said before, such as
    "And how old was she?", is also searched for with the words of the question it leans on. The conversation is read
    into a copy of the memory when it outgrows the window; the memory on disk stays as it is.

    At the prompt: /summarize, /memory, /save, /clear, /help, /quit; arrow keys bring back earlier questions, Ctrl-C
    stops the answer, Ctrl-D leaves. Through a pipe: a question a line; with --json one object a line.
    """
    session = start(ctx)
    if STDIN in (files or []):
        raise UsageError(
            "standard input gives the questions here, not a document",
            hint="read the document first: infini ingest - --memory NAME",
        )
    from infini_cli import paths
    from infini_cli.commands.line_input import LineInput
    from infini_cli.commands.opening import open_for_questions, raise_for_unread

    with open_for_questions(session, files or [], from_pipe=False) as opened, _ending_at_sigterm():
        from infini_cli.commands.talk import COMMANDS, Talk
        from infini_cli.nn.generate import Sampling

        lines = LineInput(session.reporter, paths.state_dir() / "chat-history", COMMANDS)
        talk = Talk(
            session,
            opened,
            lines,
            sampling=Sampling(max_tokens, temperature, top_p, repetition_penalty, seed),
            citations=citations,
            stream=not session.reporter.json if stream is None else stream,
        )
        first_error = talk.run()
    raise_for_unread(opened)
    if first_error is not None and not lines.interactive:
        raise typer.Exit(first_error.exit_code)


@contextlib.contextmanager
def _ending_at_sigterm() -> Iterator[None]:
    """Let a polite request to stop end the conversation, where Ctrl-C only stops an answer."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise Interrupted("stopped")

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
