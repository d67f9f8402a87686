"""Short text: whether a model is still what its base was where no memory is needed.

Perplexity of unseen books within one segment, and plain requests answered by both, side by side.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
import torch.nn.functional as F

from infini_cli.evals.asking import decode
from infini_cli.evals.perplexity import segment_losses
from infini_cli.evals.results import Entry, Ledger, ResultsFile
from infini_cli.evals.subject import Subject
from infini_cli.nn.memory import empty_state
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.training.composition import take_prose
from infini_cli.training.corpus import Corpus

REQUESTS_FILE = Path(__file__).with_name("requests.txt")
LONGEST_REPLY = 96  # tokens
_GRAM = 4  # words that count as a repetition when they come again


def load_requests() -> list[str]:
    """The requests, one a line."""
    return REQUESTS_FILE.read_text(encoding="utf-8").splitlines()


def run_short_text(
    subject: Subject,
    corpus: Corpus,
    file: ResultsFile,
    *,
    samples: int,
    requests: Sequence[str],
    seed: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Entry:
    """Compare a model with its base.

    Args:
        samples: stretches of unseen books, one segment each.
        requests: what both are asked to do.
        seed: which stretches.
        on_progress: called with stretches and requests done, and all of them.

    Raises:
        UsageError: the file holds results of another model, or with other options.
    """
    ledger = Ledger(file, subject, seed)
    have = {(record["kind"], record["name"]) for record in ledger.records}
    stretches = [
        f"stretch {number}" for number in range(samples) if ("text", f"stretch {number}") not in have
    ]
    missing = [request for request in requests if ("request", request) not in have]
    done, total = 0, len(stretches) + len(missing)
    on_progress(done, total)
    for name in stretches:
        ledger.add([_stretch(subject, corpus, name, seed)], subject.segment_length)
        done += 1
        on_progress(done, total)
    ledger.save(_summary(ledger.records))
    for request in missing:
        ledger.add([_request(subject, request)], 0)
        ledger.save(_summary(ledger.records))
        done += 1
        on_progress(done, total)
    return ledger.entry(_summary(ledger.records))


@torch.inference_mode()
def _stretch(subject: Subject, corpus: Corpus, name: str, seed: int) -> Entry:
    """The losses of both on one segment of a book."""
    books = corpus.books_of("heldout")
    prose = take_prose(Random(f"{seed}/short-text/{name}"), books, "flowing", subject.segment_length)
    loss = {}
    for who, model in _both(subject).items():
        tokens = torch.from_numpy(prose.tokens).view(1, 1, -1).to(model.device)
        hidden, _ = model.hidden(tokens, empty_state(model.config, 1, model.device))
        loss[who] = float(segment_losses(model, hidden, tokens).double().sum())
    return {
        "kind": "text",
        "name": name,
        "books": list(prose.books),
        "tokens": len(prose.tokens) - 1,
        "loss": loss,
    }


@torch.inference_mode()
def _request(subject: Subject, request: str) -> Entry:
    """What both reply to a request, and how the replies look from outside."""
    tokenizer = subject.tokenizer
    prompt = tokenizer.encode_chat([{"role": "user", "content": request}])
    replies, measures = {}, {}
    for who, model in _both(subject).items():
        state = empty_state(model.config, 1, model.device)
        written = decode(model, [prompt], state, LONGEST_REPLY, tokenizer.eos_ids)[0]
        replies[who] = tokenizer.decode(written)
        measures[who] = {
            "tokens": len(written),
            "repetition": round(repetition(replies[who]), 4),
            "log_probability": _mean_log_probability(subject.base, prompt, written),
        }
    return {"kind": "request", "name": request, "replies": replies, "measures": measures}


def _both(subject: Subject) -> dict[str, InfiniTransformer]:
    return {"model": subject.model, "base": subject.base}


def repetition(text: str) -> float:
    """The share of runs of four words that came before in the same text."""
    words = text.split()
    runs = [tuple(words[start : start + _GRAM]) for start in range(len(words) - _GRAM + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def _mean_log_probability(
    base: InfiniTransformer, prompt: Sequence[int], reply: Sequence[int]
) -> float | None:
    """Of a reply's tokens, as the base model sees them, in nats; None for an empty reply."""
    if not reply:
        return None
    tokens = torch.tensor([[[*prompt, *reply]]], device=base.device)
    hidden, _ = base.hidden(tokens, ())
    logits = base.logits(hidden[0, 0, len(prompt) - 1 : -1])
    return round(-float(F.cross_entropy(logits, tokens[0, 0, len(prompt) :])), 4)


def _summary(records: Sequence[Mapping[str, Any]]) -> Entry:
    texts = [record for record in records if record["kind"] == "text"]
    requests = [record for record in records if record["kind"] == "request"]
    tokens = sum(record["tokens"] for record in texts)
    summary: Entry = {"texts": len(texts), "tokens": tokens, "requests": len(requests)}
    if texts:
        means = {who: sum(record["loss"][who] for record in texts) / tokens for who in ("model", "base")}
        summary["perplexity"] = {who: round(math.exp(mean), 4) for who, mean in means.items()}
        summary["difference_percent"] = round(100 * (math.exp(means["model"] - means["base"]) - 1), 2)
    if requests:
        summary["replies"] = {
            who: {
                measure: _mean([record["measures"][who][measure] for record in requests])
                for measure in ("tokens", "repetition", "log_probability")
            }
            for who in ("model", "base")
        }
    return summary


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None
