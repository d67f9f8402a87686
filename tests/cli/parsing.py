"""Command lines as people write them, parsed as the program parses them, without running anything."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import typer

from infini_cli.app import app

README = Path(__file__).parents[2] / "README.md"


def parse(line: str) -> list[str]:
    """Parse every `infini …` of a shell line; returns the names of the commands. Raises what the parser raises."""
    return [_parse(words) for words in _calls(line)]


def _calls(line: str) -> Iterator[list[str]]:
    """The arguments of each call of infini in a line of a shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    for word in [*lexer, ";"]:
        if not re.fullmatch(r"[|&;<>]+", word):
            words.append(word)
            continue
        if words[:1] == ["infini"]:
            yield words[1:]
        words = []


def _parse(arguments: list[str]) -> str:
    command = typer.main.get_command(app)
    context = command.make_context("infini", list(arguments))
    names = []
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        names.append(name)
        context = command.make_context(name, rest, parent=context)
    return " ".join(names)


def readme_lines() -> list[str]:
    """Every call of infini in the README: after a prompt in a block, or between backquotes in a text."""
    text = README.read_text(encoding="utf-8")
    blocks = re.split(r"^```\w*$", text, flags=re.MULTILINE)
    prompts = [line[2:] for block in blocks[1::2] for line in block.splitlines() if line.startswith("$ ")]
    inline = [code.replace("\\|", "|") for block in blocks[::2] for code in re.findall(r"`([^`\n]+)`", block)]
    return [line for line in (*prompts, *inline) if re.search(r"(?:^|\| )infini [a-z-]", line)]
