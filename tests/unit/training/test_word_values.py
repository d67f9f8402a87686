"""Values made of words say the words they were made of."""

import dataclasses
from typing import cast

import torch

from infini_cli.nn.transformer import InfiniTransformer, Layer
from infini_cli.training.word_values import begin_word_values
from tests.unit.nn.networks import BASE, FORMS, random_network


def said(model: InfiniTransformer, layers: tuple[int, ...]) -> torch.Tensor:
    """The scores (V, V) that the network's end gives all tokens for what a read of each one's value alone adds."""
    scores = torch.zeros(BASE.vocab_size, BASE.vocab_size)
    head = (model.embed if model.head is None else model.head).weight
    everything = model.words(torch.arange(BASE.vocab_size))
    for index in layers:
        layer = cast(Layer, model.layers[index])
        assert layer.memory is not None
        values = layer.memory.values(torch.empty(BASE.n_kv_heads, 1, 1), everything)  # (G, V, D)
        by_query_head = values.repeat_interleave(BASE.n_heads // BASE.n_kv_heads, dim=0)  # (H, V, D)
        read = layer.attn.o(by_query_head.transpose(0, 1).flatten(1))  # (V, d)
        scores += (read * model.norm.weight) @ head.T
    return scores


def test_a_read_of_any_token_says_that_token() -> None:
    model = random_network(FORMS["words"])
    before = said(model, (0, 1, 2))
    begin_word_values(model, 4.0)
    own = torch.arange(BASE.vocab_size)
    assert (said(model, (0, 1, 2)).argmax(dim=1) == own).all()
    assert (before.argmax(dim=1) == own).float().mean() < 0.1
    one_layer = said(model, (1,))
    assert (one_layer.argmax(dim=1) == own).float().mean() > 0.8


def test_with_a_head_of_its_own_tokens_are_said_by_that() -> None:
    model = random_network(FORMS["words"], base=dataclasses.replace(BASE, tied_embeddings=False, d_model=128))
    begin_word_values(model, 4.0)
    assert (said(model, (0, 1, 2)).argmax(dim=1) == torch.arange(BASE.vocab_size)).all()


def test_the_first_layer_can_be_heard_where_the_others_speak() -> None:
    alike, apart = random_network(FORMS["words"]), random_network(FORMS["words"])
    begin_word_values(alike, 4.0)
    begin_word_values(apart, 4.0, heard=1.0)
    expected = [said(alike, (0,)) / 4, said(alike, (1,)), said(alike, (2,))]
    for layer, scores in enumerate(expected):
        torch.testing.assert_close(
            said(apart, (layer,)), scores, atol=0.02 * float(scores.abs().max()), rtol=0.02
        )
