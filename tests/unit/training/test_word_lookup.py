"""Word keys learn what to find before the rest is trained, and stay as they are."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from infini_cli import paths
from infini_cli.nn.attention import rotation
from infini_cli.nn.checkpoint import load_base
from infini_cli.nn.config import MemoryConfig
from infini_cli.nn.memory import features
from infini_cli.nn.word_keys import Words
from infini_cli.training import loop
from infini_cli.training.batches import collate
from infini_cli.training.mixture import make_sample, parse_mixture
from infini_cli.training.recipe import Recipe, StageConfig, WordLookup
from infini_cli.training.word_lookup import (
    SCALE,
    Whitening,
    kernel,
    learn_word_keys,
    sharpness,
    swap_words,
    token_counts,
)
from tests.unit.nn.networks import BASE as BASE_CONFIG
from tests.unit.training.test_loop import run

BASE = paths.shipped_models_dir() / "for-tests-tiny"
# as many features as a shipped memory has, and so a kernel as sharp
MEMORY = MemoryConfig(
    layers=(1, 2),
    feature_map="hedgehog",
    map_factor=32,
    word_keys=48,
    key_shift=1,
    write_gate=True,
    segment_length=512,
)
MIXTURE = {"needle": {"kind": "number", "n_keys": 3}}
LOOKUP = WordLookup(steps=80, batch_documents=4, segments=1, mixture=MIXTURE)


def learned(setting, steps=LOOKUP.steps):
    model = load_base(BASE, memory=MEMORY, dtype=torch.float32)
    shares = []
    config = dataclasses.replace(LOOKUP, steps=steps)
    learn_word_keys(model, setting, config, "seed", lambda step, loss, right: shares.append(right))
    return model, shares


def test_they_find_what_is_asked_for_and_are_then_frozen(setting) -> None:
    model, shares = learned(setting)
    assert len(shares) == LOOKUP.steps
    missed = [1 - share for share in shares]
    assert sum(missed[-5:]) < 0.7 * sum(missed[:5])
    for memory in model.memories():
        kept = {name for name, p in memory.named_parameters() if not p.requires_grad}
        assert kept == {
            name
            for name, _ in memory.named_parameters()
            if name not in ("beta", "write.weight", "write.bias", "read.weight")
        }


def test_the_same_seed_gives_the_same_keys(setting) -> None:
    one, other = learned(setting, steps=6)[0], learned(setting, steps=6)[0]
    for a, b in zip(one.memories(), other.memories(), strict=True):
        assert all(torch.equal(p, dict(b.named_parameters())[name]) for name, p in a.named_parameters())


def test_whitened_embeddings_have_equal_variance_in_running_text(setting) -> None:
    model = load_base(BASE, memory=MEMORY, dtype=torch.float32)
    counts = token_counts(setting, model.config.vocab_size)
    whitening = Whitening(model.embed.weight.detach(), counts)
    assert torch.allclose(whitening.table().norm(dim=1), torch.ones(()), atol=1e-4)
    share = (counts / counts.sum())[:, None]
    centred = (whitening.embeddings - whitening.mean) @ whitening.matrix
    spread = torch.linalg.eigvalsh((centred * share).T @ centred)
    raw = torch.linalg.eigvalsh(
        ((whitening.embeddings - whitening.mean) * share).T @ (whitening.embeddings - whitening.mean)
    )
    assert spread[-1] / spread[-20] < 0.3 * raw[-1] / raw[-20]


def test_what_was_trained_on_the_table_does_the_same_to_embeddings(setting) -> None:
    torch.manual_seed(0)
    model = load_base(BASE, memory=MEMORY, dtype=torch.float32)
    whitening = Whitening(model.embed.weight.detach(), token_counts(setting, model.config.vocab_size))
    ids = torch.randint(0, model.config.vocab_size, (1, 2, 9))
    memory = model.memories()[0]
    memory.words.projection.bias.data.zero_()
    memory.words.salience.data.uniform_(0.5, 2)
    nothing = memory.words.nothing_read(1)
    before, _ = memory.words.keys(Words(ids, whitening.table()[ids]), nothing)
    whitening.fold_into(memory)
    after, _ = memory.words.keys(Words(ids, model.embed(ids)), nothing)
    # rounded to bfloat16
    torch.testing.assert_close(after, before, rtol=0.05, atol=0.1)
    for each in (memory.words.projection.weight, memory.words.salience):
        assert torch.equal(each.bfloat16().float(), each)


def test_words_are_swapped_for_others_as_frequent_and_the_commonest_stay() -> None:
    counts = 1e6 / torch.randperm(5000, generator=torch.Generator().manual_seed(1)).add(1)
    swapped = swap_words(counts, 100, torch.Generator().manual_seed(2))
    assert torch.equal(swapped.sort().values, torch.arange(5000))
    common = counts.argsort(descending=True)[:100]
    assert torch.equal(swapped[common], common)
    rare = counts.argsort(descending=True)[100:]
    assert (swapped[rare] == rare).float().mean() < 0.05
    assert (counts[swapped[rare]] / counts[rare]).log().abs().mean() < 1.0


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(
        name="test",
        base="for-tests-tiny",
        memory=MEMORY,
        word_lookup=dataclasses.replace(LOOKUP, steps=2),
        stages=(StageConfig(steps=3, segments=(2,), mixture=MIXTURE, batch_documents=1),),
    )


def test_training_leaves_them_alone_and_resumes_with_them(setting, tmp_path, recipe) -> None:
    def trained(folder, **options):
        steps = []
        events = run(
            setting, folder, recipe, on_word_lookup=lambda step, loss, right: steps.append(step), **options
        )
        return steps, [event.loss for event in events], torch.load(folder / loop.CHECKPOINT)["parameters"]

    steps, losses, whole = trained(tmp_path / "whole")
    assert steps == [1, 2]
    _, first, cut = trained(tmp_path / "cut", stop_after_steps=1)
    steps, rest, resumed = trained(tmp_path / "cut")
    assert not steps
    assert first + rest == losses
    words = [name for name in whole if ".words." in name]
    assert words
    for name in words:
        assert torch.equal(cut[name], whole[name])
        assert torch.equal(resumed[name], whole[name])


def test_what_takes_the_place_of_something_gets_its_key(setting) -> None:
    """Values of one key in the same and in other words, before and after learning that they replace each other."""
    mixture = {"needle": {"kind": "number", "n_keys": 2, "changes": 2}}
    part = parse_mixture(mixture)
    sized = dataclasses.replace(setting, n_segments=1, segment_length=512)
    batch = collate([make_sample(part, sized, f"asked {row}") for row in range(8)])
    assert len(batch.replaced) >= 8
    alike = {}
    for steps in (1, 80):
        model = load_base(BASE, memory=MEMORY, dtype=torch.float32)
        learn_word_keys(model, setting, dataclasses.replace(LOOKUP, steps=steps, mixture=mixture), "seed")
        cosines = []
        for memory in model.memories():
            words = memory.words
            keys, _ = words.keys(model.words(batch.documents), words.nothing_read(8), shift=MEMORY.key_shift)
            now, then = keys.movedim(2, 0).flatten(1, 3)[1][batch.replaced].unbind(dim=1)
            cosines.append(torch.cosine_similarity(now, then, dim=-1).mean())
        alike[steps] = float(torch.stack(cosines).mean())
    assert alike[80] > alike[1] + 0.05


@pytest.mark.parametrize("groups", [1, 4, 8])
@pytest.mark.parametrize("cosine", [0.3, 0.5, 0.7, 0.9])
def test_keys_learn_with_the_kernel_that_their_features_are_on_average(cosine: float, groups: int) -> None:
    dim, mapped = 64, 1024
    memory = MemoryConfig(layers=(0,), feature_map="hedgehog", map_factor=16, map_groups=groups)
    sharp = sharpness(dataclasses.replace(BASE_CONFIG, head_dim=dim, memory=memory))
    random = torch.Generator().manual_seed(0)
    map_ = SCALE * torch.cat([rotation(dim, random) for _ in range(mapped // dim)], dim=1).float()

    def phi(x: torch.Tensor) -> torch.Tensor:
        return features(math.sqrt(dim) * x[None], "hedgehog", map_[None], groups=groups)[0]

    one, other = (F.normalize(torch.randn(1000, dim, generator=random), dim=1) for _ in range(2))
    other = F.normalize(other - (one * other).sum(dim=1, keepdim=True) * one, dim=1)
    other = cosine * one + math.sqrt(1 - cosine**2) * other
    found = (phi(one) * phi(other)).sum(dim=1).mean() / (phi(one) ** 2).sum(dim=1).mean()
    expected = kernel(math.sqrt(dim) * one[:1], math.sqrt(dim) * other[:1], sharp)
    assert abs(float(found.log() - expected.log())) < 0.5


def test_more_groups_leave_less_to_chance() -> None:
    dim = 64
    random = torch.Generator().manual_seed(0)
    map_ = SCALE * torch.cat([rotation(dim, random) for _ in range(16)], dim=1).float()
    one, other = (F.normalize(torch.randn(500, dim, generator=random), dim=1) for _ in range(2))
    other = F.normalize(one + other, dim=1)
    spread = []
    for groups in (1, 4, 16):
        phi = [
            features(math.sqrt(dim) * x[None], "hedgehog", map_[None], groups=groups)[0] for x in (one, other)
        ]
        found = (phi[0] * phi[1]).sum(dim=1)
        spread.append(float(found.std() / found.mean()))
    assert spread[0] > 1.5 * spread[1] > 2 * spread[2]
