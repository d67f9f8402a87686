"""The loop of a conversation: a line in, an answer or the result of a command out."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from infini_cli.answering.conversation import Conversation, Turn
from infini_cli.answering.summary import LengthName
from infini_cli.answering.writing import ModelWriter
from infini_cli.commands.answers import describe_answer, emit_answer
from infini_cli.commands.options import Session
from infini_cli.commands.transcript import SUFFIXES, write_transcript
from infini_cli.errors import InfiniError, Interrupted, UsageError
from infini_cli.nn.generate import Sampling

if TYPE_CHECKING:
    from infini_cli.commands.line_input import LineInput
    from infini_cli.commands.opening import Opened

HELP = (
    (
        "/summarize [short|medium|long] [TEXT]",
        "summarize all of it, or what it says of TEXT; short by default",
    ),
    ("/memory", "what is talked about, and how much of the conversation the window still holds"),
    ("/save NAME", "keep a memory NAME: the same documents, with this conversation read into it"),
    ("/save FILE.md", "write this conversation with its citations into a file (.md or .txt)"),
    ("/clear", "forget this conversation and begin anew"),
    ("/help", "this list"),
    ("/quit", "leave; Ctrl-D does the same, Ctrl-C stops an answer"),
)
COMMANDS = tuple(dict.fromkeys(usage.split()[0] for usage, _ in HELP))


class Talk:
    """A conversation at a prompt or through a pipe.

    Args:
        session: of the command.
        opened: the memory and the model.
        lines: what the user says.
        sampling: how the model chooses its words.
        citations: at most so many with an answer.
        stream: print an answer as it is written.
    """

    def __init__(
        self,
        session: Session,
        opened: "Opened",
        lines: "LineInput",
        *,
        sampling: Sampling,
        citations: int,
        stream: bool,
    ) -> None:
        self._session = session
        self._reporter = session.reporter
        self._opened = opened
        self._lines = lines
        self._sampling = sampling
        self._citations = citations
        self._stream = stream
        self._within_line = False  # of what is printed
        self._written: set[Path] = set()  # transcripts of this conversation
        self._first_error: InfiniError | None = None
        self._begin()

    def run(self) -> InfiniError | None:
        """Talk until the user leaves; returns the first error of a line, if any."""
        if self._lines.interactive:
            self._reporter.note(f"{self._held()}; /help lists the commands, Ctrl-D leaves")
        while (line := self._next()) is not None and line.strip() != "/quit":
            try:
                self._do(line.strip())
            except KeyboardInterrupt:
                if not self._lines.interactive:
                    raise
                self._end_line()
                self._reporter.note("stopped; this answer is not part of the conversation")
            except Interrupted:
                raise
            except InfiniError as error:
                self._failed(error)
        return self._first_error

    def _begin(self) -> None:
        opened = self._opened
        self._writer = ModelWriter(
            opened.engine, opened.memory.state, self._sampling, self._session.settings.window
        )
        self._conversation = Conversation(opened.memory, self._writer, citations=self._citations)
        self._written.clear()

    def _next(self) -> str | None:
        """The next line; at a prompt Ctrl-C only drops what was typed."""
        while True:
            try:
                return self._lines.read()
            except KeyboardInterrupt:
                if not self._lines.interactive:
                    raise
                self._reporter.note("\nCtrl-D or /quit leaves")

    def _do(self, line: str) -> None:
        """Answer a question, or carry out a command."""
        if not line:
            return
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        if not word.startswith("/") or "/" in word[1:]:  # a path is no command
            self._ask(line)
        elif word == "/summarize":
            self._summarize(rest)
        elif word == "/memory":
            self._show_memory()
        elif word == "/save":
            self._save(rest)
        elif word == "/clear":
            self._begin()
            self._reporter.note("a new conversation")
        elif word == "/help":
            self._show_help()
        else:
            raise UsageError(f"there is no command {word}", hint=f"the commands are {', '.join(COMMANDS)}")

    def _ask(self, question: str) -> None:
        # bytes that are no text could be neither searched for nor printed
        turn = self._conversation.ask(question.encode(errors="replace").decode(), on_text=self._show_piece)
        self._within_line = False
        if self._reporter.json:
            self._reporter.emit_json_line(self._describe(turn))
        else:
            emit_answer(self._reporter, self._opened, turn.answer, streamed=self._stream)
            self._reporter.emit("")

    def _show_piece(self, text: str) -> None:
        if not self._stream:
            return
        if self._reporter.json:
            self._reporter.emit_json_line({"text": text})
        else:
            self._reporter.emit(text, end="")
            self._within_line = True

    def _describe(self, turn: Turn) -> dict[str, object]:
        return {**describe_answer(self._opened, turn.answer), "searched_with": turn.searched or None}

    def _summarize(self, asked: str) -> None:
        """Summarize as `infini summarize` does; the first word may be a length, the rest is the focus."""
        from infini_cli.answering.summary import summarize
        from infini_cli.commands.summarize import LONGEST_TOKENS, ShowSummary

        first, _, rest = asked.partition(" ")
        lengths = {name: name for name in get_args(LengthName)}
        length = lengths.get(first, "short")
        focus = (rest.strip() if first in lengths else asked) or None
        sampling = Sampling(LONGEST_TOKENS, seed=self._sampling.seed)
        opened = self._opened
        writer = ModelWriter(opened.engine, opened.memory.state, sampling, self._session.settings.window)
        with ShowSummary(self._session, opened, self._stream) as show:
            summary = summarize(
                opened.memory,
                writer,
                length=length,
                focus=focus,
                on_progress=show.begin,
                on_part=show.part,
            )
        if self._reporter.json:
            self._reporter.emit_json_line(show.describe(summary, length))
        else:
            show.whole(summary, length, focus)
            self._reporter.emit("")

    def _show_memory(self) -> None:
        record, talk = self._opened.memory.record, self._conversation
        if self._reporter.json:
            self._reporter.emit_json_line(
                {
                    "memory": self._opened.name,
                    "documents": [document.path for document in record.documents],
                    "tokens": record.tokens,
                    "turns": len(talk.turns),
                    "turns_in_memory": talk.folded,
                    "conversation_tokens": talk.folded_tokens,
                }
            )
            return
        count = len(talk.turns)
        spoken = f"{count} question{'' if count == 1 else 's'} so far, {count - talk.folded} in the window"
        if talk.folded:
            spoken += f"; the others read into a copy of the memory ({talk.folded_tokens:,} tokens)"
        self._reporter.emit_fields(
            [
                ("memory", self._opened.name or "read for this conversation; /save NAME keeps it"),
                *(("document", document.path) for document in record.documents),
                ("tokens", f"{record.tokens:,}"),
                ("conversation", spoken),
            ]
        )
        self._reporter.emit("")

    def _save(self, name: str) -> None:
        """Keep the memory with the conversation in it, or the conversation as a text."""
        if not name:
            raise UsageError(
                "where to?", hint="/save NAME keeps a memory, /save FILE.md writes what was said into a file"
            )
        if name.endswith(SUFFIXES):
            file = Path(name).expanduser()
            turns = self._conversation.turns
            write_transcript(file, self._held(), turns, replace=file.absolute() in self._written)
            self._written.add(file.absolute())
            self._saved(
                {"file": name, "turns": len(turns)},
                f"wrote the conversation, {len(turns)} answers, to {name}",
            )
            return
        from infini_cli.reading.keeping import keep

        state, tokens = self._conversation.whole_state()
        info = keep(self._opened.memory, state, name, conversation_tokens=tokens)
        self._saved(
            {"memory": info.name, "conversation_tokens": tokens},
            f"kept the memory {info.name!r}, with {tokens:,} tokens of this conversation;"
            f" infini chat --memory {info.name} goes on from it",
        )

    def _saved(self, described: dict[str, object], told: str) -> None:
        if self._reporter.json:
            self._reporter.emit_json_line({"saved": described})
        else:
            self._reporter.note(told)

    def _show_help(self) -> None:
        if self._reporter.json:
            self._reporter.emit_json_line({"commands": dict(HELP)})
            return
        width = max(len(usage) for usage, _ in HELP)
        for usage, meaning in HELP:
            self._reporter.emit(f"{usage:<{width}}  {meaning}")
        self._reporter.emit("Anything else is a question to the memory.\n")

    def _failed(self, error: InfiniError) -> None:
        """Show what is wrong with one line; the conversation goes on."""
        self._end_line()
        self._first_error = self._first_error or error
        if self._reporter.json:
            self._reporter.emit_json_line({"error": error.describe()})
        else:
            self._reporter.show_error(error)

    def _end_line(self) -> None:
        if self._within_line:
            self._reporter.emit("")
            self._within_line = False

    def _held(self) -> str:
        """What is talked about, in a few words."""
        record = self._opened.memory.record
        what = f"the memory {self._opened.name!r}" if self._opened.name else record.documents[0].path
        count = len(record.documents)
        return f"{what}: {count} document{'s' if count > 1 else ''}, {record.tokens:,} tokens"
