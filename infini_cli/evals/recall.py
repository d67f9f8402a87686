"""Recall from memory: documents are read, questions branch off their memories, answers count by length and depth."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from random import Random

import numpy as np
import torch

from infini_cli.evals.asking import greedy_answers, prompt_of
from infini_cli.evals.baselines import run_baseline
from infini_cli.evals.controls import Asked, run_control
from infini_cli.evals.grid import nearest
from infini_cli.evals.haystack import HaystackReader
from infini_cli.evals.judging import Judge, contained
from infini_cli.evals.results import Entry, Ledger, Record, ResultsFile, cells
from infini_cli.evals.subject import Subject
from infini_cli.nn.memory import take_rows
from infini_cli.training.corpus import Corpus
from infini_cli.training.tasks.sample import Sample, Setting


@dataclass(frozen=True, slots=True)
class RecallTask:
    """One evaluation of recall.

    Attributes:
        name: of the evaluation.
        kinds: its kinds of documents or questions.
        make: (rng, setting, kind, depth) to a sample; depth is None where `at_depths` is False.
        at_depths: whether documents are made for each depth; else each question counts where its answer stands.
        judge: what counts as right.
        in_chat: whether questions are put in chat form.
        wording: whose words are used, where there is a choice; None for the usual ones.
    """

    name: str
    kinds: tuple[str, ...]
    make: Callable[[Random, Setting, str, float | None], Sample]
    at_depths: bool
    judge: Judge
    in_chat: bool = True
    wording: str | None = None


@dataclass(frozen=True, slots=True)
class RecallOptions:
    """What is run.

    Attributes:
        lengths: of documents, in tokens: whole segments.
        depths: of the grid.
        samples: documents for each kind and length, and for each depth where documents are made for depths.
        seed: of everything random.
        controls: names of controls.
        baselines: names of baselines.
        batch: documents read together.
    """

    lengths: tuple[int, ...]
    depths: tuple[float, ...]
    samples: int
    seed: int = 1
    controls: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()
    batch: int = 4


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is; reading what documents share only once makes it finish before `total`."""

    tokens_done: int
    tokens_total: int
    tokens_read: int  # really, in this process
    seconds: float  # of this process
    questions: int
    right: float  # share of right answers so far


@dataclass(frozen=True, slots=True)
class _Unit:
    """Documents that are read together."""

    kind: str
    length: int  # tokens
    depth: float | None
    documents: tuple[int, ...]


def run_recall(
    task: RecallTask,
    subject: Subject,
    corpus: Corpus,
    options: RecallOptions,
    file: ResultsFile,
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Entry:
    """Measure recall; what the results file already holds of the same run is not measured again.

    Returns:
        The evaluation's entry for the results: its run, its cells and totals, and a record per question.

    Raises:
        UsageError: the file holds results of another model, or with other options.
        ValueError: a document of that length has no room for what goes in.
    """
    wording = {} if task.wording is None else {"wording": task.wording}
    ledger = Ledger(file, subject, options.seed, in_chat=task.in_chat, **wording)
    units = list(_units(task, options, _complete(_records(ledger), options)))
    total, done, began = sum(unit.length * len(unit.documents) for unit in units), 0, 0
    started = time.monotonic()

    def report(_: int = 0) -> None:
        share = sum(record["right"] for record in ledger.records) / max(1, len(ledger.records))
        here = min(reader.tokens_read - began, total - done)
        elapsed = time.monotonic() - started
        on_progress(Progress(done + here, total, reader.tokens_read, elapsed, len(ledger.records), share))

    reader = HaystackReader(subject.model, report)
    for unit in units:
        began = reader.tokens_read
        made = _run_unit(task, subject, corpus, options, unit, reader)
        ledger.records = [asdict(record) for record in _records(ledger) if not _covers(unit, record)]
        ledger.add(map(asdict, made), reader.tokens_read - began)
        ledger.save(_summary(_records(ledger)))
        done += unit.length * len(unit.documents)
        began = reader.tokens_read
        report()
    return ledger.entry(_summary(_records(ledger)))


def _records(ledger: Ledger) -> list[Record]:
    return [Record(**values) for values in ledger.records]


def _covers(unit: _Unit, record: Record) -> bool:
    """Whether a record is of one of the unit's documents."""
    same_depth = unit.depth is None or record.bin == unit.depth
    same = (record.kind, record.length) == (unit.kind, unit.length)
    return same and same_depth and record.document in unit.documents


def _complete(records: Sequence[Record], options: RecallOptions) -> set[tuple[str, int, int, float]]:
    """Documents, and the depths they were asked at, that need not be run again."""
    wanted = {*options.controls, *options.baselines}
    return {
        (record.kind, record.length, record.document, record.bin)
        for record in records
        if wanted <= record.controls.keys()
    }


def _units(
    task: RecallTask, options: RecallOptions, complete: set[tuple[str, int, int, float]]
) -> Iterator[_Unit]:
    """What remains to be run, short documents first, in batches."""
    any_depth = {key[:3] for key in complete}
    for length in options.lengths:
        for kind in task.kinds:
            for depth in options.depths if task.at_depths else (None,):
                missing = [
                    document
                    for document in range(options.samples)
                    if (
                        (kind, length, document) not in any_depth
                        if depth is None
                        else (kind, length, document, depth) not in complete
                    )
                ]
                for start in range(0, len(missing), options.batch):
                    yield _Unit(kind, length, depth, tuple(missing[start : start + options.batch]))


def _run_unit(
    task: RecallTask,
    subject: Subject,
    corpus: Corpus,
    options: RecallOptions,
    unit: _Unit,
    reader: HaystackReader,
) -> list[Record]:
    n_segments = unit.length // subject.segment_length
    setting = Setting(corpus, subject.tokenizer, n_segments, subject.segment_length, "heldout")
    samples = [
        task.make(
            Random(f"{options.seed}/{task.name}/{unit.kind}/{unit.length}/{unit.depth}/{document}"),
            setting,
            unit.kind,
            unit.depth,
        )
        for document in unit.documents
    ]
    documents = np.stack([sample.segments for sample in samples])
    questions = [question for sample in samples for question in sample.questions]
    rows = [row for row, sample in enumerate(samples) for _ in sample.questions]
    first_needed = min(question.depth for question in questions)
    state = reader.read(documents, branch=int(first_needed * n_segments))
    asked = Asked(documents, state, questions, rows, task.in_chat)
    own = take_rows(state, torch.tensor(rows, device=subject.model.device))
    prompts = [prompt_of(question) for question in questions]
    answers = greedy_answers(subject.model, prompts, own, subject.tokenizer)
    others = {name: run_control(name, subject, asked) for name in options.controls}
    others |= {name: run_baseline(name, subject, asked) for name in options.baselines}

    def right(name: str, index: int) -> bool | None:
        given = others[name]
        return None if given is None else task.judge(given[index], questions[index].accepted)

    return [
        Record(
            kind=unit.kind,
            length=unit.length,
            depth=round(question.depth, 4),
            bin=nearest(question.depth, options.depths) if unit.depth is None else unit.depth,
            document=unit.documents[rows[index]],
            expected=question.accepted[0],
            answer=answers[index],
            right=task.judge(answers[index], question.accepted),
            contained=contained(answers[index], question.accepted),
            controls={name: right(name, index) for name in others},
        )
        for index, question in enumerate(questions)
    ]


def _summary(records: Sequence[Record]) -> Entry:
    """Shares of right answers by kind, length and depth, and by kind and length alone."""
    return {
        "cells": cells(
            records, lambda record: (record.kind, record.length, record.bin), ("kind", "length", "depth")
        ),
        "totals": cells(records, lambda record: (record.kind, record.length), ("kind", "length")),
    }
