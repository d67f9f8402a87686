"""Results on disk: one JSON file with an entry per evaluation, written after every batch, so that it can go on."""

import json
import math
import os
import platform
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock

from infini_cli import __version__
from infini_cli.errors import UsageError
from infini_cli.evals.subject import Subject
from infini_cli.reading.atomic import write_atomically

SCHEMA = 1
Z_95 = 1.959964  # two-sided 95% of the normal distribution

Entry = dict[str, Any]  # one evaluation: run, what is measured, and the records it was measured from


def wilson(right: int, n: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share (E. B. Wilson, JASA 22, 1927). Raises ValueError for n = 0."""
    if n == 0:
        raise ValueError("no share of nothing")
    share, z = right / n, Z_95
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - reach), min(1.0, middle + reach)


@dataclass(frozen=True, slots=True)
class Record:
    """One question and its answers.

    Attributes:
        kind: of the haystack, needle or story.
        length: tokens of the document.
        depth: of the needed text, 0 to 1.
        bin: the depth of the grid that this counts for.
        document: number of the document among those of its kind, length and (where depths are fixed) depth.
        expected: the right answer.
        answer: the model's.
        right: by the evaluation's own rule.
        contained: whether the right answer occurs in the model's.
        controls: by name, whether the answer was right there; None where the control could not be run.
    """

    kind: str
    length: int
    depth: float
    bin: float
    document: int
    expected: str
    answer: str
    right: bool
    contained: bool
    controls: Mapping[str, bool | None] = field(default_factory=dict)


def cells(
    records: Iterable[Record], key: Callable[[Record], tuple[Any, ...]], names: Sequence[str]
) -> list[Entry]:
    """Shares of right answers, one entry for each distinct key (values for `names`), in ascending order."""
    groups: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for record in records:
        groups[key(record)].append(record)
    return [{**dict(zip(names, group, strict=True)), **_share(groups[group])} for group in sorted(groups)]


def _share(records: Sequence[Record]) -> Entry:
    n, right = len(records), sum(record.right for record in records)
    controls: dict[str, Entry] = {}
    for name in dict.fromkeys(name for record in records for name in record.controls):
        known = [record.controls[name] for record in records if record.controls.get(name) is not None]
        controls[name] = {
            "n": len(known),
            "exact": _rounded(sum(map(bool, known)) / len(known)) if known else None,
        }
    return {
        "n": n,
        "exact": _rounded(right / n),
        "interval": [_rounded(bound) for bound in wilson(right, n)],
        "contained": _rounded(sum(record.contained for record in records) / n),
        **({"controls": controls} if controls else {}),
    }


def _rounded(share: float) -> float:
    return round(share, 4)


class Ledger:
    """The records of one evaluation, those of earlier runs first, and what they cost."""

    def __init__(self, file: "ResultsFile", subject: Subject, seed: int, **options: Any) -> None:
        """Open the entry of the file, if it holds one.

        Args:
            options: what else must agree for results to be added to each other.

        Raises:
            UsageError: the file holds results of another model, or with other options.
        """
        engine = subject.engine
        self._file = file
        self.run: Entry = {
            "identity": {
                "model": subject.resolved.fingerprint,
                "adapter": engine.fingerprints["adapter"],
                "segment_length": subject.segment_length,
                "window": subject.window,
                "dtype": engine.dtype,
                "seed": seed,
                **options,
            },
            "model": subject.resolved.name,
            "device": engine.device,
            "machine": machine(engine.device),
            "program": __version__,
            "tokens_read": 0,
            "seconds": 0.0,
        }
        earlier = file.load(self.run["identity"])
        self.records: list[Entry] = [] if earlier is None else earlier["records"]
        if earlier is not None:
            self.run |= {key: earlier["run"][key] for key in ("tokens_read", "seconds")}
        self._noted = time.monotonic()

    def add(self, records: Iterable[Entry], tokens_read: int) -> None:
        """Keep new records, and count what was read and how long it took since the last call."""
        self.records = [*self.records, *records]
        now = time.monotonic()
        self.run["tokens_read"] += tokens_read
        self.run["seconds"] = round(self.run["seconds"] + now - self._noted, 1)
        self._noted = now

    def save(self, summary: Mapping[str, Any]) -> None:
        """Write everything to the file."""
        self._file.save(self.entry(summary))

    def entry(self, summary: Mapping[str, Any]) -> Entry:
        """The entry of the evaluation: its run, what is measured, and the records."""
        return {"run": self.run, **summary, "records": self.records}


def machine(device: str) -> str:
    """The processor and, where one was used, the accelerator, in words."""
    import torch

    words = f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    return f"{torch.cuda.get_device_name(device)}; {words}" if device.startswith("cuda") else words


class ResultsFile:
    """One evaluation's entry in a results file; without a path, the results live as long as the command."""

    def __init__(self, path: Path | None, name: str) -> None:
        self._path = path
        self._name = name

    def load(self, identity: Mapping[str, Any]) -> Entry | None:
        """The entry of an earlier run of the same model and options, or None.

        Raises:
            UsageError: the file holds this evaluation of another model or with other options, or no results.
        """
        if self._path is None or not self._path.exists():
            return None
        entry: Entry | None = self._read().get(self._name)
        if entry is None:
            return None
        before = entry["run"]["identity"]
        differing = sorted(key for key in {*before, *identity} if before.get(key) != identity.get(key))
        if differing:
            raise UsageError(
                f"{self._path} holds {self._name} results with another {', '.join(differing).replace('_', ' ')}",
                hint="choose another --output, or remove that file",
            )
        return entry

    def save(self, entry: Entry) -> None:
        """Write the entry beside those of other evaluations, as a whole or not at all."""
        if self._path is None:
            return
        with filelock.FileLock(self._path.with_name(f".{self._path.name}.lock")):
            evaluations = self._read() if self._path.exists() else {}
            evaluations[self._name] = entry
            whole = {"schema": SCHEMA, "evaluations": evaluations}
            write_atomically(self._path, [json.dumps(whole, ensure_ascii=False, indent=1).encode(), b"\n"])

    def _read(self) -> dict[str, Entry]:
        assert self._path is not None
        try:
            whole = json.loads(self._path.read_text(encoding="utf-8"))
            if whole["schema"] != SCHEMA:
                raise UsageError(
                    f"{self._path} has results of schema {whole['schema']}, this program writes {SCHEMA}"
                )
            evaluations: dict[str, Entry] = whole["evaluations"]
            return evaluations
        except (ValueError, KeyError, TypeError):
            raise UsageError(
                f"{self._path} is there and holds no results of evaluations", hint="choose another --output"
            ) from None
