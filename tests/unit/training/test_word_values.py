"""Values made of words say the words they were made of."""

import dataclasses
from typing import cast

import torch

from infini_cli import paths
from infini_cli.nn.checkpoint import load_base
from infini_cli.nn.transformer import InfiniTransformer, Layer
from infini_cli.training.prompting import end_of_answer
from infini_cli.training.word_values import begin_word_values, learn_word_values
from tests.unit.nn.networks import BASE, FORMS, random_network

END = 7  # a token that ends answers


def said(model: InfiniTransformer, layers: tuple[int, ...]) -> torch.Tensor:
    """The scores (V, V) that the network's end gives all tokens for what a read of each one's value alone adds."""
    scores = torch.zeros(BASE.vocab_size, BASE.vocab_size)
    head = (model.embed if model.head is None else model.head).weight
    everything = model.words(torch.arange(BASE.vocab_size))
    for index in layers:
        layer = cast(Layer, model.layers[index])
        assert layer.memory is not None
        values = layer.memory.values(None, everything, everything.embedded, None)  # (G, V, D)
        by_query_head = values.repeat_interleave(BASE.n_heads // BASE.n_kv_heads, dim=0)  # (H, V, D)
        read = layer.attn.o(by_query_head.transpose(0, 1).flatten(1))  # (V, d)
        scores += (read * model.norm.weight) @ head.T
    return scores


def test_a_read_of_any_token_says_that_token() -> None:
    model = random_network(FORMS["words"])
    before = said(model, (0, 1, 2))
    begin_word_values(model, 4.0, END)
    own = torch.arange(BASE.vocab_size)
    assert (said(model, (0, 1, 2)).argmax(dim=1) == own).all()
    assert (before.argmax(dim=1) == own).float().mean() < 0.1
    one_layer = said(model, (1,))
    assert (one_layer.argmax(dim=1) == own).float().mean() > 0.8


def test_with_a_head_of_its_own_tokens_are_said_by_that() -> None:
    model = random_network(FORMS["words"], base=dataclasses.replace(BASE, tied_embeddings=False, d_model=128))
    begin_word_values(model, 4.0, END)
    assert (said(model, (0, 1, 2)).argmax(dim=1) == torch.arange(BASE.vocab_size)).all()


def test_what_is_taken_for_an_end_is_said_as_the_end_of_an_answer() -> None:
    model = random_network(FORMS["words-in-context"])
    begin_word_values(model, 4.0, END)
    own = torch.arange(BASE.vocab_size)
    for bias, expected in ((-99.0, own), (99.0, torch.full_like(own, END))):
        for memory in model.memories():
            assert memory.ends is not None
            memory.ends.gate.bias.fill_(bias)
        assert (said(model, (1, 2)).argmax(dim=1) == expected).float().mean() > 0.9


def test_values_learn_to_be_told_apart_and_what_ends_an_answer(setting) -> None:
    form = dataclasses.replace(FORMS["words-in-context"], word_keys=12, segment_length=512)
    model = load_base(paths.shipped_models_dir() / "for-tests-tiny", memory=form, dtype=torch.float32)
    end = end_of_answer(setting.tokenizer)
    begin_word_values(model, 4.0, end)
    before = {name: p.clone() for name, p in model.named_parameters()}
    losses = learn_word_values(model, setting, 40, end, "seed")
    assert len(losses) == 40
    assert sum(losses[-5:]) < 0.85 * sum(losses[:5])
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert {name.split("memory.")[1] for name in changed} == {
        "word_values.weight",
        "word_values.bias",
        "ends.token",
    }
    assert not any(p.requires_grad for memory in model.memories() for p in memory.word_values.parameters())
