"""What is trained before the stages is kept part by part."""

import dataclasses

import pytest
import torch

from infini_cli import paths
from infini_cli.errors import UsageError
from infini_cli.nn.checkpoint import load_adapter, load_base
from infini_cli.training.loop import ADAPTER, PREPARED
from infini_cli.training.preparation import prepare
from infini_cli.training.recipe import (
    ReadGates,
    Recipe,
    StageConfig,
    WordLookup,
    WriteGates,
    recipe_from_dict,
)
from tests.unit.training.test_loop import run
from tests.unit.training.test_word_lookup import MEMORY, MIXTURE

BASE = paths.shipped_models_dir() / "for-tests-tiny"
RECIPE = Recipe(
    name="prepared",
    base="tiny",
    memory=dataclasses.replace(
        MEMORY, word_values=True, write_layer=0, word_context=4, write_ends=True, read_gate=True, read_layer=1
    ),
    stages=(StageConfig(steps=1, segments=(1,), mixture=MIXTURE),),
    word_lookup=WordLookup(steps=2, value_steps=2, batch_documents=2, segments=1, mixture=MIXTURE),
    write_gates=WriteGates(steps=2, batches=2, batch_documents=2, prose=3, prose_drawn=2, mixture=MIXTURE),
    read_gates=ReadGates(steps=2, batches=1, batch_documents=2, mixture=MIXTURE),
)


class Cut(Exception):
    """The process ends."""


def prepared(setting, folder, recipe=RECIPE, cut: bool = False):
    """The memory's parameters, and how many steps of keys, write gates and read gates were run.

    cut: while the last of them are.
    """
    torch.manual_seed(0)
    model = load_base(BASE, memory=recipe.memory, dtype=torch.float32)
    heard = [0, 0, 0]

    def hear(part: int):
        def count(*_) -> None:
            if cut and part == 2:
                raise Cut
            heard[part] += 1

        return count

    folder.mkdir(exist_ok=True)
    try:
        prepare(
            model,
            load_base(BASE, memory=None, dtype=torch.float32),
            recipe,
            setting,
            folder / "prepared.pt",
            on_word_lookup=hear(0),
            on_write_gates=hear(1),
            on_read_gates=hear(2),
        )
    except Cut:
        assert cut
    return {name: p.detach() for name, p in model.named_parameters() if ".memory." in name}, heard


def test_a_run_that_was_cut_short_goes_on_behind_the_last_part_that_was_done(setting, tmp_path) -> None:
    whole, heard = prepared(setting, tmp_path / "whole")
    assert heard == [2, 4, 3]
    _, heard = prepared(setting, tmp_path / "cut", cut=True)
    assert heard == [2, 4, 0]
    rest, heard = prepared(setting, tmp_path / "cut")
    assert heard == [0, 0, 3]
    assert all(torch.equal(value, rest[name]) for name, value in whole.items())
    again, heard = prepared(setting, tmp_path / "cut")
    assert heard == [0, 0, 0]
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


def test_other_stages_can_follow_and_no_other_preparation(setting, tmp_path) -> None:
    prepared(setting, tmp_path / "run")
    other = dataclasses.replace(RECIPE, stages=(dataclasses.replace(RECIPE.stages[0], steps=9),))
    assert prepared(setting, tmp_path / "run", other)[1] == [0, 0, 0]
    with pytest.raises(UsageError, match="another recipe"):
        prepared(setting, tmp_path / "run", dataclasses.replace(RECIPE, seed=2))


def test_a_recipe_without_stages_gives_what_was_prepared(setting, tmp_path) -> None:
    recipe = dataclasses.replace(RECIPE, stages=())
    events = run(setting, tmp_path / "run", recipe)
    assert not events
    memory = torch.load(tmp_path / "run" / PREPARED, weights_only=True)["parameters"]
    model = load_base(BASE, memory=recipe.memory, dtype=torch.float32)
    load_adapter(model, tmp_path / "run" / ADAPTER, base="f" * 64)
    found = {name: p.detach() for name, p in model.named_parameters() if ".memory." in name}
    assert found.keys() == memory.keys()
    for name, value in memory.items():
        torch.testing.assert_close(found[name], value, atol=2e-2, rtol=2e-2)


@pytest.mark.parametrize(("part", "named"), [("lora", "lora"), ("word_keys", "word_keys")])
def test_what_only_stages_can_train_needs_a_stage(part: str, named: str) -> None:
    values = {"name": "n", "base": "b", "memory": {"layers": [1], "feature_map": "hedgehog", "word_keys": 4}}
    if part == "lora":
        values["lora"] = {"rank": 2, "alpha": 2.0, "targets": ["attn.q"]}
    else:
        del values["memory"]["word_keys"]
    values["word_lookup"] = {"mixture": MIXTURE}
    with pytest.raises(ValueError, match=named):
        recipe_from_dict(values)
