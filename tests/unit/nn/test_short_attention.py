"""Attention by plain products, which short segments in bfloat16 take on a CPU, beside the fused kernel."""

import dataclasses

import pytest
import torch

from infini_cli.nn import attention
from infini_cli.nn.attention import local_attention, short_attention
from infini_cli.nn.memory import empty_state
from tests.unit.nn.networks import BASE, FORMS, random_network, random_tokens


@pytest.mark.parametrize("heads", [(4, 4), (4, 2), (9, 3), (6, 1)])
@pytest.mark.parametrize("length", [2, 7, 128])
def test_equals_the_fused_kernel(heads, length):
    torch.manual_seed(0)
    q, k, v = (torch.randn(3, count, length, 8) for count in (heads[0], heads[1], heads[1]))
    # in float32 local_attention takes the fused kernel
    torch.testing.assert_close(short_attention(q, k, v), local_attention(q, k, v, None), rtol=1e-5, atol=1e-5)


def in_bfloat16(form, **options):
    """A network whose weights are in bfloat16 and whose memory is, as always, in float32."""
    model = random_network(form, **options)
    for name, parameter in model.named_parameters():
        if ".memory." not in name:
            parameter.data = parameter.data.bfloat16()
    return model


def test_is_what_short_segments_in_bfloat16_take(monkeypatch):
    taken = []
    monkeypatch.setattr(
        attention, "short_attention", lambda q, k, v: taken.append(q.shape) or short_attention(q, k, v)
    )
    model = in_bfloat16(FORMS["hedgehog-gated"])
    model(random_tokens(2, 3, 8), empty_state(model.config, batch=2))
    assert taken == [(6, BASE.n_heads, 8, BASE.head_dim)] * BASE.n_layers
    taken.clear()
    model(random_tokens(1, 1, attention.SHORT + 1), empty_state(model.config))
    sliding = in_bfloat16(FORMS["paper"], base=dataclasses.replace(BASE, sliding_window=3))
    sliding(random_tokens(1, 2, 8), empty_state(sliding.config))
    assert not taken


def test_a_token_below_the_write_threshold_leaves_no_trace():
    form = dataclasses.replace(FORMS["mapped-gated"], write_threshold=0.5)
    model = random_network(form)
    for layer in model.layers:
        layer.memory.write.bias.fill_(-10.0)
        layer.memory.write.weight.zero_()
    _, state = model(random_tokens(1, 3, 8), empty_state(model.config))
    assert all(not layer.matrix.any() and not layer.norm.any() for layer in state)
