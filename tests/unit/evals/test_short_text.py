"""Short text: a model whose memory is empty is its base, and one that is not shows."""

import pytest
import torch

from infini_cli.evals.results import ResultsFile
from infini_cli.evals.short_text import load_requests, repetition, run_short_text

REQUESTS = ("Name a colour.", "Who are you?")


def run(subject, corpus, file=None, samples=3, requests=REQUESTS):
    return run_short_text(
        subject, corpus, ResultsFile(file, "short-text"), samples=samples, requests=requests
    )


def test_without_a_memory_nothing_differs_from_the_base(subject, corpus):
    entry = run(subject, corpus)
    assert (entry["texts"], entry["tokens"], entry["requests"]) == (3, 3 * 127, 2)
    assert entry["difference_percent"] == pytest.approx(0.0, abs=0.01)
    assert entry["replies"]["model"] == entry["replies"]["base"]
    for record in entry["records"][3:]:
        assert record["replies"]["model"] == record["replies"]["base"]


def test_changed_weights_show(subject, corpus):
    with torch.no_grad():
        subject.model.layers[1].mlp.down.weight += 0.5
    entry = run(subject, corpus)
    assert abs(entry["difference_percent"]) > 1
    assert entry["perplexity"]["model"] != entry["perplexity"]["base"]
    difference = 100 * (entry["perplexity"]["model"] / entry["perplexity"]["base"] - 1)
    assert entry["difference_percent"] == pytest.approx(difference, abs=0.1)


def test_a_run_adds_what_is_missing(subject, corpus, tmp_path):
    file = tmp_path / "eval.json"
    run(subject, corpus, file, samples=1, requests=REQUESTS[:1])
    entry = run(subject, corpus, file, samples=2)
    names = [record["name"] for record in entry["records"]]
    assert names == ["stretch 0", REQUESTS[0], "stretch 1", REQUESTS[1]]


@pytest.mark.parametrize(
    ("text", "share"),
    [("", 0.0), ("a b c", 0.0), ("a b c d e f", 0.0), ("a b a b a b", 1 / 3), ("a " * 8, 0.8)],
)
def test_repetition_is_the_share_of_runs_that_come_again(text, share):
    assert repetition(text) == pytest.approx(share)


def test_there_are_fifty_different_requests():
    requests = load_requests()
    assert len(requests) == len(set(requests)) == 50
    assert all(request.strip() == request and request for request in requests)
