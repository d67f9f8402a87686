"""Perplexity: every way of predicting against a slow account of the same tokens."""

import json
import math
from random import Random

import pytest
import torch
import torch.nn.functional as F

from infini_cli.evals import haystack, transformer_xl
from infini_cli.evals.perplexity import EARLY_TOKENS, WAYS, run_perplexity
from infini_cli.evals.results import ResultsFile
from infini_cli.nn.memory import empty_state
from infini_cli.training.composition import take_prose

LENGTH = 1024


def run(subject, corpus, file=None, **options):
    options = {"lengths": (LENGTH,), "samples": 2, "batch": 2, **options}
    return run_perplexity(subject, corpus, ResultsFile(file, "perplexity"), **options)


def expected_losses(subject, corpus, document: int) -> dict[str, list[torch.Tensor]]:
    """For each way, the losses of every segment after the first, one segment at a time."""
    length, model, base = subject.segment_length, subject.model, subject.base
    rng = Random(f"1/perplexity/{LENGTH}/{document}")
    prose = take_prose(rng, corpus.books_of("heldout"), "flowing", LENGTH)
    segments = torch.from_numpy(prose.tokens).view(-1, length)
    losses: dict[str, list[torch.Tensor]] = {way: [] for way in WAYS}
    state, cache = empty_state(model.config), None
    for index, segment in enumerate(segments):
        alone = segment.view(1, 1, -1)
        pair = torch.cat((segments[index - 1], segment)).view(1, 1, -1)
        hidden = {
            "memory_on": model.hidden(alone, state)[0],
            "memory_off": model.hidden(alone, empty_state(model.config))[0],
            "plain_window": base.hidden(alone, ())[0],
            "wide_window": base.hidden(pair, ())[0][..., length:, :],
        }
        state = model.read(alone, state)
        hidden["xl_cache"], cache = transformer_xl.step(base, segment.view(1, -1), cache)
        if index == 0:
            continue
        for way, values in hidden.items():
            logits = model.logits(values.reshape(length, -1)[:-1])
            losses[way].append(F.cross_entropy(logits, segment[1:], reduction="none"))
    return losses


@pytest.mark.parametrize("at_once", [128, 300, 100_000])
@torch.inference_mode()
def test_losses_are_those_of_one_segment_at_a_time(subject, corpus, monkeypatch, at_once):
    monkeypatch.setitem(haystack.TOKENS_AT_ONCE, "cpu", at_once)
    entry = run(subject, corpus)
    for record in entry["records"]:
        expected = expected_losses(subject, corpus, record["document"])
        assert record["tokens"] == 7 * 127
        for way in WAYS:
            whole = float(torch.stack(expected[way]).sum())
            early = float(torch.stack(expected[way])[:, :EARLY_TOKENS].sum())
            assert record["loss"][way] == pytest.approx(whole, rel=1e-4), way
            assert record["early_loss"][way] == pytest.approx(early, rel=1e-4), way


def test_totals_are_exponentials_of_mean_losses(subject, corpus):
    entry = run(subject, corpus)
    (total,) = entry["totals"]
    assert total["tokens"] == 2 * 7 * 127
    for way in WAYS:
        mean = sum(record["loss"][way] for record in entry["records"]) / total["tokens"]
        assert total["perplexity"][way] == pytest.approx(math.exp(mean), rel=1e-4)
    assert total["memory_better_than"].keys() == {*WAYS} - {"memory_on"}


def test_a_run_adds_the_documents_that_are_missing(subject, corpus, tmp_path):
    file = tmp_path / "eval.json"
    first = run(subject, corpus, file, samples=1)
    both = run(subject, corpus, file, samples=2)
    assert both["records"][0] == first["records"][0]
    assert [record["document"] for record in both["records"]] == [0, 1]
    assert json.loads(file.read_text())["evaluations"]["perplexity"]["totals"] == both["totals"]


def test_a_document_of_one_segment_has_nothing_beyond_it(subject, corpus):
    assert run(subject, corpus, lengths=(128,))["totals"] == []
