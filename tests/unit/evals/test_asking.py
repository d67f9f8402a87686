"""Greedy answers: one pass over the right answer tells exactly what decoding would tell."""

from random import Random

import torch

from infini_cli.evals.asking import Prompt, answered_exactly, decode, greedy_answers
from infini_cli.nn.generate import Sampling, generate
from infini_cli.nn.memory import empty_state, take_rows


def read(model, rows: int, seed: int = 0):
    tokens = torch.randint(0, 256, (rows, 3, 32), generator=torch.Generator().manual_seed(seed))
    return model.read(tokens, empty_state(model.config, rows))


def random_prompts(count: int, seed: int) -> list[list[int]]:
    rng = Random(seed)
    return [[rng.randrange(256) for _ in range(rng.randint(3, 40))] for _ in range(count)]


def row_of(state, row: int):
    return take_rows(state, torch.tensor([row]))


def test_batched_decoding_writes_what_generate_writes(model):
    state = read(model, 6)
    prompts = [prompt[:3] for prompt in random_prompts(6, 1)]
    together = decode(model, prompts, state, 9, ())
    for row, prompt in enumerate(prompts):
        assert together[row] == list(generate(model, prompt, row_of(state, row), Sampling(9)))


def test_rows_end_each_at_its_own_stop(model):
    state = read(model, 6)
    prompts = [prompt[:3] for prompt in random_prompts(6, 1)]
    stop = decode(model, prompts, state, 9, ())[0][4]
    for row, written in enumerate(decode(model, prompts, state, 9, {stop})):
        assert written == list(
            generate(model, prompts[row], row_of(state, row), Sampling(9), stop_ids={stop})
        )


def test_one_pass_tells_whether_decoding_gives_the_answer(model):
    """Of answers that greedy decoding gives all are found right, of others none, whatever stands beside them."""
    state, rng = read(model, 8), Random(2)
    for seed in range(5):
        prompts = random_prompts(8, seed)
        rows, expected = [], []
        for row, tokens in enumerate(prompts):
            written = decode(model, [tokens], row_of(state, row), rng.randint(2, 9), ())[0]
            right = rng.random() < 0.5
            if not right:
                place = rng.randrange(len(written))
                written[place] = (written[place] + 1) % 256
            rows.append(Prompt(tuple(tokens), tuple(written)))
            expected.append(right)
        assert answered_exactly(model, rows, state) == expected


def test_checking_first_changes_no_answer(subject, model):
    tokenizer = subject.tokenizer
    state, prompts = read(model, 4), []
    for row, tokens in enumerate(random_prompts(4, 3)):
        written = decode(model, [tokens], row_of(state, row), 6, tokenizer.eos_ids)[0]
        answer = tuple(written) if row % 2 else tuple(b"other ")
        prompts.append(Prompt(tuple(tokens), (*answer, min(tokenizer.eos_ids))))
    decoded = greedy_answers(model, prompts, state, tokenizer, check_first=False)
    assert greedy_answers(model, prompts, state, tokenizer) == decoded


def test_an_answer_that_is_right_without_the_end_is_decoded_further(subject, model):
    """Only an answer closed by the token that ends it says all that the model would write."""
    state, tokens = read(model, 1), random_prompts(1, 4)[0]
    written = decode(model, [tokens], state, 3, ())[0]
    prompt = Prompt(tuple(tokens), tuple(written))
    assert answered_exactly(model, [prompt], state) == [True]
    answer = greedy_answers(model, [prompt], state, subject.tokenizer)[0]
    assert answer == subject.tokenizer.decode(
        generate(model, tokens, state, Sampling(prompt.most_tokens), stop_ids=subject.tokenizer.eos_ids)
    )
