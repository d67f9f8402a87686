"""The Transformer-XL cache: two segments are one window of both; beyond that, what many segments back cannot matter."""

import torch

from infini_cli.evals import transformer_xl


def test_two_segments_are_one_window_of_both(subject):
    base = subject.base
    tokens = torch.randint(0, 256, (2, 2, 48))
    with torch.inference_mode():
        whole, _ = base.hidden(tokens.reshape(2, 1, 96), ())
        cache = transformer_xl.read(base, tokens[:, :1])
        hidden, left = transformer_xl.step(base, tokens[:, 1], cache)
    assert torch.allclose(hidden, whole[:, 0, 48:], atol=1e-4)
    assert all(keys.shape[-2] == values.shape[-2] == 48 for keys, values in left)


def test_only_segments_that_can_be_seen_are_read(subject):
    """A layer looks one segment further back than the layer below it."""
    base = subject.base
    tokens = torch.randint(0, 256, (1, base.config.n_layers + 3, 16))
    with torch.inference_mode():
        cache = None
        for segment in tokens.unbind(dim=1):
            _, cache = transformer_xl.step(base, segment, cache)
        read = transformer_xl.read(base, tokens)
        question = torch.randint(0, 256, (1, 5))
        one, _ = transformer_xl.step(base, question, cache)
        other, _ = transformer_xl.step(base, question, read)
    assert torch.allclose(one, other, atol=1e-4)
