"""Write gates learn what to keep before the rest is trained, and word keys to find it among all of that."""

import copy
import dataclasses

import pytest
import torch

from infini_cli import paths
from infini_cli.nn.checkpoint import load_base
from infini_cli.nn.memory import empty_state
from infini_cli.training.batches import collate
from infini_cli.training.lookup import Lookup, attention_inputs
from infini_cli.training.mixture import make_sample, parse_mixture
from infini_cli.training.optimizer import make_optimizer
from infini_cli.training.recipe import Optimizer, WordLookup, WriteGates, recipe_from_dict
from infini_cli.training.word_lookup import Whitening, learn_word_keys, token_counts, word_keys_of
from infini_cli.training.write_gates import learn_write_gates, read_once, read_prose
from tests.unit.training.test_word_lookup import MEMORY, MIXTURE

BASE = paths.shipped_models_dir() / "for-tests-tiny"
GATES = WriteGates(steps=70, lr=1e-2, batches=6, batch_documents=4, mixture=MIXTURE)


@pytest.fixture(
    params=[
        {},
        {"write_hidden": 8, "write_layer": 0, "word_values": True, "word_parts": 2, "map_groups": 2},
        {"write_layer": 0, "word_values": True, "word_context": 8, "write_ends": True},
    ],
    ids=["linear", "hidden-below", "context"],
)
def model(setting, request):
    torch.manual_seed(0)
    memory = dataclasses.replace(MEMORY, **request.param)
    model = load_base(BASE, memory=memory, dtype=torch.float32)
    learn_word_keys(model, setting, WordLookup(steps=2, batch_documents=2, segments=1, mixture=MIXTURE), "s")
    return model


def one_segment(setting):
    return dataclasses.replace(setting, n_segments=1, segment_length=MEMORY.segment_length)


def share_kept(model, setting) -> float:
    """Of all that gates write of documents that training has not seen, how much is asked for."""
    config = model.config.memory
    setting = one_segment(setting)
    mixture = parse_mixture(MIXTURE)
    batch = collate([make_sample(mixture, setting, f"others/{row}") for row in range(6)])
    lookup = Lookup.of(batch)
    with torch.no_grad(), attention_inputs(model, range(model.config.n_layers)) as seen:
        model.read(batch.documents, empty_state(model.config, len(batch.documents)))
        shares = []
        for index, memory in zip(config.layers, model.memories(), strict=True):
            noted = seen[config.gate_layer(index)][:, 0]
            strength = memory.write.strength(noted).transpose(0, 1).flatten(1)  # (G, n)
            shares.append(strength[:, lookup.asked_for].sum() / strength.sum())
    return float(torch.stack(shares).mean())


def test_they_keep_what_is_asked_for_and_little_else(model, setting) -> None:
    before = share_kept(model, setting)
    others = {
        name: p.clone()
        for name, p in model.named_parameters()
        if not any(part in name for part in (".memory.write.", ".memory.ends.gate.", ".memory.words."))
        or name.endswith(".map")
    }
    losses = []
    learn_write_gates(model, setting, GATES, "seed", lambda step, loss: losses.append(loss))

    assert len(losses) == GATES.batches + GATES.steps
    assert losses[: GATES.batches] == [0.0] * GATES.batches
    assert sum(losses[-10:]) < 0.85 * sum(losses[GATES.batches :][:10])
    assert share_kept(model, setting) > 1.3 * before
    parameters = dict(model.named_parameters())
    assert all(torch.equal(p, parameters[name]) for name, p in others.items())
    assert not any(p.requires_grad for memory in model.memories() for p in memory.words.parameters())


def test_what_follows_a_value_is_told_from_the_value(setting) -> None:
    torch.manual_seed(0)
    form = {"write_hidden": 8, "write_layer": 0, "word_values": True, "write_ends": True}
    model = load_base(BASE, memory=dataclasses.replace(MEMORY, **form), dtype=torch.float32)
    learn_word_keys(model, setting, WordLookup(steps=2, batch_documents=2, segments=1, mixture=MIXTURE), "s")
    learn_write_gates(model, setting, GATES, "seed")
    read = read_once(
        model,
        collate([make_sample(parse_mixture(MIXTURE), one_segment(setting), f"o/{i}") for i in range(6)]),
    )
    for memory in model.memories():
        assert memory.ends is not None
        found = memory.ends.gate.strength(read.noted[0].float()).flatten()[read.lookup.asked_for]
        ends = read.lookup.ends()
        assert ends.any()
        assert not ends.all()
        assert found[ends].mean() > found[~ends].mean() + 0.4


def test_a_shift_is_added_at_the_end(model, setting) -> None:
    plain, shifted = (copy.deepcopy(model) for _ in range(2))
    gates = dataclasses.replace(GATES, steps=3, batches=2)
    learn_write_gates(plain, setting, gates, "seed")
    learn_write_gates(shifted, setting, dataclasses.replace(gates, shift=1.5), "seed")
    other = dict(shifted.named_parameters())
    for name, parameter in plain.named_parameters():
        added = 1.5 if name.endswith("memory.write.bias") else 0.0
        # with several threads two runs may round a number to bfloat16 differently
        torch.testing.assert_close(other[name], parameter + added, rtol=0.01, atol=0.01)


@pytest.mark.timeout(300)  # it trains twice
def test_of_what_is_said_over_and_over_little_is_kept(setting) -> None:
    torch.manual_seed(0)
    form = {"write_hidden": 8, "write_layer": 0, "word_values": True}
    model = load_base(BASE, memory=dataclasses.replace(MEMORY, **form), dtype=torch.float32)
    learn_word_keys(model, setting, WordLookup(steps=2, batch_documents=2, segments=1, mixture=MIXTURE), "s")
    prose = read_prose(model, one_segment(setting), 3, 5, "seed")
    assert prose.tokens.shape == (8, MEMORY.segment_length)
    assert prose.times[:3].tolist() == [1.0] * 3
    assert (prose.times[3:] > 1).all()
    # nothing else fills whole documents as the pass key's filler does
    assert (prose.times[3::2] > prose.times[4]).all()
    for row in prose.tokens[3:]:
        assert any(torch.equal(row[period:], row[:-period]) for period in range(1, len(row) // 2))

    def kept(repeated: int) -> float:
        gates = dataclasses.replace(
            GATES, steps=40, batches=2, batch_documents=2, prose=4, repeated=repeated, prose_drawn=4
        )
        trained = copy.deepcopy(model)
        learn_write_gates(trained, setting, gates, "seed")
        seen = prose.noted[0][3:].float()
        with torch.no_grad():
            return float(
                torch.stack([each.write.strength(seen).mean() for each in trained.memories()]).mean()
            )

    assert kept(repeated=12) < 0.7 * kept(repeated=0)


def test_keys_that_go_on_learning_begin_as_they_were(model, setting) -> None:
    counts = token_counts(setting, model.config.vocab_size)
    whitening = Whitening(model.embed.weight.detach().float(), counts)
    before = {name: p.clone() for name, p in model.named_parameters() if ".memory.words." in name}
    for parameters in model.memories():
        whitening.take_out_of(parameters)
    assert not word_keys_of(model.memories()[0]).projection.bias.any()
    for parameters in model.memories():
        whitening.fold_into(parameters)
    for name, parameter in model.named_parameters():
        if name in before:
            torch.testing.assert_close(parameter, before[name], atol=1e-2, rtol=1e-2)


def test_the_same_seed_gives_the_same_gates(model, setting) -> None:
    trained = []
    for _ in range(2):
        again = copy.deepcopy(model)
        torch.manual_seed(1)
        learn_write_gates(again, setting, dataclasses.replace(GATES, steps=5), "seed")
        trained.append([p.clone() for memory in again.memories() for p in memory.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*trained, strict=True))


def test_a_rate_of_0_leaves_them_as_they_are(model) -> None:
    optimizer = make_optimizer(model, Optimizer(write_lr=0.0))
    assert {group["name"] for group in optimizer.param_groups} == {"gate"}
    for memory in model.memories():
        assert memory.beta.requires_grad
        assert not any(p.requires_grad for p in memory.write.parameters())
        assert not any(p.requires_grad for p in ([] if memory.ends is None else memory.ends.parameters()))


@pytest.mark.parametrize("missing", ["word_keys", "write_gate"])
def test_a_recipe_without_word_keys_or_gates_cannot_train_them_so(missing: str) -> None:
    memory = {"layers": [1], "feature_map": "hedgehog", "word_keys": 48, "write_gate": True}
    values = {
        "name": "small",
        "base": "for-tests-tiny",
        "memory": memory | {missing: 0 if missing == "word_keys" else False},
        "word_lookup": {"mixture": MIXTURE},
        "write_gates": {"steps": 3, "mixture": MIXTURE},
        "stages": [{"steps": 1, "segments": [1], "mixture": MIXTURE}],
    }
    with pytest.raises(ValueError, match="write_gates needs"):
        recipe_from_dict(values)
