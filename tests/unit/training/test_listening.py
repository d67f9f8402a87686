"""Teaching read gates where to listen."""

import dataclasses
from math import log

import pytest
import torch

from infini_cli import paths
from infini_cli.nn.checkpoint import load_base
from infini_cli.nn.config import MemoryConfig
from infini_cli.nn.memory import empty_state, take_rows
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.training.batches import Batch, collate
from infini_cli.training.listening import listening_loss
from infini_cli.training.lookup import attention_inputs
from infini_cli.training.losses import read_documents, score
from infini_cli.training.mixture import make_sample, parse_mixture
from infini_cli.training.tasks.sample import Setting

BASE = paths.shipped_models_dir() / "for-tests-tiny"
MEMORY = MemoryConfig(
    layers=(1, 2), feature_map="hedgehog", word_keys=12, key_shift=1, read_gate=True, segment_length=512
)


@pytest.fixture
def model() -> InfiniTransformer:
    torch.manual_seed(0)
    return load_base(BASE, memory=MEMORY, dtype=torch.float32).requires_grad_(False)


def asked(model: InfiniTransformer, batch: Batch) -> dict[int, torch.Tensor]:
    with attention_inputs(model, MEMORY.layers) as seen, torch.no_grad():
        state = take_rows(read_documents(model, batch, empty_state(model.config, 2)), batch.rows)
        score(model, batch, state, together=True)
    return seen


def batch_of(setting: Setting, task: str) -> Batch:
    return collate(
        [
            make_sample(parse_mixture({task: 1}), dataclasses.replace(setting, n_segments=2), str(i))
            for i in (1, 2)
        ]
    )


def test_gates_that_are_all_alike_miss_half_of_it_by_their_openness(setting, model):
    batch = batch_of(setting, "needle")
    seen = asked(model, batch)
    for share in (0.1, 0.5, 0.8):
        for memory in model.memories():
            memory.beta.fill_(log(share / (1 - share)))
        expected = -(log(share) + log(1 - share)) / 2
        assert float(listening_loss(model, batch, seen)) == pytest.approx(expected, rel=1e-4)


def test_gates_learn_to_open_where_their_heads_are_to_read_and_nowhere_else(setting, model):
    batch = batch_of(setting, "needle")
    seen = asked(model, batch)
    gates = [p for memory in model.memories() for p in (memory.beta, memory.read.weight)]
    for parameter in gates:
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adam(gates, lr=0.1)
    before = float(listening_loss(model, batch, seen).detach())
    for _ in range(120):
        loss = listening_loss(model, batch, seen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < min(0.2, before / 4)
    # the second of the two heads of keys looks for where an answer begins, the first goes on from there
    begins = (batch.targets != -100).float().argmax(dim=1)
    rows = torch.arange(len(begins))
    shares = model.memories()[0].share(seen[1])[:, 0]  # (Q, H, L)
    first, second = shares.unflatten(1, (2, -1)).mean(dim=2).unbind(dim=1)
    assert (second[rows, begins] > 0.5).all()
    assert (first[rows, begins] < 0.5).all()
    assert (first[rows, begins + 1] > 0.5).all()
    assert (second[rows, begins + 1] < 0.5).all()
    assert (shares[:, :, :5] < 0.5).all()


def test_nothing_is_to_be_read_without_sources(setting, model):
    batch = batch_of(setting, "replay")
    batch = dataclasses.replace(
        batch, targets=torch.full_like(batch.targets, -100).index_fill(1, torch.tensor([3]), 7)
    )
    assert float(listening_loss(model, batch, asked(model, batch))) == 0.0
