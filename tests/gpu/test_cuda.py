"""The network on a CUDA device: the same answers as on the CPU, and memories that move between the two."""

import pytest
import torch

from infini_cli.nn.generate import Sampling, fold, generate
from infini_cli.nn.memory import empty_state, state_to
from tests.unit.nn.networks import FORMS, random_network, random_tokens

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_reading_on_cuda_equals_reading_on_the_cpu(form):
    model, tokens = random_network(form), random_tokens(150).tolist()
    here = fold(model, tokens, empty_state(model.config))
    there = fold(model.cuda(), tokens, empty_state(model.config, device="cuda"))
    for one, other in zip(here, state_to(there, "cpu"), strict=True):
        torch.testing.assert_close(other.matrix, one.matrix, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(other.norm, one.norm, rtol=1e-3, atol=1e-3)


def test_a_memory_made_on_cuda_answers_on_the_cpu():
    model, prompt = random_network(FORMS["mapped-gated"]), random_tokens(9).tolist()
    there = fold(model.cuda(), random_tokens(90, seed=2).tolist(), empty_state(model.config, device="cuda"))
    on_cuda = list(generate(model, prompt, there, Sampling(max_new_tokens=8)))
    on_cpu = list(generate(model.cpu(), prompt, state_to(there, "cpu"), Sampling(max_new_tokens=8)))
    assert on_cpu == on_cuda


def test_bfloat16_weights_keep_a_float32_state_on_cuda():
    model = random_network(FORMS["paper"]).cuda()
    for name, parameter in model.named_parameters():
        if "memory" not in name:
            parameter.data = parameter.data.bfloat16()
    state = fold(model, random_tokens(90).tolist(), empty_state(model.config, device="cuda"))
    assert {t.dtype for layer in state for t in layer} == {torch.float32}
    assert all(torch.isfinite(t).all() for layer in state for t in layer)
