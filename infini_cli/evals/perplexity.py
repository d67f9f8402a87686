"""Perplexity of unseen books beyond the first window: whether the memory helps to predict, and beside it a cache.

All ways of predicting score the same tokens: those of every segment but the document's first, without each segment's
first token, which has nothing before it in some of them.

- memory_on: the model, with the memory of all segments before.
- memory_off: the same weights, with an empty memory.
- plain_window: the base model, with the segment alone.
- wide_window: the base model, with the segment before it in the window too: twice the window, and twice the work.
- xl_cache: the base model, with the cached keys and values of the segment before, which had in their turn seen those of
  the one before that (see transformer_xl). Models that were not trained so lose by it: the first token of a window, on
  which much of the attention rests, is missing from the third segment on (arXiv 2309.17453).

Shapes: B documents, S segments, T tokens, d width.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from infini_cli.evals import transformer_xl
from infini_cli.evals.haystack import TOKENS_AT_ONCE, Documents
from infini_cli.evals.results import Entry, Ledger, ResultsFile
from infini_cli.evals.subject import Subject
from infini_cli.nn.memory import empty_state
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.training.composition import take_prose
from infini_cli.training.corpus import Corpus

WAYS = ("memory_on", "memory_off", "plain_window", "wide_window", "xl_cache")
EARLY_TOKENS = 64  # at the beginning of a segment, where the window has little to offer
_LOGITS_AT_ONCE = 512  # tokens

OnDocuments = Callable[[int, int], None]  # tokens of documents done, and of all


@dataclass(frozen=True, slots=True)
class Losses:
    """Summed negative log-likelihoods of one document in one way, in nats."""

    whole: float
    early: float  # of the first tokens of segments


def run_perplexity(
    subject: Subject,
    corpus: Corpus,
    file: ResultsFile,
    *,
    lengths: Sequence[int],
    samples: int,
    seed: int = 1,
    batch: int = 4,
    on_progress: OnDocuments = lambda done, total: None,
) -> Entry:
    """Measure perplexity on stretches of unseen books.

    Args:
        lengths: of the documents, in tokens: whole segments, more than one.
        samples: documents of each length.
        seed: which stretches.
        batch: documents read together.
        on_progress: called as documents are done.

    Raises:
        UsageError: the file holds results of another model, or with other options.
    """
    ledger = Ledger(file, subject, seed)
    have = {(record["length"], record["document"]) for record in ledger.records}
    todo = [
        (length, [document for document in range(samples) if (length, document) not in have])
        for length in lengths
        if length > subject.segment_length
    ]
    total, done = sum(length * len(missing) for length, missing in todo), 0
    on_progress(0, total)
    for length, missing in todo:
        for start in range(0, len(missing), batch):
            chosen = missing[start : start + batch]
            documents, books = _stretches(
                subject, corpus, length, [f"{seed}/perplexity/{length}/{each}" for each in chosen]
            )
            losses = {way: _LOSSES[way](subject, documents) for way in WAYS}
            scored = (documents.shape[1] - 1) * (subject.segment_length - 1)
            early = (documents.shape[1] - 1) * min(EARLY_TOKENS, subject.segment_length - 1)
            ledger.add(
                (
                    {
                        "length": length,
                        "document": document,
                        "books": books[row],
                        "tokens": scored,
                        "early_tokens": early,
                        "loss": {way: losses[way][row].whole for way in WAYS},
                        "early_loss": {way: losses[way][row].early for way in WAYS},
                    }
                    for row, document in enumerate(chosen)
                ),
                documents.size,
            )
            ledger.save(_summary(ledger.records))
            done += length * len(chosen)
            on_progress(done, total)
    return ledger.entry(_summary(ledger.records))


def _stretches(
    subject: Subject, corpus: Corpus, length: int, seeds: Sequence[str]
) -> tuple[Documents, list[list[str]]]:
    """Documents (B, S, T) of whole segments, and the books they are from."""
    segments = length // subject.segment_length
    books = corpus.books_of("heldout")
    taken = [take_prose(Random(seed), books, "flowing", segments * subject.segment_length) for seed in seeds]
    documents = np.stack([each.tokens.reshape(segments, subject.segment_length) for each in taken])
    return documents, [list(each.books) for each in taken]


def _chunks(model: InfiniTransformer, documents: Documents) -> Iterator[Tensor]:
    """The documents (B, s, T) in order, a bounded number of tokens at once, on the model's device."""
    rows, segments, length = documents.shape
    at_once = max(1, TOKENS_AT_ONCE[model.device.type] // (rows * length))
    for start in range(0, segments, at_once):
        yield torch.from_numpy(documents[:, start : start + at_once]).to(model.device)


@torch.inference_mode()
def _memory_on(subject: Subject, documents: Documents) -> list[Losses]:
    model, parts = subject.model, []
    state = empty_state(model.config, len(documents), model.device)
    for tokens in _chunks(model, documents):
        hidden, state = model.hidden(tokens, state)
        parts.append(segment_losses(model, hidden, tokens))
    return _per_document(parts)


@torch.inference_mode()
def _each_alone(model: InfiniTransformer, documents: Documents) -> list[Losses]:
    """Every segment on its own, with an empty memory if the model has one."""
    parts = []
    for tokens in _chunks(model, documents):
        rows, segments, length = tokens.shape
        alone = tokens.reshape(rows * segments, 1, length)
        hidden, _ = model.hidden(alone, empty_state(model.config, rows * segments, model.device))
        parts.append(segment_losses(model, hidden.view(rows, segments, length, -1), tokens))
    return _per_document(parts)


@torch.inference_mode()
def _wide_window(subject: Subject, documents: Documents) -> list[Losses]:
    """The first segment counts for nothing, so that it does not matter what stands before it."""
    base, parts = subject.base, []
    length = documents.shape[2]
    pairs = np.concatenate((np.roll(documents, 1, axis=1), documents), axis=2)  # (B, S, 2T)
    for tokens in _chunks(base, pairs):
        hidden, _ = base.hidden(tokens, ())
        parts.append(segment_losses(base, hidden[..., length:, :], tokens[..., length:]))
    return _per_document(parts)


@torch.inference_mode()
def _xl_cache(subject: Subject, documents: Documents) -> list[Losses]:
    base, parts = subject.base, []
    cache: transformer_xl.Cache | None = None
    for tokens in _chunks(base, documents):
        for segment in tokens.unbind(dim=1):
            hidden, cache = transformer_xl.step(base, segment, cache)
            parts.append(segment_losses(base, hidden.unsqueeze(1), segment.unsqueeze(1)))
    return _per_document(parts)


_LOSSES: dict[str, Callable[[Subject, Documents], list[Losses]]] = {
    "memory_on": _memory_on,
    "memory_off": lambda subject, documents: _each_alone(subject.model, documents),
    "plain_window": lambda subject, documents: _each_alone(subject.base, documents),
    "wide_window": _wide_window,
    "xl_cache": _xl_cache,
}


def segment_losses(model: InfiniTransformer, hidden: Tensor, tokens: Tensor) -> Tensor:
    """Losses (B, S, T-1), in nats, of all but each segment's first token, from hidden states (B, S, T, d)."""
    targets = tokens[..., 1:]
    flat, wanted = hidden[..., :-1, :].flatten(0, -2), targets.flatten()
    losses = [
        F.cross_entropy(model.logits(part), target, reduction="none")
        for part, target in zip(flat.split(_LOGITS_AT_ONCE), wanted.split(_LOGITS_AT_ONCE), strict=True)
    ]
    return torch.cat(losses).view(targets.shape)


def _per_document(parts: Sequence[Tensor]) -> list[Losses]:
    """Sums over every segment but the first of each document."""
    losses = torch.cat(list(parts), dim=1)[:, 1:].double()
    whole, early = losses.sum(dim=(1, 2)), losses[..., :EARLY_TOKENS].sum(dim=(1, 2))
    return [Losses(float(a), float(b)) for a, b in zip(whole, early, strict=True)]


def _summary(records: Sequence[Mapping[str, Any]]) -> Entry:
    totals = []
    for length in sorted({record["length"] for record in records}):
        same = [record for record in records if record["length"] == length]
        totals.append(
            {
                "length": length,
                "n": len(same),
                "tokens": sum(record["tokens"] for record in same),
                "perplexity": {way: _perplexity(same, "loss", "tokens", way) for way in WAYS},
                "early_perplexity": {
                    way: _perplexity(same, "early_loss", "early_tokens", way) for way in WAYS
                },
                # documents that the memory makes likelier than the other way does
                "memory_better_than": {
                    way: sum(record["loss"]["memory_on"] < record["loss"][way] for record in same)
                    for way in WAYS[1:]
                },
            }
        )
    return {"totals": totals}


def _perplexity(records: Sequence[Mapping[str, Any]], losses: str, tokens: str, way: str) -> float:
    mean = sum(record[losses][way] for record in records) / sum(record[tokens] for record in records)
    return round(math.exp(mean), 4)
