"""Mixtures: weights decide the tasks, steps decide the batches."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from infini_cli.training.mixture import LONG_WINDOWS, TASKS, make_batches, make_sample, parse_mixture
from infini_cli.training.tasks.sample import Sample, Setting


def same(one: list[Sample], other: list[Sample]) -> bool:
    return all(
        np.array_equal(a.segments, b.segments) and a.questions == b.questions
        for a, b in zip(one, other, strict=True)
    )


def test_tasks_are_drawn_by_weight_and_with_their_options(setting: Setting) -> None:
    mixture = parse_mixture(
        {"passkey": 3, "hidden": {"task": "passkey", "weight": 1, "prose": True}, "facts": 0}
    )
    drawn = [make_sample(mixture, setting, f"{seed}") for seed in range(200)]
    haystacks = Counter(sample.details["haystack"] for sample in drawn)
    assert {sample.task for sample in drawn} == {"passkey"}
    assert 25 <= haystacks["prose"] <= 75


@pytest.mark.parametrize(
    ("table", "message"),
    [({"juggling": 1}, "no task 'juggling'"), ({"facts": -1}, "below 0"), ({"facts": 0}, "above 0")],
)
def test_mixtures_that_make_no_sense_are_refused(table: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_mixture(table)


def test_a_resumed_run_sees_the_batches_it_would_have_seen(setting: Setting) -> None:
    mixture = parse_mixture(dict.fromkeys(TASKS, 1))
    unbroken = list(islice(make_batches(mixture, setting, (2, 3), 3, seed=7), 5))
    resumed = list(islice(make_batches(mixture, setting, (2, 3), 3, seed=7, first_step=3), 2))
    assert same(unbroken[3], resumed[0])
    assert same(unbroken[4], resumed[1])


def test_workers_get_other_samples_of_the_same_size(setting: Setting) -> None:
    mixture = parse_mixture({"facts": 1, "needle": 1})
    one = list(islice(make_batches(mixture, setting, (2, 4), 2, seed=1, worker=0), 6))
    two = list(islice(make_batches(mixture, setting, (2, 4), 2, seed=1, worker=1), 6))
    for first, second in zip(one, two, strict=True):
        assert {s.segments.shape for s in first} == {s.segments.shape for s in second}
        assert not same(first, second)


def test_a_batch_has_documents_of_one_size_and_windows_of_one_kind(setting: Setting) -> None:
    mixture = parse_mixture(dict.fromkeys(TASKS, 1))
    kinds = set()
    for batch in islice(make_batches(mixture, setting, (2, 3, 4), 4, seed=3), 20):
        assert len({sample.segments.shape for sample in batch}) == 1
        long = {sample.task in LONG_WINDOWS for sample in batch}
        assert len(long) == 1
        kinds |= long
    assert kinds == {True, False}
