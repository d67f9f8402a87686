"""What must hold of the memory whatever the form, the split of the work, or the input."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infini_cli.nn import reference
from infini_cli.nn.config import ModelConfig
from infini_cli.nn.generate import fold
from infini_cli.nn.memory import LayerMemory, empty_state, features, retrieve, state_bytes, update
from infini_cli.nn.window import Window
from tests.unit.nn.networks import BASE, FORMS, PAPER, random_network, random_tokens

forms = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
VARIANTS = {
    "llama": BASE,
    "qwen2": dataclasses.replace(BASE, qkv_bias=True),
    "qwen3": dataclasses.replace(BASE, qk_norm=True, tied_embeddings=False),
    "mistral": dataclasses.replace(BASE, sliding_window=5),
    "one-kv-head": dataclasses.replace(BASE, n_kv_heads=1),
    "no-sharing": dataclasses.replace(BASE, n_kv_heads=4),
}


def assert_same_state(one, other, tolerance=1e-4):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a.matrix, b.matrix, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(a.norm, b.norm, rtol=tolerance, atol=tolerance)


@forms
def test_equals_the_float64_reference(form):
    model = random_network(form)
    tokens = random_tokens(1, 4, 8)
    logits, state = model(tokens, empty_state(model.config))
    expected, memory = reference.logits(model.state_dict(), model.config, tokens[0].tolist())
    torch.testing.assert_close(logits[0].double(), torch.stack(expected), rtol=1e-3, atol=2e-4)
    for layer, held in zip(form.layers, state, strict=True):
        for g in range(model.config.n_kv_heads):
            matrix, norm = memory[layer, g]
            torch.testing.assert_close(held.matrix[0, g].double(), matrix, rtol=1e-3, atol=2e-4)
            torch.testing.assert_close(held.norm[0, g].double(), norm, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("base", VARIANTS.values(), ids=VARIANTS.keys())
def test_each_architecture_equals_the_reference(base: ModelConfig):
    """Also the right memory for each query head: grouped heads of one, two and four query heads each."""
    model = random_network(FORMS["mapped-gated"], base=base)
    tokens = random_tokens(1, 3, 8)
    logits, _ = model(tokens, empty_state(model.config))
    expected, _ = reference.logits(model.state_dict(), model.config, tokens[0].tolist())
    torch.testing.assert_close(logits[0].double(), torch.stack(expected), rtol=1e-3, atol=2e-4)


@forms
def test_many_segments_at_once_equal_one_at_a_time(form):
    model = random_network(form)
    tokens = random_tokens(2, 5, 8)
    together, at_once = model(tokens, empty_state(model.config, batch=2))
    state, logits = empty_state(model.config, batch=2), []
    for s in range(5):
        one, state = model(tokens[:, s : s + 1], state)
        logits.append(one)
    torch.testing.assert_close(together, torch.cat(logits, dim=1), rtol=1e-4, atol=1e-4)
    assert_same_state(at_once, state)
    assert_same_state(model.read(tokens, empty_state(model.config, batch=2)), state)


@forms
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 5), min_size=1, max_size=6), tail=st.integers(0, 7))
def test_any_split_of_the_work_and_any_length_give_the_same_memory(form, cuts, tail):
    model = random_network(form)
    tokens = random_tokens(sum(cuts) * 8 + tail).tolist()
    expected = fold(model, tokens, empty_state(model.config), at_once=3)
    state, start = empty_state(model.config), 0
    for cut in cuts:
        state = fold(model, tokens[start : start + cut * 8], state, at_once=cut)
        start += cut * 8
    assert_same_state(fold(model, tokens[start:], state), expected)


@forms
def test_first_segment_is_the_base_model(form):
    model = random_network(form)
    plain = random_network(None)
    plain.load_state_dict(model.state_dict(), strict=False)
    tokens = random_tokens(2, 1, 8)
    torch.testing.assert_close(
        model(tokens, empty_state(model.config, batch=2))[0], plain(tokens, ())[0], rtol=0, atol=0
    )


@forms
def test_no_token_sees_the_future_nor_its_own_segments_write(form):
    model = random_network(form)
    tokens = random_tokens(1, 3, 8)
    before, _ = model(tokens, empty_state(model.config))
    changed = tokens.clone()
    changed[0, 1, 5] = (changed[0, 1, 5] + 1) % BASE.vocab_size
    after, _ = model(changed, empty_state(model.config))
    torch.testing.assert_close(after[0, 0], before[0, 0], rtol=0, atol=0)
    torch.testing.assert_close(after[0, 1, :5], before[0, 1, :5], rtol=0, atol=0)
    assert (after[0, 1, 5:] - before[0, 1, 5:]).abs().max() > 1e-3
    assert (after[0, 2] - before[0, 2]).abs().max() > 1e-6  # the next segment hears of it through the memory


@forms
def test_each_batch_row_resets_alone(form):
    model = random_network(form)
    tokens = random_tokens(2, 4, 8)
    fresh = torch.zeros(2, 4, dtype=torch.bool)
    fresh[1, 2] = True
    logits, state = model(tokens, empty_state(model.config, batch=2), fresh=fresh)
    kept, kept_state = model(tokens[:1], empty_state(model.config))
    begun, begun_state = model(tokens[1:, 2:], empty_state(model.config))
    torch.testing.assert_close(logits[:1], kept, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logits[1:, 2:], begun, rtol=1e-4, atol=1e-4)
    for both, first, second in zip(state, kept_state, begun_state, strict=True):
        assert_same_state((both,), (LayerMemory(*map(torch.cat, zip(first, second, strict=True))),))
    assert_same_state(model.read(tokens, empty_state(model.config, batch=2), fresh=fresh), state)


@forms
def test_padding_is_never_written(form):
    model = random_network(form)
    tokens = random_tokens(1, 2, 8)
    valid = torch.ones(1, 2, 8, dtype=torch.bool)
    valid[0, 1, 5:] = False
    state = model.read(tokens, empty_state(model.config), valid=valid)
    exact = model.read(tokens[:, :1], empty_state(model.config))
    exact = model.read(tokens[:, 1:, :5], exact)
    assert_same_state(state, exact)


@forms
@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_extending_the_window_piece_by_piece_equals_one_segment(form, cuts):
    model = random_network(form)
    state = model.read(random_tokens(1, 3, 8, seed=1), empty_state(model.config))
    tokens = random_tokens(1, sum(cuts))
    expected, _ = model(tokens.unsqueeze(1), state)
    window, start = Window(model.config, 32, model.dtype, model.device), 0
    for cut in cuts:
        logits = model.extend(tokens[:, start : start + cut], state, window)
        start += cut
        torch.testing.assert_close(logits[0], expected[0, 0, start - 1], rtol=1e-4, atol=1e-4)


@forms
def test_gradients_reach_gates_maps_and_writes_across_segments(form):
    model = random_network(form).requires_grad_(True)
    tokens = random_tokens(1, 4, 8)
    logits, _ = model(tokens, empty_state(model.config))
    logits[:, 3].square().mean().backward()
    for i in form.layers:
        for name, parameter in model.layers[i].memory.named_parameters():
            assert parameter.grad is not None, f"layer {i}: {name}"
            assert parameter.grad.abs().max() > 0, f"layer {i}: {name}"
    embedded = model.embed.weight.grad[tokens[0, 0]]  # tokens of the first segment, three segments back
    assert embedded.abs().max() > 0


@forms
def test_gradients_equal_those_without_layer_checkpoints(form):
    gradients = []
    for checkpointed in (False, True):
        model = random_network(form).requires_grad_(True)
        model.checkpoint_layers = checkpointed
        logits, _ = model(random_tokens(1, 3, 8), empty_state(model.config))
        logits.square().mean().backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-5, atol=1e-6)


@forms
def test_memory_does_not_grow_and_stays_finite_over_many_segments(form):
    model = random_network(form)
    state = empty_state(model.config)
    size = state_bytes(state)
    for step in range(1250):  # 10,000 segments
        state = model.read(random_tokens(1, 8, 8, seed=step % 7), state)
    assert state_bytes(state) == size
    assert all(torch.isfinite(t).all() for layer in state for t in layer)
    logits, _ = model(random_tokens(1, 1, 8), state)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("feature_map", ["elu", "dpfp-3"])
@pytest.mark.parametrize("rule", ["linear", "delta"])
@settings(max_examples=25, deadline=None)
@given(
    scale=st.sampled_from([0.0, 1e-30, 1e-6, 1.0, 1e3, 1e6]),
    repeats=st.integers(1, 20),
    constant=st.booleans(),
)
def test_hostile_keys_never_make_the_memory_infinite(feature_map, rule, scale, repeats, constant):
    generator = torch.Generator().manual_seed(0)
    size = 8 if feature_map == "elu" else 48
    memory = LayerMemory(torch.zeros(1, 2, size, 8), torch.zeros(1, 2, size), torch.zeros(1, 2, 0))
    for _ in range(repeats):
        keys = (
            torch.full((1, 2, 6, 8), scale)
            if constant
            else torch.randn(1, 2, 6, 8, generator=generator) * scale
        )
        phi = features(keys, feature_map, None)
        memory = update(memory, phi, torch.randn(1, 2, 6, 8, generator=generator), None, rule=rule, eps=1e-6)
        recalled = retrieve(phi, memory, 1e-6)
        assert torch.isfinite(recalled).all()
        assert torch.isfinite(memory.matrix).all()


def test_bfloat16_weights_keep_a_float32_state():
    model = random_network(PAPER)
    for name, parameter in model.named_parameters():
        if "memory" not in name:
            parameter.data = parameter.data.bfloat16()
    state = model.read(random_tokens(1, 4, 8), empty_state(model.config))
    assert {t.dtype for layer in state for t in layer} == {torch.float32}


def test_what_was_written_is_recalled_by_its_key():
    """Distinct keys under the delta rule give back their values."""
    generator = torch.Generator().manual_seed(3)
    keys = torch.nn.functional.one_hot(torch.arange(4), 8).float()[None, None] * 9.0
    values = torch.randn(1, 1, 4, 8, generator=generator)
    memory = LayerMemory(torch.zeros(1, 1, 48, 8), torch.zeros(1, 1, 48), torch.zeros(1, 1, 0))
    phi = features(keys + keys.roll(1, dims=-1), "dpfp-3", None)
    for t in range(4):
        memory = update(memory, phi[:, :, t : t + 1], values[:, :, t : t + 1], None, rule="delta", eps=1e-6)
    torch.testing.assert_close(retrieve(phi, memory, 1e-6), values, rtol=1e-4, atol=1e-4)
