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
from infini_cli.nn.config import MemoryConfig, memory_from_dict
from infini_cli.nn.lora import LoRAConfig, adapted_modules, inject
from infini_cli.nn.memory import empty_state, take_rows
from infini_cli.training import loop, losses
from infini_cli.training.background import Background
from infini_cli.training.batches import IGNORED, collate
from infini_cli.training.curriculum import Place
from infini_cli.training.losses import (
    Scored,
    exact_rows,
    read_documents,
    score,
    total_loss,
    writing_strength,
)
from infini_cli.training.mixture import make_sample, parse_mixture
from infini_cli.training.recipe import Evaluation, Losses, Optimizer, Recipe, StageConfig
from infini_cli.training.tasks.sample import Setting

BASE = paths.shipped_models_dir() / "for-tests-tiny"
MEMORY = MemoryConfig(
    layers=(1, 2), feature_map="elu-map", write_gate=True, segment_length=512, beta_init=-1.0
)
RECIPE = Recipe(
    name="test",
    base="for-tests-tiny",
    memory=MEMORY,
    lora=LoRAConfig(rank=2, alpha=4.0, targets=("attn.q",)),
    optimizer=Optimizer(warmup_steps=2),
    stages=(
        StageConfig(steps=2, segments=(8,), segment_length=256, mixture={"facts": 1.0}, batch_documents=1),
        StageConfig(
            steps=4,
            segments=(4, 5),
            mixture={"facts": 1.0, "replay": 0.5, "continuation": 0.5},
            batch_documents=2,
            window_segments=3,
            writing=0.1,
            background_share=0.5,
            background_segments=2,
        ),
    ),
    losses=Losses(text=0.5, distill=0.2, replay=0.5),
    evaluation=Evaluation(every=3, samples=2),
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
    first = run(setting, tmp_path / "cut", stop_after_steps=4)
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
    described = json.loads((tmp_path / loop.CONFIG).read_text())
    assert memory_from_dict(described["memory"]) == info.memory == MEMORY
    assert described["base_sha256"] == info.base
    model = load_base(BASE, memory=info.memory, dtype=torch.float32)
    before = model.layers[1].attn.q.weight.clone()
    load_adapter(model, tmp_path / loop.ADAPTER, base="f" * 64)
    assert not torch.equal(before, model.layers[1].attn.q.weight)
    assert model.layers[1].memory.write.weight.abs().max() > 0


def test_training_stops_when_the_memory_changes_nothing(setting, tmp_path):
    """With rates of zero nothing is learned, and the loop must say so instead of going on."""
    frozen = dataclasses.replace(
        RECIPE,
        optimizer=Optimizer(lora_lr=1e-12, map_lr=1e-12, gate_lr=1e-12),
        evaluation=Evaluation(every=1, samples=2),
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


def test_what_the_memory_has_not_found_teaches_nothing_but_an_end_does(setting):
    sized = dataclasses.replace(setting, n_segments=2, segment_length=512)
    batch = collate([make_sample(parse_mixture({"needle": 1}), sized, "m")])
    targets = batch.targets[batch.targets != IGNORED]
    rows = (batch.targets != IGNORED).nonzero()[:, 0]
    logits = torch.zeros(len(targets), 300)
    logits[torch.arange(len(targets)), targets] = 3.0
    begins = [int((rows == row).nonzero()[0]) for row in range(len(batch.questions))]
    ends = [int((rows == row).nonzero()[-1]) for row in range(len(batch.questions))]
    logits[begins + ends] *= -3  # neither an answer's first token nor its end is said
    logits.requires_grad_(True)

    def gradient(missed: float) -> torch.Tensor:
        loss = total_loss(Scored(logits, targets, rows), batch.questions, Losses(missed=missed), None)
        return torch.autograd.grad(loss, logits)[0].abs().amax(dim=1)

    assert (gradient(0.0) > 0).all()
    taught = gradient(6.0) > 0
    assert not taught[begins].any()
    assert taught[ends].all()
    assert int(taught.sum()) == len(targets) - len(begins)
    # what was not to be recalled, such as an answer from the window, always counts
    unaided = tuple(dataclasses.replace(question, sources=()) for question in batch.questions)
    loss = total_loss(Scored(logits, targets, rows), unaided, Losses(missed=6.0), None)
    assert (torch.autograd.grad(loss, logits)[0].abs().amax(dim=1) > 0).all()


@pytest.mark.parametrize(
    ("step", "exact", "stage"), [(10, 0.5, 0), (10, 0.96, 1), (10, None, 0), (400, 0.1, 1), (399, 0.94, 0)]
)
def test_a_stage_ends_when_it_is_learned_or_was_tried_long_enough(step, exact, stage):
    one = StageConfig(steps=400, segments=(2,), mixture={"facts": 1}, promote_at=0.95)
    recipe = dataclasses.replace(RECIPE, stages=(one, one))
    assert Place().after(step, exact, recipe).stage == stage


def test_a_run_ends_after_its_last_stage():
    place = Place(stage=1, begun_at_step=2)
    assert not place.after(5, None, RECIPE).finished(RECIPE)
    assert place.after(6, None, RECIPE).finished(RECIPE)


def test_rates_rise_stay_and_fall_in_the_last_stage():
    rates = [Place().rate(0, RECIPE), Place().rate(1, RECIPE)]
    rates += [Place(1, 2).rate(step, RECIPE) for step in (2, 4, 6)]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 0.55, 0.1])


def test_a_run_can_begin_from_an_adapter(setting, tmp_path):
    run(setting, tmp_path / "first")
    warm = run(setting, tmp_path / "second", adapter=tmp_path / "first" / loop.ADAPTER, stop_after_steps=1)
    cold = run(setting, tmp_path / "third", stop_after_steps=1)
    assert warm[0].loss < cold[0].loss


def test_writing_strength_is_the_mean_gate_of_features_that_sum_to_one(setting):
    memory = dataclasses.replace(MEMORY, feature_map="hedgehog", update="linear")
    model = load_base(BASE, memory=memory, dtype=torch.float32)
    sized = dataclasses.replace(setting, n_segments=4, segment_length=512)
    batch = collate([make_sample(parse_mixture({"passkey": 1}), sized, "w")])
    before = empty_state(model.config)
    assert float(writing_strength(before, before, 1)) == 0.0
    # untrained gates let half of everything through
    with torch.no_grad():
        after = read_documents(model, batch)
    assert float(writing_strength(before, after, batch.documents.numel())) == pytest.approx(0.5)


def test_gates_are_shifted_once_when_their_stage_begins(setting, tmp_path):
    frozen = dataclasses.replace(
        RECIPE,
        optimizer=Optimizer(lora_lr=1e-12, map_lr=1e-12, gate_lr=1e-12),
        stages=tuple(
            dataclasses.replace(stage, gate_shift=shift, steps=2)
            for stage, shift in zip(RECIPE.stages, (0.0, -3.0), strict=True)
        ),
    )
    run(setting, tmp_path, frozen, stop_after_steps=3)
    run(setting, tmp_path, frozen)
    adapter = safetensors.torch.load_file(tmp_path / loop.ADAPTER)
    biases = [value for name, value in adapter.items() if name.endswith("memory.write.bias")]
    assert len(biases) == 2
    assert all(torch.equal(value, torch.full_like(value, -3.0)) for value in biases)


def test_a_background_grows_and_begins_anew_row_by_row(setting):
    model = load_base(BASE, memory=MEMORY, dtype=torch.float32)
    sized = dataclasses.replace(setting, n_segments=1, segment_length=64)
    background = Background(empty_state(model.config, 3))
    sums = []
    for step in range(12):
        background = background.read_on(model, sized, 4, f"seed/{step}")
        sums.append(background.state[0].norm.sum(dim=(1, 2)))
    grown = torch.stack(sums).diff(dim=0) > 0
    assert grown.any(dim=0).all()
    assert (~grown).any()
    under = background.under(0.5, "rows")
    empty = torch.tensor([bool((row == 0).all()) for row in under[0].norm])
    assert 0 < int(empty.sum()) < 3
    torch.testing.assert_close(under[0].norm[~empty], background.state[0].norm[~empty])


def test_questions_of_like_length_are_asked_together_and_scored_the_same(setting):
    part = parse_mixture({"facts": 1, "passage-reading": 1, "continuation": 1})
    sized = dataclasses.replace(setting, n_segments=2, segment_length=512)
    batch = collate([make_sample(part, sized, str(seed)) for seed in range(6)])
    model = load_base(BASE, memory=MEMORY, dtype=torch.float32)
    state = take_rows(read_documents(model, batch), batch.rows)
    passes = []
    model.layers[0].register_forward_hook(lambda _module, inputs, _out: passes.append(inputs[0].shape))
    apart = score(model, batch, state)
    n_passes = len(passes)
    assert n_passes > 1
    assert sum(rows * length for rows, _, length, _ in passes) < 0.8 * batch.tokens.numel()
    whole = score(model, batch, state, together=True)
    assert len(passes) == n_passes + 1
    torch.testing.assert_close(apart.logits, whole.logits, atol=1e-4, rtol=1e-4)
    assert torch.equal(apart.targets, whole.targets)
    assert torch.equal(apart.rows, whole.rows)


@pytest.mark.parametrize("form", ["words", "paper-delta"])
def test_what_questions_begin_with_is_run_once_and_teaches_the_same(setting, monkeypatch, form):
    words = {"feature_map": "hedgehog", "word_keys": 12, "word_values": True} if form == "words" else {}
    memory = MemoryConfig(layers=(1, 2), segment_length=512, beta_init=0.0, **words)
    torch.manual_seed(0)
    model = load_base(BASE, memory=memory, dtype=torch.float32).requires_grad_(False)
    inject(model, LoRAConfig(rank=2, alpha=4.0, targets=("attn.k", "mlp.up"), after_reading=True))
    for _, module in adapted_modules(model):
        torch.nn.init.normal_(module.lora_b)
    mixture = parse_mixture({"passage-reading": {"weight": 1, "source": "squad", "n_questions": 4}})
    setting = dataclasses.replace(setting, n_segments=2)
    batch = collate([make_sample(mixture, setting, f"{i}") for i in range(2)])
    with torch.no_grad():
        state = take_rows(read_documents(model, batch), batch.rows)
    passes: list[tuple[int, ...]] = []
    model.layers[0].mlp.register_forward_hook(
        lambda module, given, result: passes.append(tuple(result.shape))
    )

    scored, gradients = {}, {}
    for alike in (64, 10**9):
        monkeypatch.setattr(losses, "_ALIKE", alike)
        scored[alike] = score(model, batch, state)
        loss = total_loss(scored[alike], batch.questions, Losses(), None)
        gradients[alike] = torch.autograd.grad(loss, [module.lora_a for _, module in adapted_modules(model)])

    once, each = scored.values()
    assert torch.equal(once.rows, each.rows)
    assert torch.equal(once.targets, each.targets)
    torch.testing.assert_close(once.logits, each.logits, atol=1e-3, rtol=1e-3)
    for one, other in zip(*gradients.values(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)
    # two passages, each followed by its questions; the rest of the passes are those of whole prompts
    questions = torch.bincount(batch.rows).tolist()
    assert min(questions) > 1
    assert [shape[0] for shape in passes[:4]] == [1, questions[0], 1, questions[1]]
