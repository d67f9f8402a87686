"""Training write gates before the stages, and word keys with them: what is worth keeping, and how it is told apart.

While a memory is empty nothing is read from it, so what the layers make of a document's first segment depends on
nothing that is trained. Documents of one segment are therefore read once, what the write gates see of them is kept, and
they learn from it many times over, which costs next to nothing.

Word keys have learned until then to tell the answers of a batch apart (word_lookup.py). In a memory there is also all
the rest that gates have kept, and there are far more tokens of that. So keys and gates learn as one: of all that stands
in all documents of a batch, by the strength with which it is written, a read is to find what it is asked for
(`Lookup.lost`). Every second time the keys see words swapped for others, and the gates the document as it was.

As with word keys, reads are those of the exact kernel that the features are on average.

Shapes: B documents, T tokens in a segment, n = B * T, N scored tokens, G heads, D size of a key, d width.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from infini_cli.nn.memory import empty_state
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.nn.write_gate import WriteGate
from infini_cli.training.batches import Batch, collate
from infini_cli.training.lookup import Lookup, attention_inputs
from infini_cli.training.mixture import make_sample, parse_mixture
from infini_cli.training.optimizer import set_rate, up_and_down
from infini_cli.training.recipe import WriteGates
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
_KEPT = 0.1  # weight of what is asked for being written with full strength
_WARMUP = 50  # steps
_FINAL = 0.05  # share of the rates at the last step
_DECAY = 0.01  # of the gates' weights
_DROPPED = 0.1  # of what the gates look at: there are few documents, and many passes over them
_SWAPPED = 2  # every so many steps words are swapped for others


@dataclass(frozen=True, slots=True)
class Read:
    """A batch whose documents, of one segment each, were read."""

    batch: Batch
    lookup: Lookup
    # what write gates look at, (B, T, d) by layer; in bfloat16, for there are many
    noted: dict[int, Tensor]


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
    reads = []
    for number in range(config.batches):
        rows = range(config.batch_documents)
        batch = collate(
            [make_sample(mixture, setting, f"{seed}/{number}/{row}") for row in rows], model.device
        )
        if len(batch.sources):
            reads.append(read_once(model, batch))
        on_step(number + 1, 0.0)
    learn(model, setting, reads, config, seed, lambda step, loss: on_step(config.batches + step, loss))


@torch.no_grad()
def read_once(model: InfiniTransformer, batch: Batch) -> Read:
    """What write gates see while the documents of a batch are read."""
    memory = model.config.memory
    assert memory is not None
    layers = sorted({memory.gate_layer(layer) for layer in memory.layers})
    with attention_inputs(model, layers) as seen:
        model.read(batch.documents, empty_state(model.config, len(batch.documents), model.device))
    return Read(batch, Lookup.of(batch), {layer: seen[layer][:, 0].bfloat16() for layer in layers})


def learn(
    model: InfiniTransformer,
    setting: Setting,
    reads: list[Read],
    config: WriteGates,
    seed: str,
    on_step: Callable[[int, float], None],
) -> None:
    """Train gates and word keys on batches that were read, one drawn for each step."""
    counts = token_counts(setting, model.config.vocab_size).to(model.device)
    whitening = Whitening(model.embed.weight.detach().float(), counts)
    table = whitening.table()  # (V, d)
    gates = [parameters.write for parameters in model.memories()]
    for parameters in model.memories():
        whitening.take_out_of(parameters)
    for gate in gates:
        nn.init.constant_(cast(WriteGate, gate).bias, _BIAS)
    of_gates = [parameter for gate in gates for parameter in cast(WriteGate, gate).parameters()]
    groups = [
        {"params": of_gates, "lr": config.lr, "full_lr": config.lr, "weight_decay": _DECAY},
        *rates(model, config.words_lr),
    ]
    trained = [parameter for group in groups for parameter in group["params"]]
    for parameter in trained:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0)
    order, swaps = Random(f"{seed}/order"), seeded(f"{seed}/swaps")
    for step in range(config.steps):
        set_rate(optimizer, up_and_down(step, config.steps, _WARMUP, _FINAL))
        swapped = swap_words(counts, config.known_words, swaps) if step % _SWAPPED else None
        loss = missed(model, order.choice(reads), table, swapped)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        on_step(step + 1, float(loss.detach()))
    for parameters in model.memories():
        whitening.fold_into(parameters)
    freeze(model)


def missed(model: InfiniTransformer, read: Read, table: Tensor, swapped: Tensor | None) -> Tensor:
    """What reads miss among all that is written of a batch, and how far what is asked for is from full strength.

    table (V, d): the embeddings that word keys are made of meanwhile.
    """
    memory, sharp = model.config.memory, sharpness(model.config)
    assert memory is not None
    batch, lookup = read.batch, read.lookup
    told, asking = asked_of(batch, table, swapped)
    losses = []
    for layer, parameters in zip(memory.layers, model.memories(), strict=True):
        keys, queries = keys_and_queries(word_keys_of(parameters), told, asking, lookup, memory.key_shift)
        gate = cast(WriteGate, parameters.write)
        noted = F.dropout(read.noted[memory.gate_layer(layer)].float(), _DROPPED)
        strength = gate.strength(noted).transpose(0, 1).flatten(1)  # (G, n)
        sought = [strength[g, lookup.sought(task)] for g, task in enumerate(lookup.tasks(len(strength)))]
        losses.append(
            lookup.lost(partial(_looks, queries, keys, sharp), strength, each=True)
            - _KEPT * torch.cat(sought).log().mean()
            + replacing_loss(keys, batch)
        )
    return torch.stack(losses).mean()


def _looks(queries: Tensor, keys: Tensor, sharp: float, head: int, rows: Tensor) -> Tensor:
    """What a head gives all tokens when it reads for some of the wanted ones: (1, N', n)."""
    return kernel(queries[head, rows], keys[head], sharp).unsqueeze(0)
