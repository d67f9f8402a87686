"""Choosing tokens, and generation behind a local window that folds what it cannot hold."""

import pytest
import torch

from infini_cli.nn.generate import Sampling, fold, generate, nucleus, penalize
from infini_cli.nn.memory import empty_state
from tests.unit.nn.networks import FORMS, random_network, random_tokens

MODEL = random_network(FORMS["mapped-gated"])
STATE = empty_state(MODEL.config)


def ids(prompt, state=STATE, *, stop_ids=(), window_length=64, model=MODEL, **sampling):
    return list(
        generate(model, prompt, state, Sampling(**sampling), stop_ids=stop_ids, window_length=window_length)
    )


def greedy_by_full_forward(prompt, state, count):
    """Greedy decoding without any cache: the whole local window again for each token."""
    out = list(prompt)
    for _ in range(count):
        logits, _ = MODEL(torch.tensor([[out]]), state)
        out.append(int(logits[0, 0, -1].argmax()))
    return out[len(prompt) :]


def test_greedy_equals_a_full_forward_for_each_token():
    prompt = random_tokens(9).tolist()
    state = fold(MODEL, random_tokens(20, seed=2).tolist(), STATE)
    assert ids(prompt, state, max_new_tokens=12) == greedy_by_full_forward(prompt, state, 12)


@pytest.mark.parametrize("sampling", [Sampling(4, temperature=20.0), Sampling(4, repetition_penalty=2.0)])
def test_how_sure_the_model_is_of_each_token_is_told_and_of_the_one_that_ends_it(sampling):
    prompt = random_tokens(9).tolist()
    told: list[float] = []
    written = list(generate(MODEL, prompt, STATE, sampling, on_choice=told.append))
    logits, _ = MODEL(torch.tensor([[prompt + written]]), STATE)
    expected = logits[0, 0, len(prompt) - 1 : -1].softmax(dim=-1).amax(dim=-1)
    torch.testing.assert_close(torch.tensor(told), expected, rtol=1e-3, atol=1e-5)
    told.clear()
    assert (
        list(generate(MODEL, prompt, STATE, sampling, stop_ids=written[1:2], on_choice=told.append))
        == written[:1]
    )
    torch.testing.assert_close(torch.tensor(told), expected[:2], rtol=1e-3, atol=1e-5)


def test_a_prompt_longer_than_the_window_is_folded_not_cut():
    prompt = random_tokens(70).tolist()
    kept = 32 - 8  # the window less a quarter of it for the answer
    folded = fold(MODEL, prompt[:-kept], STATE)
    assert ids(prompt, max_new_tokens=8, window_length=32) == greedy_by_full_forward(
        prompt[-kept:], folded, 8
    )


def test_generation_goes_on_past_the_window():
    prompt = random_tokens(10).tolist()
    produced = ids(prompt, max_new_tokens=60, window_length=16)
    assert len(produced) == 60
    local = prompt + produced[:7]  # 17 tokens: one more than the window holds
    folded = fold(MODEL, local[:-8], STATE)
    assert produced[7:15] == greedy_by_full_forward(local[-8:], folded, 8)


def test_the_callers_state_is_left_as_it_was():
    state = fold(MODEL, random_tokens(20, seed=2).tolist(), STATE)
    before = [t.clone() for layer in state for t in layer]
    ids(random_tokens(70).tolist(), state, max_new_tokens=40, window_length=32)
    assert all(torch.equal(a, b) for a, b in zip(before, (t for layer in state for t in layer), strict=True))


def test_a_stop_id_ends_the_answer_and_is_not_part_of_it():
    prompt = random_tokens(9).tolist()
    free = ids(prompt, max_new_tokens=12)
    stop = free[5]
    assert ids(prompt, max_new_tokens=12, stop_ids={stop}) == free[: free.index(stop)]


def test_the_seed_decides_a_sampled_answer():
    prompt = random_tokens(9).tolist()
    one, same, other = (ids(prompt, max_new_tokens=20, temperature=1.5, seed=s) for s in (1, 1, 2))
    assert one == same
    assert one != other


def test_a_tiny_nucleus_is_greedy():
    prompt = random_tokens(9).tolist()
    assert ids(prompt, max_new_tokens=10, temperature=1.0, top_p=1e-6) == ids(prompt, max_new_tokens=10)


def test_nucleus_keeps_the_smallest_set_that_reaches_top_p_in_its_own_places():
    probabilities = torch.tensor([0.1, 0.5, 0.15, 0.25])
    assert nucleus(probabilities, 0.7).tolist() == pytest.approx([0.0, 0.5, 0.0, 0.25])
    assert nucleus(probabilities, 0.76).tolist() == pytest.approx([0.0, 0.5, 0.15, 0.25])
    assert nucleus(probabilities, 1.0).tolist() == pytest.approx(probabilities.tolist())


def test_the_repetition_penalty_makes_seen_tokens_less_likely_whatever_their_sign():
    logits = torch.tensor([2.0, -2.0, 1.0])
    assert penalize(logits, {0, 1}, 2.0).tolist() == [1.0, -4.0, 1.0]
    assert logits.tolist() == [2.0, -2.0, 1.0]


def test_a_strong_penalty_never_repeats():
    produced = ids(random_tokens(3).tolist(), max_new_tokens=40, repetition_penalty=1e6)
    assert len(set(produced)) == len(produced)


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_new_tokens", 0), ("temperature", -1), ("top_p", 0), ("top_p", 1.1), ("repetition_penalty", 0)],
)
def test_settings_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        Sampling(**{name: value})


def test_an_empty_prompt_is_refused():
    with pytest.raises(ValueError, match="empty"):
        ids([])


def test_a_window_that_is_full_is_refused():
    from infini_cli.nn.window import Window

    window = Window(MODEL.config, 4, MODEL.dtype, MODEL.device)
    with pytest.raises(ValueError, match="window of 4"):
        MODEL.extend(random_tokens(1, 5), STATE, window)
