"""What is trained before the stages is kept part by part."""

import dataclasses

import pytest
import torch

from infini_cli import paths
from infini_cli.errors import UsageError
from infini_cli.nn.checkpoint import load_base
from infini_cli.training.preparation import prepare
from infini_cli.training.recipe import ReadGates, Recipe, StageConfig, WordLookup, WriteGates
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
