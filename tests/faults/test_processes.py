"""Two commands at once on one memory: a clear message, and nothing mixed or broken."""

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from infini_cli.reading import library
from infini_cli.reading.locking import lock
from tests.conftest import Outcome
from tests.faults.test_kill import told
from tests.faults.watched import Watched
from tests.unit.reading.fakes import prose

pytestmark = pytest.mark.timeout(600)
Here = Callable[..., Outcome]
TINY = ("--model", "for-tests-tiny")


def waits(outcome: Outcome, name: str) -> None:
    """It was refused because another command is at work on the memory, and says which."""
    assert (outcome.code, outcome.out) == (5, ""), outcome
    found = re.search(
        rf"error: the memory '{name}' is in use by another command \((.+)\)\n\s*hint: ", outcome.err
    )
    assert found is not None, outcome
    assert re.search(r"process \d+, since \d\d:\d\d", found[1])


def test_a_memory_at_work_is_left_alone_by_every_command_that_writes(run_main: Here, tmp_path: Path) -> None:
    document = tmp_path / "book.md"
    document.write_text("# One\n\nUlric kept 17 goats.")
    assert run_main("ingest", str(document), *TINY).code == 0
    packed = tmp_path / "book.infini"
    assert run_main("save", "book", "-o", str(packed)).code == 0
    before = told("book")
    with lock("book"):
        for command in (
            ("ingest", str(document), *TINY),
            ("ingest", str(document), "--force", *TINY),
            ("ingest", str(document), "--append", "--memory", "book", *TINY),
            ("memories", "rm", "book", "--yes"),
            ("memories", "rename", "book", "novel"),
            ("save", "book", "-o", str(tmp_path / "other.infini")),
            ("load", str(packed), "--force"),
        ):
            waits(run_main(*command), "book")
        for command in (
            ("ask", "How many goats?", *TINY),
            ("memories", "show", "book"),
            ("memories", "list"),
        ):
            assert run_main(*command, "--quiet").code == 0, command
    assert told("book") == before


def test_questions_and_other_commands_during_a_real_read(run_main: Here, tmp_path: Path) -> None:
    documents = [tmp_path / "first.md", tmp_path / "second.md"]
    for number, document in enumerate(documents):
        document.write_text("\n\n".join(f"# Chapter {n}\n\n{prose(100 * number + n, 9)}" for n in range(9)))
    names = [str(document) for document in documents]
    assert run_main("ingest", *names, "--memory", "whole", *TINY).code == 0
    packed = tmp_path / "whole.infini"
    assert run_main("save", "whole", "-o", str(packed)).code == 0
    with (
        TemporaryDirectory() as folder,
        Watched(Path(folder)) as program,
        program.run("ingest", *names, "--memory", "shared", *TINY, "-q") as reader,
    ):
        seen = 0
        for phase in reader.phases:
            seen += phase == b"snapshot\n"
            if seen not in (2, 20, 35) or phase != b"snapshot\n":
                continue
            os.kill(reader.pid, signal.SIGSTOP)
            try:
                waits(run_main("ingest", *names, "--memory", "shared", *TINY), "shared")
                waits(run_main("memories", "rm", "shared", "--yes"), "shared")
                waits(run_main("load", str(packed), "--name", "shared", "--force"), "shared")
                asked = run_main("ask", "Which heath?", "--memory", "shared", "--json", *TINY)
                assert (asked.code, asked.err) == (0, "")
                for citation in json.loads(asked.out)["citations"]:
                    assert citation["document"] in names
                assert run_main("ask", "Which heath?", "--memory", "whole", *TINY).code == 0
            finally:
                os.kill(reader.pid, signal.SIGCONT)
        assert seen >= 35
        assert reader.wait() == (0, "shared\n", "")
    whole, shared = told("whole"), told("shared")
    assert whole == shared
    assert library.current() == "shared"
