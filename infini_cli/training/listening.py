"""Teaching read gates directly: open where an answer is to be read from the memory, shut beside.

The heads of a memory divide the work (`lookup.Lookup`), and most often several of them find the same. Answers alone
then teach the network to listen to the one that was loudest first and to silence the others, though all of them
together are right far more often than any of them. And a head that looks for where an answer begins goes on naming that
while another head already reads what follows. For generated documents it is known which heads an answer's token is to
be read by; that is all a gate has to learn, and it takes little: a linear function of what the layer sees.

Shapes: Q questions, L tokens of prompt and answer, N scored tokens with sources, H query heads, G key/value heads,
R = H / G, d width.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from infini_cli.nn.transformer import InfiniTransformer, Layer
from infini_cli.training.batches import IGNORED, Batch
from infini_cli.training.lookup import Lookup


def listening_loss(model: InfiniTransformer, batch: Batch, asked: dict[int, Tensor]) -> Tensor:
    """-log of read gates being open at what their heads are to read, and shut elsewhere; 0 without any source.

    Of questions that have sources all tokens count; what is to be read and what is not have half of the weight each.

    asked: what attention (Q, 1, L', d) looked at while the questions were asked, by memory layer.
    """
    if not len(batch.sources):
        return torch.zeros((), device=model.device)
    lookup = Lookup.of(batch)
    heads, config = model.config.n_kv_heads, model.config.memory
    assert config is not None
    length = asked[config.layers[0]].shape[2]
    question, place = lookup.wanted.unbind(dim=1)
    to_read = torch.zeros(len(batch.tokens), heads, length, device=model.device)  # (Q, G, L')
    to_read[question, :, place] = lookup.tasks(heads).T.float()
    to_read = to_read.repeat_interleave(model.config.n_heads // heads, dim=1)  # (Q, H, L')
    scored = batch.targets[:, :length] != IGNORED  # (Q, L')
    upto = scored.flip(1).cumsum(dim=1).flip(1) > 0  # no padding
    with_sources = torch.zeros(len(scored), 1, dtype=torch.bool, device=model.device)
    with_sources[question] = True
    counted = (upto & with_sources).unsqueeze(1).expand_as(to_read)
    losses = []
    for index in config.layers:
        memory = cast(Layer, model.layers[index]).memory
        assert memory is not None
        openness = memory.openness(asked[index])[:, 0].expand_as(to_read)  # (Q, H, L')
        missed = F.binary_cross_entropy_with_logits(openness, to_read, reduction="none")
        losses += [missed[counted & (to_read == wanted)].mean() for wanted in (0.0, 1.0)]
    return torch.stack(losses).mean()
