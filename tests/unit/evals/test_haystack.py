"""Shared beginnings of documents are read once, and the memories are those of reading everything."""

import numpy as np
import pytest
import torch

from infini_cli.evals import haystack
from infini_cli.evals.haystack import HaystackReader
from infini_cli.nn.memory import empty_state


def documents(
    rng: np.random.Generator, rows: int, segments: int, shared: int, stem: np.ndarray
) -> np.ndarray:
    made = rng.integers(0, 256, (rows, segments, 16))
    made[:, :shared] = stem[:shared]
    return made


def reference(model, batch: np.ndarray):
    return model.read(torch.from_numpy(batch), empty_state(model.config, len(batch)))


def close(one, other) -> bool:
    return all(
        torch.allclose(a, b, atol=1e-5)
        for x, y in zip(one, other, strict=True)
        for a, b in zip(x, y, strict=True)
    )


@pytest.mark.parametrize("at_once", [16, 64, 10_000])
def test_memories_are_those_of_reading_everything(model, monkeypatch, at_once):
    monkeypatch.setitem(haystack.TOKENS_AT_ONCE, "cpu", at_once)
    rng = np.random.default_rng(0)
    stem = rng.integers(0, 256, (12, 16))
    other = rng.integers(0, 256, (12, 16))
    reader = HaystackReader(model)
    for shared, branch, common in [
        (2, 2, stem),
        (5, 4, stem),
        (3, 3, stem),
        (7, 9, stem),
        (4, 4, other),
        (6, 6, stem),
    ]:
        for rows in (1, 3):
            batch = documents(rng, rows, 12, shared, common)
            with torch.inference_mode():
                assert close(reader.read(batch, branch), reference(model, batch))


def test_what_documents_share_is_read_once(model):
    rng = np.random.default_rng(1)
    stem = rng.integers(0, 256, (10, 16))
    counted: list[int] = []
    reader = HaystackReader(model, counted.append)
    for depth in (0, 4, 8):
        reader.read(documents(rng, 3, 10, depth, stem), depth)
    # the beginning up to the last branch once, and the rest of each document on its own
    assert reader.tokens_read == sum(counted) == 16 * (8 + 3 * (10 + 6 + 2))


def test_a_document_that_diverges_before_the_branch_is_read_from_there(model):
    rng = np.random.default_rng(2)
    stem = rng.integers(0, 256, (10, 16))
    reader = HaystackReader(model)
    batch = documents(rng, 2, 10, 3, stem)
    with torch.inference_mode():
        assert close(reader.read(batch, branch=8), reference(model, batch))
