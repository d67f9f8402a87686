"""Training read gates before the stages: which tokens are to be read from the memory, and by which of its heads.

The heads of a memory divide the work (`lookup.Lookup`), and most often several of them find the same. Answers alone
then teach the network to listen to the one that was loudest first and to silence the others, though all of them
together are right far more often than any of them. And a head that looks for where an answer begins goes on naming that
while another head already reads what follows. For generated documents it is known which heads an answer's token is to
be read by; that is all a gate has to learn, and it takes little: a linear function of what the layer sees. Where
passages stand in the window, nothing is to be read.

So questions are asked once, with gates that know (`set_open`), and what the layers see of them is kept; gates learn
from it many times over. In the stages, `[losses] listening` goes on teaching the same.

Shapes: Q questions, L tokens of prompt and answer, N tokens of all questions, H query heads, G key/value
heads, d width.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.training.batches import IGNORED, Batch, collate
from infini_cli.training.lookup import Lookup, attention_inputs, inputs_below
from infini_cli.training.losses import asked_after, read_documents, score
from infini_cli.training.mixture import make_batches, parse_mixture
from infini_cli.training.optimizer import set_rate, up_and_down
from infini_cli.training.recipe import ReadGates
from infini_cli.training.replies import with_replies
from infini_cli.training.tasks.sample import Setting
from infini_cli.training.word_lookup import seeded

_TOKENS = 8_192  # that a step learns from
_WARMUP = 10  # steps
_FINAL = 0.05  # share of the rates at the last step
_DECAY = 0.01  # of the gates' weights
_DROPPED = 0.2  # of what the gates look at: there are few questions, and many passes over them


def learn_read_gates(
    model: InfiniTransformer,
    teacher: InfiniTransformer,
    setting: Setting,
    config: ReadGates,
    seed: str,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Train the read gates of a network whose write gates and word keys have learned, and which else is the base.

    teacher: the base model, whose replies are not to be read from any memory.
    on_step: called with the number of steps done, first those of asking and then those of learning, and the loss, a
    mean over layers, which is 0 while questions are being asked.
    """
    memory = model.config.memory
    assert memory is not None
    setting = replace(setting, segment_length=memory.segment_length, split="train")
    batches = make_batches(parse_mixture(config.mixture), setting, (1,), config.batch_documents, seed)
    looked_at = {layer: memory.hearing_layer(layer) for layer in memory.layers}
    seen: dict[int, list[Tensor]] = {layer: [] for layer in looked_at.values()}
    opened: list[Tensor] = []
    for number in range(config.batches):
        samples = with_replies(next(batches), teacher, setting.tokenizer)
        asked, to_read = ask(model, collate(samples, model.device))
        opened.append(to_read)
        for layer, hidden in asked.items():
            seen[layer].append(hidden)
        on_step(number + 1, 0.0)
    inputs = {layer: torch.cat(each).float() for layer, each in seen.items()}  # (N, d) by layer
    to_read = torch.cat(opened)  # (N, H)
    gates = [
        parameter
        for parameters in model.memories()
        for name, parameter in parameters.named_parameters()
        if name.startswith(("beta", "read."))
    ]
    for parameter in gates:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(gates, lr=config.lr, betas=(0.9, 0.95), weight_decay=_DECAY)
    for group in optimizer.param_groups:
        group["full_lr"] = config.lr
    drawn = seeded(f"{seed}/tokens")
    for step in range(config.steps):
        set_rate(optimizer, up_and_down(step, config.steps, _WARMUP, _FINAL))
        rows = torch.randint(len(to_read), (_TOKENS,), generator=drawn).to(model.device)
        losses = [
            misheard(
                parameters.openness(F.dropout(inputs[looked_at[layer]][rows], _DROPPED)).T, to_read[rows]
            )
            for layer, parameters in zip(memory.layers, model.memories(), strict=True)
        ]
        loss = torch.stack(losses).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        on_step(config.batches + step + 1, float(loss.detach()))


@torch.no_grad()
def ask(model: InfiniTransformer, batch: Batch) -> tuple[dict[int, Tensor], Tensor]:
    """What read gates see of a batch's questions (N, d), by layer, in bfloat16, and what heads are to read (N, H)."""
    memory = model.config.memory
    assert memory is not None
    to_read, counted = what_to_read(model, batch)
    layers = sorted({memory.hearing_layer(layer) for layer in memory.layers})
    if memory.read_layer is not None:
        # what gates below all memories see depends on nothing that is read
        inputs = inputs_below(model, batch.tokens, layers, batch.lengths)
    else:
        state = asked_after(read_documents(model, batch), batch)
        with set_open(model, to_read), attention_inputs(model, layers) as seen:
            score(model, batch, state, together=True)
        inputs = {layer: hidden[:, 0].bfloat16() for layer, hidden in seen.items()}
    length = next(iter(inputs.values())).shape[1]
    counted = counted[:, :length]
    return (
        {layer: hidden[counted] for layer, hidden in inputs.items()},
        to_read[..., :length].transpose(1, 2)[counted],
    )


@contextmanager
def set_open(model: InfiniTransformer, shares: Tensor) -> Iterator[None]:
    """While the block runs, questions of one segment read all memories by these shares (Q, H, L), not by the gates'."""

    def given(hidden: Tensor, begun: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        return shares.unsqueeze(1)[..., : hidden.shape[-2]], None

    memories = model.memories()
    for parameters in memories:
        parameters.share = given  # type: ignore[method-assign]
    try:
        yield
    finally:
        for parameters in memories:
            del parameters.share


def listening_loss(model: InfiniTransformer, batch: Batch, asked: dict[int, Tensor]) -> Tensor:
    """How far the gates of all layers are from reading what is to be read (`misheard`).

    Questions without any source, such as those about passages in the window, are to read nothing; a gate that stands
    wide open learns that from nothing else.

    asked: what read gates (Q, 1, L', d) looked at while the questions were asked, by layer; of questions without
    sources, some of it.
    """
    memory = model.config.memory
    assert memory is not None
    gates = [
        (asked[memory.hearing_layer(layer)], parameters)
        for layer, parameters in zip(memory.layers, model.memories(), strict=True)
    ]
    if not len(batch.sources):
        # the most open token of each question and head
        opened = [parameters.openness(hidden).amax(dim=-1) for hidden, parameters in gates]
        return torch.stack([F.softplus(each).mean() for each in opened]).mean()
    to_read, counted = what_to_read(model, batch)
    losses = []
    for hidden, parameters in gates:
        length = hidden.shape[2]
        mask = counted[:, :length]
        wanted = to_read[..., :length].transpose(1, 2)[mask]  # (N, H)
        losses.append(misheard(parameters.openness(hidden[:, 0][mask]).T, wanted))
    return torch.stack(losses).mean()


def misheard(openness: Tensor, to_read: Tensor) -> Tensor:
    """-log of gates being open at what their heads are to read, and shut elsewhere, each with half of the weight.

    openness (N, H): before the sigmoid, or (1, H) for all tokens alike; to_read (N, H): 1 or 0.
    """
    missed = F.binary_cross_entropy_with_logits(openness.expand_as(to_read), to_read, reduction="none")
    return torch.stack([missed[to_read == wanted].mean() for wanted in (0.0, 1.0)]).mean()


def what_to_read(model: InfiniTransformer, batch: Batch) -> tuple[Tensor, Tensor]:
    """What each head is to read (Q, H, L), 1 or 0, and which tokens (Q, L) tell a gate something, bool.

    Those are all tokens of questions that have sources, but for padding; where none has any, as where passages stand in
    the window, those of all questions, which are to read nothing.
    """
    heads = model.config.n_kv_heads
    to_read = torch.zeros(len(batch.tokens), heads, batch.tokens.shape[1], device=model.device)  # (Q, G, L)
    counts = torch.full_like(batch.tokens[:, :1], not len(batch.sources), dtype=torch.bool)  # (Q, 1)
    if len(batch.sources):
        lookup = Lookup.of(batch)
        question, place = lookup.wanted.unbind(dim=1)
        to_read[question, :, place] = lookup.tasks(heads).T.float()
        counts[question] = True
    scored = batch.targets != IGNORED
    left = scored.flip(1).cumsum(dim=1).flip(1)  # scored tokens from here on
    return to_read.repeat_interleave(model.config.n_heads // heads, dim=1), (left > 0) & counts
