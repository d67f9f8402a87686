"""Training word keys before everything else: what an answer's words should find, found without running the network.

Word keys are made of embeddings alone (nn/word_keys.py), so they can be trained on generated questions without a
forward pass, thousands of documents in minutes, and stay as they are when the rest is trained. They begin as random
projections of whitened embeddings, weighted by how rare a token is in the training texts (inverse document frequency
with tokens for documents): already then, sums over the words before a value tell whose value it is.

They learn with an exact kernel in place of the features that the memory will use, which costs a tenth and teaches
better: a map that begins blunt hides from the sums what they could tell apart. Maps stay random and orthogonal, so that
their features are on average that kernel (`sharpness`); training them as well made nothing easier to find
(models/README.md).

What is said of a thing later takes the place of what was said of it before only if it is written under the same key:
the delta rule (equation 9) takes from a memory what it holds under a key, and adds the new value. So heads that look at
the words before a value (the second of every three) also learn to give such values one key: "Mary went to the" and
"Mary travelled to the".

Measured on SmolLM2-135M, four facts of one kind or four keys with a number each in a document, chance 25%: inner
products of such sums, untrained, find the right first token of 77 to 87% of the answers. The keys and queries of the
base model's own heads find 24 to 37%, and canonical correlations of a layer's whole input 54 to 64%.

Shapes: V vocabulary, d width, H heads of queries or keys, D head size.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from infini_cli.nn.attention import MemoryParameters, rotation
from infini_cli.nn.config import ModelConfig
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.nn.word_keys import PASSING, WordKeys, Words
from infini_cli.training.batches import Batch, collate
from infini_cli.training.lookup import Lookup, at
from infini_cli.training.mixture import make_sample, parse_mixture
from infini_cli.training.optimizer import set_rate, up_and_down
from infini_cli.training.recipe import WordLookup
from infini_cli.training.tasks.sample import Setting

SCALE = 6.0  # standard deviation of mapped coordinates
_RIDGE = 0.1  # of the mean variance of embeddings, added to each
_MEAN_SALIENCE = 10.0  # nats of a rare token, which then counts as one
_REPLACING = 0.65  # weight of what takes the place of something having its key
_WARMUP = 20  # steps
_FINAL = 0.05  # share of the rates at the last step


def learn_word_keys(
    model: InfiniTransformer,
    setting: Setting,
    config: WordLookup,
    seed: str,
    on_step: Callable[[int, float, float], None] = lambda step, loss, right: None,
) -> None:
    """Train the word keys of every memory layer, and freeze them and their maps.

    on_step: called with the number of steps done, the loss, and the mean share of the right tokens in what reads find
    of all that is asked for of the same document.
    """
    memory = model.config.memory
    assert memory is not None
    mixture = parse_mixture(config.mixture)
    setting = replace(
        setting, segment_length=memory.segment_length, n_segments=config.segments, split="train"
    )
    counts = token_counts(setting, model.config.vocab_size).to(model.device)
    whitening = Whitening(model.embed.weight.detach().float(), counts)
    table = whitening.table()  # (V, d)
    ends = sentence_ends(setting, model.config.vocab_size).to(model.device)
    for index, parameters in zip(memory.layers, model.memories(), strict=True):
        _begin(parameters, counts, ends, f"{seed}/{index}")
    optimizer = torch.optim.AdamW(rates(model, config.lr), betas=(0.9, 0.95), weight_decay=0.0)
    random = seeded(f"{seed}/swaps")
    batch = None
    for step in range(config.steps):
        if batch is None or step % config.uses == 0:
            rows = range(config.batch_documents)
            batch = collate(
                [make_sample(mixture, setting, f"{seed}/{step}/{row}") for row in rows], model.device
            )
        if not len(batch.sources):
            continue
        set_rate(optimizer, up_and_down(step, config.steps, _WARMUP, _FINAL))
        swapped = swap_words(counts, config.known_words, random) if step % config.uses else None
        told, asking = asked_of(batch, table, swapped)
        loss, right = _step(model, batch, told, asking)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], 1.0)
        optimizer.step()
        on_step(step + 1, float(loss.detach()) / len(memory.layers), float(right.mean()))
    for parameters in model.memories():
        whitening.fold_into(parameters)
    freeze(model)


def freeze(model: InfiniTransformer) -> None:
    """Keep keys and values made of words from any further training."""
    for parameters in model.memories():
        for name, parameter in parameters.named_parameters():
            if name.startswith("word"):
                parameter.requires_grad_(False)


def sharpness(config: ModelConfig) -> float:
    """s, such that phi(q) · phi(k) of random maps is about exp(s (cosine - 1)) of what it is for q = k, on average.

    It grows with the logarithm of the features that share a softmax: fitted to 256, 512, 1,024, 2,048 and 4,096 of them
    at cosines from 0.3 to 0.9, where it is right within a fifth.
    """
    assert config.memory is not None
    return 0.2 + 0.75 * math.log(config.memory.feature_dim(config.head_dim) / config.memory.map_groups)


def kernel(queries: Tensor, keys: Tensor, sharp: float) -> Tensor:
    """What the features of queries (…, N, D) and keys (…, A, D) of length sqrt(D) are on average: (…, N, A)."""
    cosines = queries @ keys.transpose(-1, -2) / keys.shape[-1]
    return (sharp * (cosines - 1)).exp()


def asked_of(batch: Batch, table: Tensor, swapped: Tensor | None) -> tuple[Words, Words]:
    """The words of the documents (B, S, T) and of the questions (Q, 1, L); those swapped, if anything (V,) is."""
    documents, questions = batch.documents, batch.tokens.unsqueeze(1)
    if swapped is not None:
        documents, questions = swapped[documents], swapped[questions]
    return Words(documents, table[documents]), Words(questions, table[questions])


def keys_and_queries(
    words: WordKeys, told: Words, asking: Words, lookup: Lookup, shift: int
) -> tuple[Tensor, Tensor]:
    """The keys (G, B*S*T, D) of all tokens told, and the queries (G, N, D) of those wanted of what is asked."""
    keys, _ = words.keys(told, words.nothing_read(len(told.ids)), shift=shift)  # (B, S, G, T, D)
    return keys.movedim(2, 0).flatten(1, 3), at(words.queries(asking)[0], lookup.wanted)


def replacing_loss(keys: Tensor, batch: Batch) -> Tensor:
    """How far what takes the place of something is from having its key; keys (G, B*S*T, D)."""
    looking_before = keys[1::3]  # none of a single head
    if not len(batch.replaced) or not len(looking_before):
        return keys.new_zeros(())
    now, then = looking_before[:, batch.replaced].unbind(dim=2)  # (G/3, P, D)
    cosine = (now * then).sum(dim=-1) / keys.shape[-1]
    return _REPLACING * (1 - cosine).mean()


def token_counts(setting: Setting, vocabulary: int) -> Tensor:
    """How often each token stands in the training texts, and once more (V,)."""
    counts = torch.ones(vocabulary)
    for book in setting.corpus.books_of("train"):
        tokens = torch.from_numpy(book.tokens["flowing"].astype("int64"))
        counts += torch.bincount(tokens, minlength=vocabulary)
    return counts


def sentence_ends(setting: Setting, vocabulary: int) -> Tensor:
    """The tokens that end a statement: full stops, alone or with what closes quotations and brackets."""
    texts = (setting.tokenizer.decode([token]).strip() for token in range(vocabulary))
    return torch.tensor(
        [t for t, text in enumerate(texts) if text and text.rstrip("\"')]\u201d\u2019") in (".", "!")]
    )


class Whitening:
    """Embeddings of equal variance in all directions and of unit length, as used in running text."""

    def __init__(self, embeddings: Tensor, counts: Tensor) -> None:
        frequency = (counts / counts.sum()).unsqueeze(1)  # (V, 1)
        self.embeddings = embeddings
        self.mean = (embeddings * frequency).sum(dim=0)  # (d,)
        centred = embeddings - self.mean
        values, vectors = torch.linalg.eigh(((centred * frequency).T @ centred).double())
        scale = (values.clamp(min=0) + _RIDGE * values.mean()).rsqrt()
        self.matrix = (vectors * scale @ vectors.T).float()  # (d, d)
        self.length = (centred @ self.matrix).norm(dim=1)  # (V,)

    def table(self) -> Tensor:
        """The whitened embedding of every token (V, d)."""
        return (self.embeddings - self.mean) @ self.matrix / self.length.unsqueeze(1)

    @torch.no_grad()
    def take_out_of(self, parameters: MemoryParameters) -> None:
        """The inverse of `fold_into`: keys and queries that go on learning do so on the table."""
        words = word_keys_of(parameters)
        words.projection.weight.copy_(words.projection.weight @ torch.linalg.inv(self.matrix))
        words.projection.bias.zero_()
        words.salience.copy_(words.salience * self.length.unsqueeze(1))

    def fold_into(self, parameters: MemoryParameters) -> None:
        """Make keys and queries trained on the table do the same to the embeddings themselves.

        What is stored is rounded to bfloat16, so that an adapter holds exactly what the rest was trained with.
        """
        words = word_keys_of(parameters)
        with torch.no_grad():
            weight = words.projection.weight @ self.matrix
            words.projection.weight.copy_(weight.bfloat16())
            words.projection.bias.copy_(-(words.projection.weight @ self.mean))
            words.salience.copy_(words.salience / self.length.unsqueeze(1))
            for parameter in words.parameters():
                parameter.copy_(parameter.bfloat16())


def seeded(seed: str) -> torch.Generator:
    return torch.Generator().manual_seed(Random(seed).getrandbits(63))


def word_keys_of(parameters: MemoryParameters) -> WordKeys:
    assert parameters.words is not None
    return parameters.words


@torch.no_grad()
def _begin(parameters: MemoryParameters, counts: Tensor, ends: Tensor, seed: str) -> None:
    """Random orthogonal projections and maps, and rare words first."""
    random = seeded(seed)
    rarity = (counts.sum() / counts).log() / _MEAN_SALIENCE
    words = word_keys_of(parameters)
    # in what goes on, every word counts alike
    ordered = torch.tensor(words.ordered, device=rarity.device)
    words.salience.copy_(torch.where(ordered, 1.0, rarity.unsqueeze(1)))
    words.passing.fill_(PASSING)
    words.passing[ends] = 0.0
    words.projection.bias.zero_()
    heads, dim, mapped = words.map.shape
    projections = words.projection.weight.split(dim // words.parts)
    for g in range(heads):
        turned = rotation(words.projection.in_features, random)[:dim].to(words.map).chunk(words.parts)
        for part, rows in enumerate(turned, start=g * words.parts):
            if part in words.own:
                projections[words.own.index(part)].copy_(rows)
        rotations = [rotation(dim, random) for _ in range(-(-mapped // dim))]
        words.map[g] = SCALE * torch.cat(rotations, dim=1)[:, :mapped].to(words.map)


def rates(model: InfiniTransformer, lr: float) -> list[dict[str, Any]]:
    """Groups of the parameters of all word keys, with their rates, for an optimizer."""
    by_ending = {
        "projection.weight": lr,
        "salience": lr,
        "passing": 20 * lr,
        "_decay": 5 * lr,
        "_share": 5 * lr,
    }
    groups: dict[str, list[nn.Parameter]] = {ending: [] for ending in by_ending}
    for parameters in model.memories():
        for name, parameter in word_keys_of(parameters).named_parameters():
            for ending in by_ending:
                if name.endswith(ending):
                    groups[ending].append(parameter)
    return [{"params": groups[each], "lr": rate, "full_lr": rate} for each, rate in by_ending.items()]


def swap_words(counts: Tensor, known: int, random: torch.Generator) -> Tensor:
    """A permutation (V,) of the vocabulary that puts another token of like frequency in the place of each.

    The `known` most frequent tokens stay. Names and words of the generated questions are few; with others put in their
    place, documents and questions agree as before, and what is learned is to find words again, not those words.
    """
    order = counts.argsort(descending=True, stable=True)
    rank = torch.arange(len(counts), dtype=torch.float32)
    moved = rank * (torch.randn(len(counts), generator=random) / 2).exp()
    moved[:known] = -1.0
    swapped = torch.empty_like(order)
    swapped[order] = order[moved.argsort(stable=True).to(order.device)]
    return swapped


def _step(model: InfiniTransformer, batch: Batch, told: Words, asking: Words) -> tuple[Tensor, Tensor]:
    """The loss of one batch, summed over memory layers, and each scored token's share on what is right (N,)."""
    assert model.config.memory is not None
    lookup, sharp = Lookup.of(batch), sharpness(model.config)
    losses, found = [], []
    for parameters in model.memories():
        words = word_keys_of(parameters)
        keys, queries = keys_and_queries(words, told, asking, lookup, model.config.memory.key_shift)
        weights = kernel(queries, keys[:, lookup.asked_for], sharp)  # (G, N, A)
        loss, right = lookup.missed(weights.unsqueeze(1))
        losses.append(loss + replacing_loss(keys, batch))
        found.append(right)
    return torch.stack(losses).sum(), torch.stack(found).mean(dim=0)
