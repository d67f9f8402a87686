"""SIGKILL at random moments of a read."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from infini_cli.reading.library import PASSAGES_FILE, SNAPSHOT_FILE
from infini_cli.reading.passages import PassageStore
from infini_cli.reading.snapshot import read_snapshot
from tests.unit.reading import killed_reader

KILLS = 3


def numbers_and_passages(target: Path) -> object:
    arrays = {name: array.tobytes() for name, array in read_snapshot(target / SNAPSHOT_FILE).arrays().items()}
    with PassageStore(target / PASSAGES_FILE) as store:
        return arrays, list(store.passages_between(1, 10**6)), store.sections(), store.search("heath", 10**6)


def test_killed_at_random_moments_ends_equal_to_unbroken(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole" / "m", tmp_path / "broken" / "m"
    killed_reader.read(whole)
    chance = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID", "1"))
    positions = []
    for _ in range(KILLS):
        reader = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.reading.killed_reader", str(broken)],
            cwd=Path(__file__).parents[3],
            stdout=subprocess.PIPE,
            text=True,
        )
        with reader:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.05, 0.25))
            reader.kill()
        assert reader.returncode == -signal.SIGKILL, "it was done before it could be killed"
        positions.append(read_snapshot(broken / SNAPSHOT_FILE).metadata["tokens"] if broken.exists() else 0)
    assert positions == sorted(positions)
    assert positions[-1] > 0
    killed_reader.read(broken)
    assert numbers_and_passages(broken) == numbers_and_passages(whole)
    assert os.listdir(broken.parent) == ["m"]
