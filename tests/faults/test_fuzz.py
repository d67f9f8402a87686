"""Thousands of damaged and hostile files: no traceback, no hang, no crash, no memory without bound."""

import json
import os
import queue
import random
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infini_cli.reading import library
from tests.faults.fuzzing import READ, REFUSED, TOO_LARGE, make_input, read
from tests.faults.seeds import make_seeds

ROOT = Path(__file__).parents[2]
HANG_S = 60.0
PEAK_KIB = 2 << 20  # of memory really used

Line = dict[str, Any]
pytestmark = pytest.mark.timeout(600)  # each of many inputs is quick


@dataclass
class Account:
    """What happened to the inputs of one run."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    bad: list[Line] = field(default_factory=list)
    slowest_s: float = 0.0
    peak_kib: int = 0

    def add(self, line: Line) -> None:
        self.outcomes[line["name"].split(".", 1)[1], line["outcome"]] += 1
        self.slowest_s = max(self.slowest_s, line["seconds"])
        self.peak_kib = max(self.peak_kib, line["peak_kib"])
        if line["outcome"] not in (READ, REFUSED, TOO_LARGE):
            self.bad.append(line)

    def told(self) -> str:
        kinds = {
            kind: {outcome: count for (of, outcome), count in self.outcomes.items() if of == kind}
            for kind in sorted({kind for kind, _ in self.outcomes})
        }
        return (
            f"{self.outcomes.total()} inputs, slowest {self.slowest_s} s, peak {self.peak_kib >> 10} MiB\n"
            + "\n".join(f"  {kind}: {counts}" for kind, counts in kinds.items())
        )


def fuzz(first: int, count: int, folder: Path) -> Account:
    """Read inputs in processes of their own; one that hangs or crashes costs its input and is told."""
    account = Account()
    following, end = first, first + count
    while following < end:
        command = [
            sys.executable,
            "-m",
            "tests.faults.fuzzing",
            str(following),
            str(end - following),
            str(folder),
        ]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines: queue.Queue[str] = queue.Queue()
            threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True).start()
            begun: Line = {}
            try:
                while line := lines.get(timeout=HANG_S):
                    told = json.loads(line)
                    if "done" in told:
                        account.add(told)
                    else:
                        begun = told
                    following = told.get("done", begun["begun"]) + ("done" in told)
            except queue.Empty:
                account.bad.append({**begun, "outcome": "hung"})
                following = begun["begun"] + 1
            finally:
                process.kill()
        if process.returncode not in (0, -9):
            account.bad.append({**begun, "outcome": f"crashed with {process.returncode}"})
            following = begun["begun"] + 1
    return account


def _forward(stream: IO[str], lines: "queue.Queue[str]") -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


def check(account: Account) -> None:
    assert account.bad == [], json.dumps(account.bad[:3], indent=1)
    assert account.peak_kib < PEAK_KIB
    assert account.slowest_s < HANG_S


def test_hundreds_of_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    seed = int(os.environ.get("FUZZ_SEED", "0")) or random.SystemRandom().randrange(10**6, 10**9)
    account = fuzz(seed, 400, tmp_path)
    sys.stderr.write(f"\nFUZZ_SEED={seed}: {account.told()}\n")
    check(account)
    assert account.outcomes.total() == 400


@pytest.mark.slow
@pytest.mark.timeout(14400)
def test_ten_thousand_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    account = fuzz(0, 10_000, tmp_path)
    sys.stderr.write(f"\n{account.told()}\n")
    check(account)
    assert account.outcomes.total() == 10_000


BEGINNINGS = [
    *(
        b"",
        b"%PDF-1.7\n",
        b"PK\x03\x04",
        b"<!DOCTYPE html>",
        b"<html><body>",
        b"\xff\xfe",
        b"\x1f\x8b\x08",
        b"\xfd7zXZ\0",
    ),
    *(b"BZh91AY&SY", b"# ", b".. note:: x\n", b"\xef\xbb\xbf", b"{\\rtf1", b"SQLite format 3\0", b"II*\0"),
]


@pytest.mark.parametrize("suffix", [".pdf", ".epub", ".md", ".html", ".infini", ".safetensors", ".sqlite"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    beginning=st.sampled_from(BEGINNINGS), rest=st.one_of(st.binary(max_size=3000), st.text().map(str.encode))
)
def test_any_bytes_are_read_or_refused(tmp_path: Path, suffix: str, beginning: bytes, rest: bytes) -> None:
    names = {".safetensors": library.SNAPSHOT_FILE, ".sqlite": library.PASSAGES_FILE}
    file = tmp_path / names.get(suffix, f"any{suffix}")
    file.write_bytes(beginning + rest)
    assert read(file, file.name) in (READ, REFUSED)


@pytest.mark.parametrize(
    "kind",
    [".pdf", ".epub", ".docx", ".html", ".md", ".txt", ".txt.bz2", ".infini"],
    ids=lambda kind: kind[1:],
)
def test_damaged_files_through_the_command_line(tmp_path: Path, run_main, kind: str) -> None:
    """What the readers made of it, the commands say in words, with the code for it."""
    seeds = {name: data for name, data in make_seeds(tmp_path).items() if name.endswith(kind)}
    for number in range(4):
        name, data = make_input(number, seeds)
        (tmp_path / name).write_bytes(data)
        if kind == ".infini":
            outcome = run_main("load", str(tmp_path / name), "--name", "fuzzed", "--force")
            codes: tuple[int, ...] = (0, 5)
        else:
            words = ("--memory", "fuzzed", "--force", "--model", "for-tests-tiny")
            outcome = run_main("ingest", str(tmp_path / name), *words)
            codes = (0, 3, 7)
        assert outcome.code in codes, (number, outcome)
        assert "Traceback" not in outcome.err
        assert (outcome.code == 0) is ("error: " not in outcome.err), (number, outcome)
