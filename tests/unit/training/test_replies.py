"""Replay: what the base model does with plain requests and running text stays what the trained model does."""

from dataclasses import replace
from random import Random

import pytest
import torch

from infini_cli import paths
from infini_cli.evals.short_text import load_requests
from infini_cli.nn.checkpoint import load_base
from infini_cli.nn.config import MemoryConfig
from infini_cli.nn.memory import empty_state
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.tokenizers import load_tokenizer
from infini_cli.training.batches import collate
from infini_cli.training.losses import asked_after
from infini_cli.training.prompting import as_within, end_of_answer
from infini_cli.training.replies import with_replies
from infini_cli.training.tasks.requests import make_request, request_forms
from infini_cli.training.tasks.sample import Sample, Setting
from infini_cli.training.tasks.text import REPLAYS, make_replay

BASE = paths.shipped_models_dir() / "for-tests-tiny"
MEMORY = MemoryConfig(layers=(1, 2), segment_length=512)


@pytest.fixture
def teacher() -> InfiniTransformer:
    return load_base(BASE, memory=None, dtype=torch.float32)


def replays(setting: Setting) -> dict[str, Sample]:
    """One of each kind."""
    drawn = {
        sample.details["kind"]: sample for sample in (make_replay(Random(i), setting) for i in range(40))
    }
    assert set(drawn) == set(REPLAYS)
    return drawn


def test_the_base_model_writes_the_replies(setting: Setting, teacher: InfiniTransformer) -> None:
    tokenizer = load_tokenizer(BASE)
    samples = replays(replace(setting, tokenizer=tokenizer))
    one = samples["request"]
    (answered,) = with_replies([one], teacher, tokenizer)
    question = answered.questions[0]
    assert 0 < len(question.answer) <= question.reply_tokens
    logits, _ = teacher(torch.tensor([[question.tokens]]), ())
    likeliest = logits[0, 0].argmax(dim=-1).tolist()
    told = [end_of_answer(tokenizer) if t in tokenizer.eos_ids else t for t in likeliest]
    assert tuple(told[len(question.prompt) - 1 : -1]) == question.answer
    assert with_replies([samples["text"]], teacher, tokenizer) == [samples["text"]]


def test_a_reply_that_ends_early_is_closed(setting: Setting, teacher: InfiniTransformer) -> None:
    sample = replays(setting)["request"]

    class Ends(type(setting.tokenizer)):
        eos_ids = frozenset(range(258))

    tokenizer = Ends()
    (answered,) = with_replies([sample], teacher, tokenizer)
    assert answered.questions[0].answer == (end_of_answer(tokenizer),)


def test_questions_asked_alone_have_an_empty_memory_behind_them(setting: Setting) -> None:
    samples = [
        replace(each, questions=(replace(each.questions[0], alone=alone),))
        for each, alone in zip(replays(setting).values(), (True, False, True), strict=True)
    ]
    batch = collate(samples)
    state = tuple(
        layer._replace(matrix=layer.matrix + 1, norm=layer.norm + 1)
        for layer in empty_state(load_base(BASE, memory=MEMORY).config, 3)
    )
    for layer in asked_after(state, batch):
        assert not layer.matrix[[0, 2]].any()
        assert not layer.norm[[0, 2]].any()
        assert layer.matrix[1].all()


def test_requests_of_training_are_no_others() -> None:
    train, heldout, asked = (
        set(each) for each in (request_forms("train"), request_forms("heldout"), load_requests())
    )
    assert len(train) > 80
    assert not train & heldout
    assert not (train | heldout) & asked
    made = {make_request(Random(i), "train", "Bees") for i in range(300)}
    assert len(made) > 200
    assert not any("{" in each for each in made)
    assert not made & asked


def test_an_answer_has_the_tokens_that_it_has_in_a_sentence() -> None:
    class Words:
        """A token for each word with the space before it, and one for each digit."""

        def encode(self, text: str) -> list[int]:
            self.pieces = [" ", *text.strip()] if text.strip().isdigit() else [text]
            return list(range(len(self.pieces)))

        def decode(self, ids: list[int]) -> str:
            return "".join(self.pieces[i] for i in ids)

    assert as_within(Words(), "lantern") == " lantern"
    assert as_within(Words(), "1234") == "1234"
