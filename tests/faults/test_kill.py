"""SIGKILL at random moments of `infini ingest`: the same command goes on, and nothing tells that it was killed."""

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pypdf import PdfWriter

from infini_cli import paths
from infini_cli.reading import library
from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.records import parse_record
from infini_cli.reading.snapshot import read_snapshot
from tests.faults.watched import PHASES, Run, Watched
from tests.unit.documents.pdf_files import add_page, text_operators
from tests.unit.reading.fakes import prose


@dataclass
class Reader:
    """`infini ingest` of the same documents into one memory, to be killed or left to finish."""

    program: Watched
    documents: Sequence[Path]
    memory: str
    chance: random.Random
    killed_in: Counter[str] = field(default_factory=Counter)

    def _ingest(self) -> AbstractContextManager[Run]:
        names = map(str, self.documents)
        return self.program.run("ingest", *names, "--memory", self.memory, "--model", "for-tests-tiny", "-q")

    def kill_once(self) -> bool:
        """Kill it a moment after a phase has begun; whether it was not done before."""
        phase, occurrence = self.chance.choice(list(PHASES)), self.chance.randint(1, 9)
        if phase in ("start", "naming", "finishing"):
            occurrence = 1
        delay = self.chance.choice([0.0, self.chance.uniform(0.0, 0.02), self.chance.uniform(0.0, 0.4)])
        with self._ingest() as running:
            last, seen = "", 0
            for line in running.phases:
                last = line.decode().strip()
                seen += last == phase
                if seen == occurrence:
                    break
            time.sleep(delay)
            with suppress(ProcessLookupError):
                os.kill(running.pid, signal.SIGKILL)
            for line in running.phases:  # what it got to in the meantime
                last = line.decode().strip()
            code, out, err = running.wait()
        assert (code, err) in ((0, ""), (-signal.SIGKILL, "")), err
        assert out in ("", f"{self.memory}\n")
        if code == 0:
            return False
        self.killed_in[last] += 1
        return True

    def finish(self) -> None:
        with self._ingest() as running:
            running.phases.read()
            assert running.wait() == (0, f"{self.memory}\n", "")


def told(memory: str) -> dict[str, object]:
    """Everything of a finished memory that must not depend on how often its reading was killed."""
    directory = library.directory_of(memory)
    assert sorted(os.listdir(directory)) == [SNAPSHOT_FILE, PASSAGES_FILE]
    snapshot = read_snapshot(directory / SNAPSHOT_FILE)
    record = parse_record(snapshot.metadata, memory)
    assert record.complete
    with PassageStore(directory / PASSAGES_FILE, read_only=True) as store:
        store.check()
        assert store.index_is_sound()
        return {
            "arrays": {
                name: (str(array.dtype), array.shape, array.tobytes())
                for name, array in snapshot.arrays().items()
            },
            "record": record.model_dump(exclude={"created", "updated", "seconds", "passages_sha256"}),
            "documents": store.documents(),
            "sections": store.sections(),
            "passages": list(store.passages_between(1, 10**9)),
            "digest": store.rows_digest(),
            "found": sorted((p.id, round(score, 9)) for p, score in store.search("heath OR chapter", 10**6)),
        }


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A PDF and a Markdown text, about 120 chunks of the tiny model."""
    folder = tmp_path_factory.mktemp("documents")
    writer = PdfWriter()
    for number in range(1, 16):
        add_page(writer, text_operators(f"Chapter {number}\n{prose(number, 9)}"))
    writer.write(folder / "first.pdf")
    text = "\n\n".join(f"# Chapter {n}\n\n{prose(n, 12)}" for n in range(100, 115))
    (folder / "second.md").write_text(text)
    return [folder / "first.pdf", folder / "second.md"]


def kill_and_compare(documents: list[Path], kills: int, seed: int) -> Counter[str]:
    """Kill again and again, finish after every five, and compare the memory with that of an unbroken read."""
    chance = random.Random(seed)
    with TemporaryDirectory() as folder, Watched(Path(folder)) as program:
        Reader(program, documents, "unbroken", chance).finish()
        expected = told("unbroken")
        broken = Reader(program, documents, "broken", chance)
        while broken.killed_in.total() < kills:
            since = 0
            while since < 5 and broken.killed_in.total() < kills and broken.kill_once():
                since += 1
            broken.finish()
            assert told("broken") == expected
            library.remove("broken")
            left = [name for name in os.listdir(paths.memories_dir()) if name not in (".locks", "unbroken")]
            assert left == []
    return broken.killed_in


def run(documents: list[Path], kills: int) -> Counter[str]:
    seed = int(os.environ.get("KILL_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
    try:
        return kill_and_compare(documents, kills, seed)
    except BaseException:
        sys.stderr.write(f"\nto repeat it: KILL_SEED={seed}\n")
        raise


@pytest.mark.timeout(600)
def test_killed_five_times_nothing_is_lost_or_changed(documents: list[Path]) -> None:
    assert run(documents, 5).total() == 5


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_killed_a_hundred_times_in_all_phases_nothing_is_lost_or_changed(documents: list[Path]) -> None:
    killed_in = run(documents, 100)
    sys.stderr.write(f"\nkilled in: {dict(killed_in.most_common())}\n")
    assert killed_in.total() == 100
    assert {"extraction", "reading", "commit", "snapshot"} <= set(killed_in)
