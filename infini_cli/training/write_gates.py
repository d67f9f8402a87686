"""Training write gates before the stages: what is worth keeping, learned from what the base model makes of documents.

While a memory is empty nothing is read from it, so what the layers make of a document's first segment depends on
nothing that is trained. Documents of one segment are therefore read once, what the memory layers get of them is kept,
and the gates learn from it many times over, which costs next to nothing: among all that stands in all documents of a
batch, which is as much as a long text, reads are to find what is asked for and little else (`Lookup.lost`).

As with word keys (word_lookup.py), reads are those of the exact kernel that the features are on average.

Shapes: B documents, T tokens in a segment, n = B * T, N scored tokens, G heads, D size of a key, d width.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from infini_cli.nn.memory import empty_state
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.nn.write_gate import WriteGate
from infini_cli.training.batches import Batch, collate
from infini_cli.training.lookup import Lookup, at, attention_inputs
from infini_cli.training.mixture import make_sample, parse_mixture
from infini_cli.training.optimizer import set_rate, up_and_down
from infini_cli.training.recipe import WriteGates
from infini_cli.training.tasks.sample import Setting
from infini_cli.training.word_lookup import kernel

_BIAS = -2.0  # of every gate to begin with: most of a text is not worth keeping
_KEPT = 0.1  # weight of what is asked for being written with full strength
_WARMUP = 50  # steps
_FINAL = 0.05  # share of the rate at the last step
_DECAY = 0.01  # of weights
_DROPPED = 0.1  # of what the gates look at: there are few documents, and many passes over them


@dataclass(frozen=True, slots=True)
class _Read:
    """One memory layer's part in reading a batch; in bfloat16, for there are many."""

    hidden: Tensor  # (B, T, d) what the gates look at
    keys: Tensor  # (G, n, D)
    queries: Tensor  # (G, N, D)


def learn_write_gates(
    model: InfiniTransformer,
    setting: Setting,
    config: WriteGates,
    seed: str,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Train the write gates of every memory layer of a network whose word keys are trained and which else is the base.

    on_step: called with the number of steps done, first those of reading and then those of learning, and the loss, a
    mean over layers, which is 0 while documents are being read.
    """
    memory = model.config.memory
    assert memory is not None
    mixture = parse_mixture(config.mixture)
    setting = replace(setting, segment_length=memory.segment_length, n_segments=1, split="train")
    reads: list[tuple[Lookup, list[_Read]]] = []
    for number in range(config.batches):
        rows = range(config.batch_documents)
        batch = collate(
            [make_sample(mixture, setting, f"{seed}/{number}/{row}") for row in rows], model.device
        )
        if len(batch.sources):
            lookup = Lookup.of(batch)
            reads.append((lookup, _read(model, batch, lookup)))
        on_step(number + 1, 0.0)
    _learn(model, reads, config, f"{seed}/order", lambda step, loss: on_step(config.batches + step, loss))


def _learn(
    model: InfiniTransformer,
    reads: list[tuple[Lookup, list[_Read]]],
    config: WriteGates,
    seed: str,
    on_step: Callable[[int, float], None],
) -> None:
    """Train the gates on batches that were read, one drawn for each step."""
    gates = [parameters.write for parameters in model.memories() if parameters.write is not None]
    for gate in gates:
        nn.init.constant_(gate.bias, _BIAS)
    trained = [parameter for gate in gates for parameter in gate.parameters()]
    optimizer = torch.optim.AdamW(
        [{"params": trained, "lr": config.lr, "full_lr": config.lr}], betas=(0.9, 0.95), weight_decay=_DECAY
    )
    random = Random(seed)
    for step in range(config.steps):
        set_rate(optimizer, up_and_down(step, config.steps, _WARMUP, _FINAL))
        lookup, layers = random.choice(reads)
        losses = [_missed(gate, lookup, read) for gate, read in zip(gates, layers, strict=True)]
        loss = torch.stack(losses).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        on_step(step + 1, float(loss.detach()))


@torch.no_grad()
def _read(model: InfiniTransformer, batch: Batch, lookup: Lookup) -> list[_Read]:
    """Each memory layer's part in reading the documents of a batch."""
    memory = model.config.memory
    assert memory is not None
    documents, questions = batch.documents, batch.tokens.unsqueeze(1)  # (B, 1, T), (Q, 1, L)
    told, asking = model.words(documents), model.words(questions)
    with attention_inputs(model, memory.layers) as seen:
        model.read(documents, empty_state(model.config, len(documents), model.device))
    reads = []
    for index, parameters in zip(memory.layers, model.memories(), strict=True):
        words = parameters.words
        assert words is not None
        keys, _ = words.keys(
            told, words.nothing_read(len(documents)), shift=memory.key_shift
        )  # (B, 1, G, T, D)
        reads.append(
            _Read(
                hidden=seen[index][:, 0].bfloat16(),
                keys=keys.movedim(2, 0).flatten(1, 3).bfloat16(),
                queries=at(words.queries(asking)[0], lookup.wanted).bfloat16(),
            )
        )
    return reads


def _missed(gate: WriteGate, lookup: Lookup, read: _Read) -> Tensor:
    """What the gates of one layer lose of what reads look for, and how far they are from writing that in full."""
    strength = gate.strength(F.dropout(read.hidden, _DROPPED)).transpose(0, 1).flatten(1)  # (G, n)
    sought = [strength[g, lookup.sought(task)] for g, task in enumerate(lookup.tasks(len(strength)))]
    return lookup.lost(partial(_looks, read), strength, each=True) - _KEPT * torch.cat(sought).log().mean()


def _looks(read: _Read, head: int, rows: Tensor) -> Tensor:
    """What a head gives all tokens when it reads for some of the wanted ones: (1, N', n)."""
    return kernel(read.queries[head, rows].float(), read.keys[head].float()).unsqueeze(0)
