"""Training write gates before the stages, and word keys with them: what is worth keeping, and how it is told apart.

While a memory is empty nothing is read from it, so what the layers make of a document's first segment depends on
nothing that is trained. Documents of one segment are therefore read once, what the write gates see of them is kept, and
they learn from it many times over, which costs next to nothing.

Word keys have learned until then to tell the answers of a batch apart (word_lookup.py). In a memory there is also all
the rest that gates have kept, and there are far more tokens of that. So keys and gates learn as one: of all that stands
in all documents of a batch and in the plain text beside them, by the strength with which it is written, a read is to
find what it is asked for (`Lookup.lost`), as in the memory of one long document. Every second time the keys see words
swapped for others, and the gates the text as it was.

As with word keys, reads are those of the exact kernel that the features are on average. What says how much a word
counts where it stands, and each part of a key (`word_keys.Context`), learns here too, from what was seen of documents
and questions.

Where a value ends is known too: what follows a value is to be kept as the end of an answer (`write_gate.Ends`), and all
else that is asked for as what it is.

Shapes: B documents, T tokens in a segment, n = B * T, Q questions, L tokens of prompt and answer, N scored tokens, A
tokens asked for, G heads, D size of a key, d width.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.nn.word_keys import Words
from infini_cli.nn.write_gate import WriteGate
from infini_cli.training.batches import Batch, collate
from infini_cli.training.composition import compose
from infini_cli.training.lookup import Lookup, inputs_below
from infini_cli.training.mixture import make_sample, parse_mixture
from infini_cli.training.optimizer import set_rate, up_and_down
from infini_cli.training.recipe import WriteGates
from infini_cli.training.tasks.passkey import FILLER
from infini_cli.training.tasks.sample import Setting
from infini_cli.training.word_lookup import (
    Whitening,
    asked_of,
    freeze,
    kernel,
    keys_and_queries,
    rates,
    replacing_loss,
    seeded,
    sharpness,
    swap_words,
    token_counts,
    word_keys_of,
)

_BIAS = -2.0  # of every gate to begin with: most of a text is not worth keeping
_KEPT = 0.3  # weight of what is asked for being written with full strength
# of the rate of gates: parts of keys that are of no use yet are shut off at once by a faster one, and learn no more
_SHARES = 0.03
_WARMUP = 50  # steps
_FINAL = 0.05  # share of the rates at the last step
_DECAY = 0.01  # of the gates' weights
_DROPPED = 0.1  # of what the gates look at: there are few documents, and many passes over them
_FLOOR = 1e-6  # of a probability
_AT_ONCE = 64  # segments of prose
_STRETCH = (8, 64)  # tokens that are said over and over: from, to
# that the pass key's filler stands in a memory, which is all of a document, and that any other stretch does, which is
# prose as well: gates that are shut to it keep less of what is worth keeping
_FILLER_TIMES, _TIMES = 64.0, 8.0
_SWAPPED = 2  # every so many steps words are swapped for others


@dataclass(frozen=True, slots=True)
class Prose:
    """Segments of plain text that were read, P of them."""

    tokens: Tensor  # (P, T)
    times: Tensor  # (P,) how often each stands in a memory
    noted: dict[int, Tensor]  # what write gates look at, (P, T, d) by layer

    def drawn(self, rng: Random, count: int) -> "Prose":
        rows = torch.tensor(rng.sample(range(len(self.tokens)), count), dtype=torch.long)
        noted = {layer: hidden[rows] for layer, hidden in self.noted.items()}
        return Prose(self.tokens[rows], self.times[rows], noted)


@dataclass(frozen=True, slots=True)
class Read:
    """A batch whose documents, of one segment each, were read."""

    batch: Batch
    lookup: Lookup
    # what write gates look at, (B, T, d) by layer; in bfloat16, for there are many
    noted: dict[int, Tensor]
    asked: Tensor | None  # the same of the questions (Q, L, d), where their words count by it


def learn_write_gates(
    model: InfiniTransformer,
    setting: Setting,
    config: WriteGates,
    seed: str,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Train the write gates and word keys of a network whose word keys know answers apart and which else is the base.

    on_step: called with the number of steps done, first those of reading and then those of learning, and the loss, a
    mean over layers, which is 0 while documents are being read.
    """
    memory = model.config.memory
    assert memory is not None
    mixture = parse_mixture(config.mixture)
    setting = replace(setting, segment_length=memory.segment_length, n_segments=1, split="train")
    prose = read_prose(model, setting, config.prose, config.repeated, f"{seed}/prose")
    reads = []
    for number in range(config.batches):
        rows = range(config.batch_documents)
        batch = collate(
            [make_sample(mixture, setting, f"{seed}/{number}/{row}") for row in rows], model.device
        )
        if len(batch.sources):
            reads.append(read_once(model, batch))
        on_step(number + 1, 0.0)
    learn(model, setting, reads, prose, config, seed, lambda step, loss: on_step(config.batches + step, loss))


@torch.no_grad()
def read_once(model: InfiniTransformer, batch: Batch) -> Read:
    """What write gates see while the documents of a batch are read."""
    memory = model.config.memory
    assert memory is not None
    noted = _noted(model, batch.documents[:, 0])
    asked = None
    if memory.word_context:
        layer = memory.gate_layer(memory.layers[0])
        asked = inputs_below(model, batch.tokens, (layer,), batch.lengths)[layer]
    return Read(batch, Lookup.of(batch), noted, asked)


@torch.no_grad()
def read_prose(model: InfiniTransformer, setting: Setting, plain: int, repeated: int, seed: str) -> Prose:
    """So many segments of training texts and of stretches said over and over, and what write gates see of them."""
    length = setting.segment_length
    filler = np.array(setting.tokenizer.encode(" " + FILLER), dtype=np.int64)
    texts = [_plain(Random(f"{seed}/{row}"), setting, length) for row in range(plain)]
    for row in range(repeated):
        rng = Random(f"{seed}/repeated/{row}")
        stretch = _plain(rng, setting, rng.randint(*_STRETCH)) if row % 2 else filler
        texts.append(_over_and_over(rng, stretch, length))
    tokens = torch.from_numpy(np.array(texts, dtype=np.int64)).reshape(-1, length).to(model.device)
    of_repeated = [_TIMES if row % 2 else _FILLER_TIMES for row in range(repeated)]
    times = torch.tensor([1.0] * plain + of_repeated, device=model.device)
    if not len(tokens):
        return Prose(tokens, times, {})
    seen = [_noted(model, part) for part in tokens.split(_AT_ONCE)]
    return Prose(tokens, times, {layer: torch.cat([each[layer] for each in seen]) for layer in seen[0]})


def _plain(rng: Random, setting: Setting, length: int) -> npt.NDArray[np.int64]:
    """So many tokens of a training text."""
    return compose(rng, setting.corpus.books_of(setting.split), setting.tokenizer, [], length).tokens


def _over_and_over(rng: Random, stretch: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.int64]:
    """So many tokens of one stretch of text; they begin anywhere in it."""
    return np.resize(np.roll(stretch, -rng.randrange(len(stretch))), length)


def _noted(model: InfiniTransformer, tokens: Tensor) -> dict[int, Tensor]:
    """What write gates look at (N, T, d), by layer, in texts (N, T) of one segment each."""
    memory = model.config.memory
    assert memory is not None
    return inputs_below(model, tokens, {memory.gate_layer(layer) for layer in memory.layers})


def learn(
    model: InfiniTransformer,
    setting: Setting,
    reads: list[Read],
    prose: Prose,
    config: WriteGates,
    seed: str,
    on_step: Callable[[int, float], None],
) -> None:
    """Train gates and word keys on batches that were read, one drawn for each step, with some of the prose."""
    counts = token_counts(setting, model.config.vocab_size).to(model.device)
    whitening = Whitening(model.embed.weight.detach().float(), counts)
    table = whitening.table()  # (V, d)
    gates = [parameters.write for parameters in model.memories()]
    for parameters in model.memories():
        whitening.take_out_of(parameters)
    for gate in gates:
        nn.init.constant_(cast(WriteGate, gate).bias, _BIAS)
    memories = [(parameters, word_keys_of(parameters)) for parameters in model.memories()]
    of_gates = _of(module for each, words in memories for module in (each.write, each.ends, words.context))
    of_shares = _of(words.shares for _, words in memories)
    groups: list[dict[str, Any]] = [
        {"params": params, "lr": lr, "full_lr": lr, "weight_decay": _DECAY}
        for params, lr in ((of_gates, config.lr), (of_shares, _SHARES * config.lr))
    ]
    groups += rates(model, config.words_lr)
    trained = [parameter for group in groups for parameter in group["params"]]
    for parameter in trained:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0)
    order, swaps = Random(f"{seed}/order"), seeded(f"{seed}/swaps")
    for step in range(config.steps):
        set_rate(optimizer, up_and_down(step, config.steps, _WARMUP, _FINAL))
        swapped = swap_words(counts, config.known_words, swaps) if step % _SWAPPED else None
        beside = prose.drawn(order, config.prose_drawn)
        loss = missed(model, order.choice(reads), beside, table, swapped)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        on_step(step + 1, float(loss.detach()))
    for parameters in model.memories():
        whitening.fold_into(parameters)
    shift_gates(model, config.shift)
    freeze(model)


@torch.no_grad()
def shift_gates(model: InfiniTransformer, shift: float) -> None:
    """Add to the bias of every write gate.

    A read divides by what was written, so making all writes weaker changes little at once; but where every gate stands
    half open, a token worth keeping cannot be written much more strongly than the others.
    """
    for memory in model.memories():
        if memory.write is not None:
            memory.write.bias.add_(shift)


def _of(modules: Iterable[nn.Module | None]) -> list[nn.Parameter]:
    """The parameters of all modules that there are."""
    return [parameter for module in modules if module is not None for parameter in module.parameters()]


def missed(
    model: InfiniTransformer, read: Read, prose: Prose, table: Tensor, swapped: Tensor | None
) -> Tensor:
    """What reads miss among all that is written of a batch, and how far what is asked for is from full strength.

    prose: what is written beside it.
    table (V, d): the embeddings that word keys are made of meanwhile.
    """
    memory, sharp = model.config.memory, sharpness(model.config)
    assert memory is not None
    batch, lookup = read.batch, read.lookup
    told, asking = asked_of(batch, table, swapped)
    if read.asked is not None:
        seen = read.noted[memory.gate_layer(memory.layers[0])].unsqueeze(1)  # (B, 1, T, d)
        told, asking = told._replace(noted=seen), asking._replace(noted=read.asked.unsqueeze(1))
    losses = []
    other_ids = (prose.tokens if swapped is None else swapped[prose.tokens]).unsqueeze(1)  # (P, 1, T)
    for layer, parameters in zip(memory.layers, model.memories(), strict=True):
        words, seen_at = word_keys_of(parameters), memory.gate_layer(layer)
        keys, queries = keys_and_queries(words, told, asking, lookup, memory.key_shift)
        gate = cast(WriteGate, parameters.write)
        noted = F.dropout(read.noted[seen_at].float(), _DROPPED)
        strength = gate.strength(noted).transpose(0, 1).flatten(1)  # (G, n)
        if len(other_ids):
            seen = prose.noted[seen_at].float()  # (P, T, d)
            told_beside = Words(other_ids, table[other_ids], seen.unsqueeze(1))
            beside, _ = words.keys(told_beside, words.nothing_read(len(seen)), shift=memory.key_shift)
            keys = torch.cat((keys, beside.movedim(2, 0).flatten(1, 3)), dim=1)
            strength_beside = gate.strength(seen).transpose(0, 1) * prose.times[:, None]  # (G, P, T)
            strength = torch.cat((strength, strength_beside.flatten(1)), dim=1)
        sought = [strength[g, lookup.sought(task)] for g, task in enumerate(lookup.tasks(len(strength)))]
        losses.append(
            lookup.lost(partial(_looks, queries, keys, sharp), strength, each=True)
            - _KEPT * torch.cat(sought).log().mean()
            + replacing_loss(keys, batch)
        )
        if parameters.ends is not None:
            losses.append(misplaced_ends(parameters.ends.gate.strength(noted).flatten(), lookup))
    return torch.stack(losses).sum() / len(memory.layers)


def misplaced_ends(strength: Tensor, lookup: Lookup) -> Tensor:
    """-log of what is asked for being kept as an end where it is one, and nowhere else, each with half of the weight.

    strength (n,): of all tokens of the documents, of which those that nobody asks for teach nothing.
    """
    found = strength[lookup.asked_for].clamp(_FLOOR, 1 - _FLOOR)  # (A,)
    ends = lookup.ends()
    parts = [-found[ends].log(), -(1 - found[~ends]).log()]
    return torch.stack([part.mean() for part in parts if len(part)]).mean()


def _looks(queries: Tensor, keys: Tensor, sharp: float, head: int, rows: Tensor) -> Tensor:
    """What a head gives all tokens when it reads for some of the wanted ones: (1, N', n)."""
    return kernel(queries[head, rows], keys[head], sharp).unsqueeze(0)
