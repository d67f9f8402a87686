"""Teaching read gates where to listen, before the stages and in them."""

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
from infini_cli.training.lookup import attention_inputs
from infini_cli.training.losses import read_documents, score
from infini_cli.training.mixture import make_sample, parse_mixture
from infini_cli.training.read_gates import ask, learn_read_gates, listening_loss, set_open, what_to_read
from infini_cli.training.recipe import ReadGates
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
    shares = model.memories()[0].share(seen[1])[0][:, 0].transpose(1, 2)  # (Q, L, H)
    to_read, counted = what_to_read(model, batch)
    wanted = to_read.transpose(1, 2)[counted]
    assert shares[counted][wanted == 1].mean() > 0.8
    assert shares[counted][wanted == 0].mean() < 0.2


def test_one_head_reads_where_an_answer_begins_and_the_other_goes_on_to_its_end(setting, model):
    batch = batch_of(setting, "needle")
    to_read, counted = what_to_read(model, batch)
    for row, question in enumerate(batch.questions):
        begin, length = len(question.prompt) - 1, len(question.answer)
        goes_on, looks = to_read[row, ::2, begin : begin + length].tolist()  # (G, tokens)
        assert looks == [1.0] + [0.0] * (length - 1)
        assert goes_on == [0.0] + [1.0] * (length - 1)
        assert not to_read[row, :, :begin].any()
        assert counted[row].nonzero()[:, 0].tolist() == list(range(begin + length))


def test_nothing_is_to_be_read_without_sources(setting, model):
    batch = batch_of(setting, "passage-reading")
    seen = asked(model, batch)
    for beta, expected in ((-9.0, 0.0), (0.0, log(2)), (9.0, 9.0)):
        for memory in model.memories():
            memory.beta.fill_(beta)
        assert float(listening_loss(model, batch, seen)) == pytest.approx(expected, abs=1e-3)
    to_read, counted = what_to_read(model, batch)
    assert not to_read.any()
    assert counted.sum(dim=1).tolist() == [len(question.tokens) - 1 for question in batch.questions]


def test_questions_are_asked_with_gates_that_know(setting, model):
    batch = batch_of(setting, "needle")
    to_read, counted = what_to_read(model, batch)
    seen, of_counted = ask(model, batch)

    def answered(share: torch.Tensor) -> torch.Tensor:
        state = take_rows(read_documents(model, batch), batch.rows)
        with set_open(model, share), attention_inputs(model, (2,)) as inputs:
            score(model, batch, state, together=True)
        return inputs[2][:, 0]

    open_, shut = answered(to_read), answered(torch.zeros_like(to_read))
    assert torch.equal(open_[counted].bfloat16(), seen[2])
    # what the first memory layer reads is seen by the second, at what is to be read and behind it alone
    read = to_read.any(dim=1)
    begins = read.float().argmax(dim=1)
    rows = torch.arange(len(begins))
    assert not torch.allclose(open_[rows, begins], shut[rows, begins], atol=1e-4)
    assert torch.equal(open_[:, : int(begins.min())], shut[:, : int(begins.min())])
    assert len(seen[1]) == int(counted.sum())
    assert of_counted.shape == (int(counted.sum()), model.config.n_heads)
    share, _ = model.memories()[0].share(seen[1].float())
    assert share.shape[0] == model.config.n_heads  # the gates' own again


def test_gates_that_look_at_one_layer_learn_from_what_it_sees(setting):
    torch.manual_seed(0)
    memory = dataclasses.replace(MEMORY, read_layer=0)
    model = load_base(BASE, memory=memory, dtype=torch.float32).requires_grad_(False)
    batch = batch_of(setting, "needle")
    seen, _ = ask(model, batch)
    with attention_inputs(model, (0,)) as inputs:
        model.read(batch.tokens.unsqueeze(1), empty_state(model.config, len(batch.tokens)))
    assert seen.keys() == {0}
    _, counted = what_to_read(model, batch)
    assert torch.equal(seen[0], inputs[0][:, 0][counted].bfloat16())
    config = ReadGates(steps=20, lr=0.1, batches=2, batch_documents=2, mixture={"needle": 1.0})
    losses: list[float] = []
    learn_read_gates(
        model, load_base(BASE, memory=None), setting, config, "s", lambda step, loss: losses.append(loss)
    )
    assert losses[-1] < losses[2] / 2


def test_gates_learn_before_the_stages_and_nothing_else_does(setting, model):
    config = ReadGates(
        steps=60,
        lr=0.1,
        batches=6,
        batch_documents=2,
        mixture={"needle": 1.0, "passage-reading": 0.5, "replay": 0.5},
    )
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    losses: list[float] = []
    setting = dataclasses.replace(setting, segment_length=512)
    learn_read_gates(
        model, load_base(BASE, memory=None), setting, config, "s", lambda step, loss: losses.append(loss)
    )
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert {name.split("memory.")[1] for name in changed} == {"beta", "read.weight"}
    assert losses[:6] == [0.0] * 6
    assert losses[-1] < losses[6] / 3
    assert len(losses) == 66
