"""Training: gradients through the memory, resuming to the same losses, and stopping when the memory is not used."""

import dataclasses
import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from infini_cli import paths
from infini_cli.errors import UsageError
from infini_cli.nn.adapter_info import read_adapter_info
from infini_cli.nn.checkpoint import load_adapter, load_base
from infini_cli.nn.config import MemoryConfig
from infini_cli.nn.lora import LoRAConfig
from infini_cli.training import loop
from infini_cli.training.batches import IGNORED, collate
from infini_cli.training.curriculum import Stage
from infini_cli.training.losses import Scored, exact_rows, read_documents, score, take_rows, total_loss
from infini_cli.training.mixture import make_sample, parse_mixture
from infini_cli.training.recipe import Curriculum, Losses, Optimizer, Recipe
from infini_cli.training.tasks.sample import Setting

BASE = paths.shipped_models_dir() / "for-tests-tiny"
MEMORY = MemoryConfig(
    layers=(1, 2), feature_map="elu-map", write_gate=True, segment_length=512, beta_init=-1.0
)
RECIPE = Recipe(
    name="test",
    base="for-tests-tiny",
    memory=MEMORY,
    mixture={"facts": 1.0, "replay": 0.5, "continuation": 0.5},
    lora=LoRAConfig(rank=2, alpha=4.0, targets=("attn.q",)),
    optimizer=Optimizer(warmup_steps=2),
    curriculum=Curriculum(
        segments=(4, 5), steps=6, batch_documents=2, evaluate_every=3, evaluation_samples=2
    ),
    losses=Losses(text=0.5, distill=0.2, replay=0.5),
)


def run(setting: Setting, folder: Path, recipe: Recipe = RECIPE, **options) -> list[loop.Event]:
    events: list[loop.Event] = []
    loop.train(
        recipe,
        base=BASE,
        base_fingerprint="f" * 64,
        setting=setting,
        folder=folder,
        device=torch.device("cpu"),
        on_event=events.append,
        **options,
    )
    return events


def test_a_resumed_run_has_the_losses_and_weights_of_an_unbroken_one(setting, tmp_path):
    whole = run(setting, tmp_path / "whole")
    first = run(setting, tmp_path / "cut", stop_after_steps=2)
    rest = run(setting, tmp_path / "cut")
    assert [e.loss for e in first + rest] == [e.loss for e in whole]
    one, other = (safetensors.torch.load_file(tmp_path / name / loop.ADAPTER) for name in ("whole", "cut"))
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_the_log_has_one_line_for_each_step_and_the_evaluations(setting, tmp_path):
    run(setting, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / loop.LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in lines if line["recall"]] == [3, 6]


def test_a_folder_of_another_recipe_is_refused(setting, tmp_path):
    run(setting, tmp_path, stop_after_steps=1)
    with pytest.raises(UsageError, match="another recipe"):
        run(setting, tmp_path, dataclasses.replace(RECIPE, seed=2))


def test_the_adapter_loads_and_changes_the_model(setting, tmp_path):
    run(setting, tmp_path)
    info = read_adapter_info(tmp_path / loop.ADAPTER)
    model = load_base(BASE, memory=info.memory, dtype=torch.float32)
    before = model.layers[1].attn.q.weight.clone()
    load_adapter(model, tmp_path / loop.ADAPTER, base="f" * 64)
    assert not torch.equal(before, model.layers[1].attn.q.weight)
    assert model.layers[1].memory.write.weight.abs().max() > 0


def test_training_stops_when_the_memory_changes_nothing(setting, tmp_path):
    """With rates of zero nothing is learned, and the loop must say so instead of going on."""
    frozen = dataclasses.replace(
        RECIPE,
        optimizer=Optimizer(lora_lr=0.0, map_lr=0.0, gate_lr=0.0),
        curriculum=dataclasses.replace(RECIPE.curriculum, steps=50, evaluate_every=1),
    )
    with pytest.raises(UsageError, match="no better with the memory than without"):
        run(setting, tmp_path, frozen)


def test_the_answers_loss_teaches_writes_several_segments_back(setting):
    model = load_base(BASE, memory=MEMORY, dtype=torch.float32)
    sized = dataclasses.replace(setting, n_segments=4, segment_length=512)
    batch = collate([make_sample(parse_mixture({"facts": 1}), sized, f"s/{i}") for i in range(2)])
    state = read_documents(model, batch)
    scored = score(model, batch, take_rows(state, batch.rows))
    total_loss(scored, batch.questions, Losses(), None).backward()
    for name, parameter in model.named_parameters():
        if ".memory." in name:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name


def test_targets_are_the_answers_and_nothing_else(setting):
    sized = dataclasses.replace(setting, n_segments=4, segment_length=512)
    batch = collate([make_sample(parse_mixture({"facts": 1}), sized, f"t/{i}") for i in range(3)])
    for row, question in enumerate(batch.questions):
        scored = batch.targets[row][batch.targets[row] != IGNORED].tolist()
        assert scored == list(question.answer)
        end = len(question.tokens) - 1
        assert batch.tokens[row, :end].tolist() == list(question.tokens[:-1])


def test_exact_needs_every_token_of_an_answer():
    logits = torch.eye(4)[torch.tensor([0, 1, 2, 3])]
    scored = Scored(logits, torch.tensor([0, 1, 2, 0]), torch.tensor([0, 0, 1, 1]))
    assert exact_rows(scored, 2).tolist() == [True, False]


@pytest.mark.parametrize(
    ("step", "exact", "index"), [(10, 0.5, 0), (10, 0.96, 1), (400, 0.1, 1), (399, 0.94, 0)]
)
def test_a_stage_ends_when_it_is_learned_or_was_tried_long_enough(step, exact, index):
    assert Stage().after(step, exact, Curriculum()).index == index


def test_the_last_stage_has_no_next():
    stage = Stage(index=5)
    assert stage.after(10_000, 1.0, Curriculum()) == stage
    assert stage.segments(Curriculum()) == (2, 3, 5, 8, 16, 32)
