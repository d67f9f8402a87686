"""Teaching a memory where to look: sources of answers, and the loss over reads."""

import dataclasses

import pytest
import torch

from infini_cli import paths
from infini_cli.nn.attention import earlier
from infini_cli.nn.checkpoint import load_base
from infini_cli.nn.config import MemoryConfig
from infini_cli.nn.memory import empty_state, take_rows
from infini_cli.nn.word_keys import Words
from infini_cli.training.batches import IGNORED, collate
from infini_cli.training.lookup import (
    Lookup,
    at,
    attention_inputs,
    begins,
    inputs_below,
    lookup_loss,
    products,
)
from infini_cli.training.losses import read_documents, score
from infini_cli.training.mixture import make_sample, parse_mixture
from infini_cli.training.sources import find_sources, spelled_as
from infini_cli.training.tasks.sample import Setting

BASE = paths.shipped_models_dir() / "for-tests-tiny"
MEMORY = MemoryConfig(
    layers=(1, 2), feature_map="hedgehog", word_keys=48, key_shift=1, write_gate=True, segment_length=512
)
TASKS = ("passkey", "needle", "facts", "story")


def words(setting: Setting, tokens: object) -> str:
    return setting.tokenizer.decode([int(token) for token in tokens])  # type: ignore[attr-defined]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("seed", range(4))
def test_the_sources_of_an_answer_spell_it(setting: Setting, task: str, seed: int) -> None:
    sample = make_sample(parse_mixture({task: 1}), dataclasses.replace(setting, n_segments=4), str(seed))
    document = sample.segments.reshape(-1)
    for question in sample.questions:
        assert len(question.sources) == len(question.answer)
        # the token that ends the answer is found where the document goes on after the value
        *of_value, end = [places for places in question.sources if places]
        spelled = words(setting, [document[places[0]] for places in of_value])
        assert spelled.lower().split() == question.accepted[0].lower().split()
        assert {place - 1 for place in end} <= set(of_value[-1])
        assert question.answer[len(of_value)] in setting.tokenizer.eos_ids
        for token, places in zip(question.answer, of_value, strict=False):
            assert {words(setting, [document[p]]).lower() for p in places} <= {
                words(setting, [token]).lower(),
                "\n" if words(setting, [token]) == " " else "",
            } - {""}


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("shift", [0, 1, 3])
def test_keys_move_on_and_the_first_keep_their_own_in_short_segments_too(length: int, shift: int) -> None:
    k = torch.arange(length)[:, None]
    expected = [t - shift if t >= shift else t for t in range(length)]
    assert earlier(k, shift).squeeze(-1).tolist() == expected


class Pieces:
    """A tokenizer whose tokens are whatever strings it was given."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces

    def decode(self, ids: list[int]) -> str:
        return "".join(self.pieces[i] for i in ids)


def test_tokens_that_divide_the_words_in_other_ways_meet_where_they_share_characters() -> None:
    tokenizer = Pieces("He saw", " Black", "\nSwan", ".", "Bl", "ack S", "wan", "")
    sources = find_sources(tokenizer, [0, 1, 2, 3, 1, 2], [(0, 4)], "black swan", [4, 5, 6, 7])  # type: ignore[arg-type]
    assert sources == ((1,), (1, 2), (2,), (3,))
    assert find_sources(tokenizer, [0, 3], [(0, 2)], "black swan", [4, 5, 6, 7]) == ((), (), (), ())  # type: ignore[arg-type]
    assert find_sources(tokenizer, [0, 1], [(0, 2)], "white", [4]) == ((),)  # type: ignore[arg-type]


def test_what_nobody_told_has_no_source(setting: Setting) -> None:
    sample = make_sample(parse_mixture({"facts": {"unstated_share": 1.0}}), setting, "0")
    refused = [question for question in sample.questions if question.distance == 0]
    assert refused
    assert all(not any(question.sources) for question in refused)


@pytest.fixture
def batch(setting: Setting):
    sized = dataclasses.replace(setting, n_segments=2, segment_length=512)
    mixture = parse_mixture({"facts": {"n_facts": 4}})
    return collate([make_sample(mixture, sized, str(seed)) for seed in range(3)])


def traced(model, batch):
    with attention_inputs(model, model.config.memory_layers) as read:
        after = read_documents(model, batch)
    with attention_inputs(model, model.config.memory_layers) as asked:
        score(model, batch, take_rows(after, batch.rows), together=True)
    return empty_state(model.config, len(batch.documents)), read, asked


def test_what_layers_see_does_not_depend_on_how_texts_are_padded(batch) -> None:
    model = load_base(BASE, memory=None, dtype=torch.float32)
    by_length = inputs_below(model, batch.tokens, (0, 2), batch.lengths)
    with attention_inputs(model, (0, 2)) as inputs:
        model.hidden(batch.tokens.unsqueeze(1), ())
    own = torch.arange(batch.tokens.shape[1]) < batch.lengths.unsqueeze(1)  # (Q, L)
    assert not own.all()
    for layer, seen in by_length.items():
        torch.testing.assert_close(seen[own].float(), inputs[layer][:, 0][own], atol=0.02, rtol=0.01)


def test_pairs_are_scored_tokens_and_the_same_characters_of_their_own_document(setting, batch) -> None:
    lookup = Lookup.of(batch)
    documents = batch.documents.reshape(-1)
    per_document = batch.documents[0].numel()
    assert lookup.right.any(dim=1).all()
    assert (lookup.right <= lookup.own).all()
    for row, column in lookup.right.nonzero().tolist():
        (question, token), source = lookup.wanted[row].tolist(), int(lookup.asked_for[column])
        assert source // per_document == batch.rows[question]
        assert batch.targets[question, token] != IGNORED
        target = batch.targets[question, token]
        if int(target) in setting.tokenizer.eos_ids:
            continue  # what follows a value may be anything
        told, asked_for = words(setting, [documents[source]]), words(setting, [target])
        assert told.lower() == asked_for.lower() or (told, asked_for) == ("\n", " ")


def test_all_that_is_of_an_answers_first_word_is_looked_for_as_its_beginning(batch) -> None:
    plain = Lookup.of(batch)
    torch.testing.assert_close(plain.first, begins(plain.wanted[:, 0]))
    # as where an answer begins with "m", "isty", and the document has " misty"
    numbers = batch.sources[:, 0].unique()
    beginning = batch.sources[batch.sources[:, 0] == numbers[0]][0, 1]
    second = torch.stack((numbers[1], beginning))
    shared = Lookup.of(dataclasses.replace(batch, sources=torch.cat((batch.sources, second[None]))))
    assert shared.first.tolist() == [True, True, *plain.first.tolist()[2:]]


def test_a_questions_first_token_begins() -> None:
    question = torch.tensor([0, 0, 0, 2, 5, 5])
    assert begins(question).tolist() == [True, False, False, True, True, False]


def test_heads_divide_the_work_and_a_single_one_does_it_all(batch) -> None:
    lookup = Lookup.of(batch)
    ordered, before, behind = lookup.tasks(3)
    assert torch.equal(before, lookup.first)
    assert torch.equal(behind, lookup.first)
    assert torch.equal(ordered, ~lookup.first)
    assert lookup.tasks(1).all()


def mean_of(thirds: list[list[torch.Tensor]]) -> torch.Tensor:
    """The mean of the means of those that there are."""
    return torch.stack([torch.stack(losses).mean() for losses in thirds if losses]).mean()


def test_the_loss_is_that_of_its_definition(batch) -> None:
    """Written out again token by token for one layer."""
    torch.manual_seed(0)
    model = load_base(BASE, memory=dataclasses.replace(MEMORY, layers=(1,)), dtype=torch.float32)
    memory = model.layers[1].memory
    torch.nn.init.normal_(memory.write.weight)
    before, read, asked = traced(model, batch)
    lookup = Lookup.of(batch)
    hidden = read[1].flatten(0, 1)  # (B * S, T, d)
    kv_heads = model.config.n_kv_heads
    told = Words(batch.documents, model.embed(batch.documents))
    keys, _ = memory.words.keys(told, before[0].words, shift=1)  # (B, S, G, T, D)
    keys = keys.transpose(2, 3).flatten(0, 2)  # (n, G, D)
    queries, _ = memory.words.queries(Words(batch.tokens, model.embed(batch.tokens)))  # (Q, G, L, D)
    strength = torch.sigmoid(memory.write(hidden)).flatten(0, 1)  # (n, G)
    sources = lookup.asked_for
    # what comes first, second and later in an answer counts alike
    missed: list[list[torch.Tensor]] = [[], [], []]
    lost: list[list[list[torch.Tensor]]] = [[[], [], []] for _ in range(kv_heads)]
    first = begins(lookup.wanted[:, 0]).tolist()
    later = 0
    for i, (question, token) in enumerate(lookup.wanted.tolist()):
        found = []
        third = 0 if first[i] else 1 if first[i - 1] else 2
        later += third == 2
        for g in range(kv_heads):
            # every third head, from the first on, looks for what follows an answer's first token, others for that
            if first[i] == (g % 3 == 0):
                continue
            x = queries[question, g, token] @ memory.words.map[g]
            y = keys[:, g] @ memory.words.map[g]
            phi = torch.cat((y, -y), dim=-1).softmax(dim=-1) @ torch.cat((x, -x)).softmax(dim=0)  # (n,)
            # what the others look for is none of its business
            of_task = sources[lookup.right[[each == first[i] for each in first]].any(dim=0)]
            found.append(phi[sources[lookup.right[i]]].sum() / phi[of_task].sum())
            gated = phi * strength[:, g]
            if third < 2 or later % 4 == 1:
                lost[g][third].append(-(gated[of_task].sum() / gated.sum()).log())
        missed[third].append(-torch.stack(found).mean().log())
    # word keys are trained before, and stay as they are: of the loss, what gates lose is left
    loss = lookup_loss(model, batch, before, read, asked)
    expected = torch.stack([mean_of(thirds) for thirds in lost]).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-3, atol=1e-3)
    phi_q = memory.query_features(at(queries.unsqueeze(1), lookup.wanted))
    phi_k = memory.key_features(keys[sources].transpose(0, 1))
    expected = mean_of(missed)
    torch.testing.assert_close(lookup.missed(products(phi_q, phi_k))[0], expected, rtol=1e-3, atol=1e-3)


def test_gates_that_keep_one_thing_alone_have_lost_the_others(batch) -> None:
    lookup = Lookup.of(batch)
    n = batch.documents.numel()
    kept = torch.zeros(3, n)
    kept[:, lookup.asked_for[lookup.right[0]]] = 1.0

    def alike(head: int, rows: torch.Tensor) -> torch.Tensor:
        return torch.ones(1, len(rows), n)

    everything = torch.zeros(3, n)
    everything[:, lookup.asked_for] = 1.0
    assert lookup.lost(alike, kept[1:2]) < 1e-3
    assert lookup.lost(alike, kept[1:2], each=True) > 2 * lookup.lost(alike, everything[1:2], each=True)


def test_it_trains_keys_queries_and_gates_and_falls(batch) -> None:
    torch.manual_seed(0)
    model = load_base(BASE, memory=dataclasses.replace(MEMORY, word_keys=0), dtype=torch.float32)
    trained = {name: p for name, p in model.named_parameters() if ".memory." in name}
    optimizer = torch.optim.Adam(trained.values(), lr=1e-2)
    losses = []
    for _ in range(30):
        loss = lookup_loss(model, batch, *traced(model, batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    # beta has no part in where a read looks
    still = {name for name, p in trained.items() if p.grad is None or not p.grad.any()}
    assert all(name.endswith("beta") for name in still)


def test_questions_without_sources_cost_nothing(setting) -> None:
    model = load_base(BASE, memory=MEMORY, dtype=torch.float32)
    sized = dataclasses.replace(setting, n_segments=2, segment_length=512)
    batch = collate([make_sample(parse_mixture({"passage-reading": 1}), sized, "0")])
    assert float(lookup_loss(model, batch, *traced(model, batch))) == 0


@pytest.mark.parametrize(
    ("pieces", "value", "expected"),
    [
        (("He", " has", " red", "-", "sand", "."), "red-sand", (2, 3, 4)),
        (("word", "\n", "red", "-s", "and", "\n"), "red-sand", (2, 3, 4)),
        (("a", " Red", "-sand", ",", " red", "-sand"), "red-sand", (1, 2)),
        (("a", ' "', "red", "-sand", '."'), "red-sand", (2, 3)),
        (("a", ' "red', "-sand", '."'), "red-sand", None),
        (("a", " red", "-sands"), "red-sand", None),
        (("a", "\nred", "-sand"), "red-sand", (1, 2)),
        (("a", " red"), "blue", None),
    ],
)
def test_an_answer_has_the_tokens_that_it_has_in_the_document(pieces, value, expected) -> None:
    tokenizer, tokens = Pieces(*pieces), list(range(len(pieces)))
    assert spelled_as(tokenizer, tokens, (0, len(tokens)), value) == expected  # type: ignore[arg-type]
    assert spelled_as(tokenizer, tokens, (0, 1), value) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(6))
def test_what_is_to_be_recalled_is_found_token_for_token(setting: Setting, seed: int) -> None:
    sample = make_sample(parse_mixture({"needle": 1}), dataclasses.replace(setting, n_segments=4), str(seed))
    document = sample.segments.reshape(-1)
    for question in sample.questions:
        for token, places in zip(question.answer[:-1], question.sources, strict=False):
            assert token in {int(document[place]) for place in places}
        assert question.answer[-1] in setting.tokenizer.eos_ids
