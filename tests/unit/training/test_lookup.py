"""Teaching a memory where to look: sources of answers, the loss over reads, and where own keys begin."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from infini_cli import paths
from infini_cli.nn.attention import earlier
from infini_cli.nn.checkpoint import load_base
from infini_cli.nn.config import MemoryConfig
from infini_cli.training.batches import IGNORED, collate
from infini_cli.training.lookup import attention_inputs, begins, looked_up, lookup_loss, token_shares
from infini_cli.training.losses import read_documents, score, take_rows
from infini_cli.training.mixture import make_sample, parse_mixture
from infini_cli.training.pairs import align_on_pairs, canonical_maps
from infini_cli.training.sources import find_sources
from infini_cli.training.tasks.sample import Setting

BASE = paths.shipped_models_dir() / "for-tests-tiny"
MEMORY = MemoryConfig(
    layers=(1, 2), feature_map="hedgehog", own_keys=True, key_shift=1, write_gate=True, segment_length=512
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
        found = [places for places in question.sources if places]
        assert found, question.text
        spelled = words(setting, [document[places[0]] for places in found])
        assert spelled.lower().split() == question.accepted[0].lower().split()
        for token, places in zip(question.answer, question.sources, strict=True):
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
    assert sources == ((1,), (1, 2), (2,), ())
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
        score(model, batch, take_rows(after, batch.rows))
    return read, asked


def test_pairs_are_scored_tokens_and_the_same_characters_of_their_own_document(setting, batch) -> None:
    wanted, row, place = looked_up(batch)
    documents = batch.documents.reshape(-1)
    per_document = batch.documents[0].numel()
    for (question, token), source in zip(wanted[row].tolist(), place.tolist(), strict=True):
        assert source // per_document == batch.rows[question]
        assert batch.targets[question, token] != IGNORED
        told, asked_for = (
            words(setting, [documents[source]]),
            words(setting, [batch.targets[question, token]]),
        )
        assert told.lower() == asked_for.lower() or (told, asked_for) == ("\n", " ")


def test_first_tokens_count_as_much_as_all_others() -> None:
    question = torch.tensor([0, 0, 0, 2, 5, 5])
    assert begins(question).tolist() == [True, False, False, True, True, False]
    shares = token_shares(question)
    torch.testing.assert_close(shares, torch.tensor([2, 1, 1, 2, 2, 2]) / 10)


def test_the_loss_is_that_of_its_definition(batch) -> None:
    """Written out again token by token for one layer."""
    torch.manual_seed(0)
    model = load_base(BASE, memory=dataclasses.replace(MEMORY, layers=(1,)), dtype=torch.float32)
    memory = model.layers[1].memory
    torch.nn.init.normal_(memory.write.weight)
    read, asked = traced(model, batch)
    wanted, row, place = looked_up(batch)
    hidden = read[1].flatten(0, 1)  # (B * S, T, d)
    heads, kv_heads, dim = model.config.n_heads, model.config.n_kv_heads, model.config.head_dim
    shares = token_shares(wanted[:, 0])
    keys = F.linear(hidden, memory.k.weight)
    keys = torch.cat((keys[:, :1], keys[:, :-1]), dim=1).flatten(0, 1)  # (n, G * D)
    strength = torch.sigmoid(memory.write(hidden)).flatten(0, 1)  # (n, G)
    sources = place.unique()
    expected = 0.0
    for i, (question, token) in enumerate(wanted.tolist()):
        q = F.linear(asked[1][question, 0, token], memory.q.weight)
        found, kept = [], []
        for h in range(heads):
            g = h // (heads // kv_heads)
            x = (q[h * dim : (h + 1) * dim] - memory.query_offset[h]) @ memory.query_map[h]
            y = (keys[:, g * dim : (g + 1) * dim] - memory.key_offset[g]) @ memory.key_map[g]
            phi = torch.cat((y, -y), dim=-1).softmax(dim=-1) @ torch.cat((x, -x)).softmax(dim=0)  # (n,)
            of_document = sources[sources // batch.documents[0].numel() == batch.rows[question]]
            found.append((phi[place[row == i]].sum() / phi[of_document].sum()).log())
            gated = phi * strength[:, g]
            kept.append((gated[sources].sum() / gated.sum()).log())
        expected -= shares[i] * (torch.stack(found).mean() + torch.stack(kept).mean())
    torch.testing.assert_close(lookup_loss(model, batch, read, asked), expected, rtol=1e-3, atol=1e-3)


def test_it_trains_keys_queries_and_gates_and_falls(batch) -> None:
    torch.manual_seed(0)
    model = load_base(BASE, memory=MEMORY, dtype=torch.float32)
    trained = {name: p for name, p in model.named_parameters() if ".memory." in name}
    optimizer = torch.optim.Adam(trained.values(), lr=1e-2)
    losses = []
    for _ in range(12):
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
    batch = collate([make_sample(parse_mixture({"replay": 1}), sized, "0")])
    assert float(lookup_loss(model, batch, *traced(model, batch))) == 0


def test_canonical_maps_bring_pairs_together() -> None:
    torch.manual_seed(0)
    shared = torch.randn(600, 4, dtype=torch.float64)
    q = torch.cat((shared, 1.5 * torch.randn(600, 12, dtype=torch.float64)), dim=1)
    k = torch.cat((1.5 * torch.randn(600, 12, dtype=torch.float64), shared), dim=1)
    of = torch.arange(600) // 4
    # what all pairs of a group have in common, and much of it
    group = 3 * torch.randn(150, 1, dtype=torch.float64)[of]
    q, k = torch.cat((q, group), dim=1), torch.cat((k, group), dim=1)
    to_q, to_k = canonical_maps(q[:400], k[:400], of[:400], 4)
    assert to_q[-1].abs().max() < 0.1 * to_q.abs().max()
    mapped_q, mapped_k = q[400:] @ to_q, k[400:] @ to_k
    for i in range(4):
        assert torch.corrcoef(torch.stack((mapped_q[:, i], mapped_k[:, i])))[0, 1] > 0.8
        # a direction that is not paired has nothing in common
        assert torch.corrcoef(torch.stack((mapped_q[:, i], mapped_k[:, i - 1])))[0, 1].abs() < 0.3


def test_own_keys_begin_where_pairs_agree(setting) -> None:
    """On the documents they were made from, too few to determine them, they find every answer's first token."""
    mixture = parse_mixture({"needle": {"kind": "number", "n_keys": 2, "changes": 0}})
    sized = dataclasses.replace(setting, n_segments=1, segment_length=512)
    model = load_base(BASE, memory=MEMORY, dtype=torch.float32)
    align_on_pairs(model, mixture, sized, 16, "seed")
    right = []
    for start in (0, 8):
        batch = collate([make_sample(mixture, sized, f"seed/{start + i}") for i in range(8)])
        read, asked = traced(model, batch)
        wanted, row, place = looked_up(batch)
        first = begins(wanted[:, 0])[row]
        question, token = wanted[row[first]].unbind(dim=1)
        places, of = place[first], batch.rows[question]
        index = 1  # the lowest memory layer: what it is given does not depend on any memory
        memory, attention = model.layers[index].memory, model.layers[index].attn
        q, k = asked[index][question, 0, token][None], earlier(read[index], 1).flatten(0, 2)[places][None]
        q = memory.queries(q, attention.queries(q))[0, 0] - memory.query_offset[0]  # head 0
        k = memory.keys(k, attention.keys_values(k)[0])[0, 0] - memory.key_offset[0]
        scores = (q @ k.T).masked_fill(of[:, None] != of[None], -torch.inf)
        right += (places[scores.argmax(dim=1)] == places).tolist()
    assert len(right) >= 30
    assert sum(right) / len(right) > 0.9
