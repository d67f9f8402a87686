"""Forms of memory are compared on the same documents, each with its own run."""

import dataclasses
import json

import pytest
import torch

from infini_cli import paths
from infini_cli.console import Reporter
from infini_cli.training import loop
from infini_cli.training.ablation import RESULTS, budgeted, compare, forms
from infini_cli.training.recipe import ReadGates, WordLookup, WriteGates, load_recipe
from tests.unit.nn.networks import BASE as SMALL
from tests.unit.nn.networks import FORMS

TINY = paths.shipped_models_dir() / "for-tests-tiny"
SHIPPED = dataclasses.replace(FORMS["words"], layers=(1, 2), segment_length=512)


def test_forms_differ_from_one_another_and_end_with_the_shipped_one() -> None:
    made = forms(SHIPPED, SMALL)
    assert len(set(made.values())) == len(made)
    assert list(made.values())[-1] == SHIPPED
    assert {form.segment_length for form in made.values()} == {SHIPPED.segment_length}
    assert next(iter(made.values())).layers == tuple(range(SMALL.n_layers))


def test_what_words_need_is_left_out_of_forms_without_them() -> None:
    recipe = load_recipe(paths.shipped_models_dir() / "smollm2-135m-infini" / "recipe.toml")
    recipe = dataclasses.replace(
        recipe,
        write_gates=WriteGates(steps=50, mixture={"facts": 1}),
        optimizer=dataclasses.replace(recipe.optimizer, write_lr=0.0),
    )
    below = dataclasses.replace(FORMS["words-in-parts"], layers=(1, 2), segment_length=512)
    for form in forms(below, SMALL).values():
        cut = budgeted(recipe, form, steps=2, word_steps=20, samples=2)
        learns = bool(form.write_gate and form.word_keys)
        assert cut.write_gates.steps == (20 if learns else 0)
        # gates that are not trained before the stage have to learn in it
        assert cut.optimizer.write_lr == (0.0 if learns else None)


@pytest.mark.timeout(300)
def test_each_form_is_trained_on_the_same_documents_and_asked_the_same(setting, tmp_path, capsys) -> None:
    recipe = load_recipe(paths.shipped_models_dir() / "smollm2-135m-infini" / "recipe.toml")
    recipe = dataclasses.replace(
        recipe,
        base="for-tests-tiny",
        losses=dataclasses.replace(recipe.losses, lookup=0.0),
        word_lookup=WordLookup(steps=2, batch_documents=1, segments=1, mixture={"facts": {"n_facts": 2}}),
        write_gates=WriteGates(steps=2, batches=1, batch_documents=1, mixture={"facts": {"n_facts": 2}}),
        read_gates=ReadGates(),
    )
    every = forms(SHIPPED, SMALL)
    chosen = {name: every[name] for name in ("and learned maps", "the shipped form")}
    options = {
        "steps": 2,
        "word_steps": 2,
        "samples": 2,
        "reporter": Reporter(quiet=True),
        "base": TINY,
        "base_fingerprint": "f" * 64,
        "setting": setting,
        "device": torch.device("cpu"),
    }
    found = compare(recipe, chosen, tmp_path, **options)
    assert list(found) == list(chosen)
    assert json.loads((tmp_path / RESULTS).read_text()) == found
    one, other = found.values()
    assert one["tokens"] == other["tokens"]
    assert one["questions"] == other["questions"] > 0
    assert one["loss"] != other["loss"]
    logged = (tmp_path / "01" / loop.LOG).read_text()
    assert compare(recipe, chosen, tmp_path, **options) == found  # nothing is trained twice
    assert (tmp_path / "01" / loop.LOG).read_text() == logged
