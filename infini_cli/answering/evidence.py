"""The passages of a memory that bear on a question: found by the index, scored anew, without doubles."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from infini_cli.answering import words
from infini_cli.answering.listings import listing_share
from infini_cli.answering.question import Question, parse_question
from infini_cli.answering.scoring import inverse_frequencies, score_passages
from infini_cli.reading.passages import Passage, PassageStore

CANDIDATES = 60  # passages taken from the index before they are scored anew
# Of 288 questions people asked about 24 encyclopaedia articles, this refuses 1 in 100 where the article is in the
# document and 2 in 3 where it is not; what is let through is still held against the evidence after the answer.
BEARS_FROM = 0.4
_COMMON = 0.5  # a word in more than this share of the passages is not searched for beside rarer ones
_DOUBLE = 0.8  # share of its words that a better passage has, from which a passage adds nothing
_SPLITTABLE = range(7, 41)  # letters of a word that is nowhere, but may have been cut by a line end
_OPENING = 500  # passages looked at for what a document is about
_PROSE_TOKENS = 40


@dataclass(frozen=True, slots=True)
class Finding:
    """A passage found for a question."""

    passage: Passage
    score: float  # higher is better; comparable within one question
    coverage: float  # share of the question, by the rarity of its words, that the passage speaks of


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a memory's passages have to say on a question."""

    question: Question
    findings: tuple[Finding, ...]  # best first
    weights: Mapping[str, float] = field(default_factory=dict)  # of the question's stems
    bearing: float = 0.0  # the best coverage of all passages looked at, 0 to 1

    @property
    def bears(self) -> bool:
        """Whether any passage speaks of enough of the question to answer it from."""
        return bool(self.findings) and self.bearing >= BEARS_FROM


def find_evidence(
    store: PassageStore, text: str, *, limit: int, first: int = 1, last: int | None = None, earlier: str = ""
) -> Evidence:
    """The best passages for a question.

    Args:
        store: the passages of the memory.
        text: the question, as the user wrote it.
        limit: at most so many passages.
        first, last: only passages numbered so, both included.
        earlier: what was said before and the question leans on.
    """
    question = parse_question(text, earlier)
    total = store.count()
    if question.general:
        return _opening(store, question, limit, first, last if last is not None else total)
    if not question.terms:
        return Evidence(question, ())
    frequencies = [store.term_document_frequency(term.text) for term in question.terms]
    weights = inverse_frequencies(question, frequencies, total)
    match = _expression(question, frequencies, total)
    candidates = [passage for passage, _ in store.search(match, CANDIDATES, first=first, last=last)]
    scored = score_passages(question, weights, [p.text for p in candidates], [p.section for p in candidates])
    findings = sorted(
        (
            Finding(passage, score.score, score.coverage)
            for passage, score in zip(candidates, scored, strict=True)
        ),
        key=lambda finding: (-finding.score, finding.passage.id),
    )
    return Evidence(
        question=question,
        findings=tuple(_without_doubles(findings, limit)),
        weights={term.stem: weight for term, weight in zip(question.terms, weights, strict=True)},
        bearing=max((finding.coverage for finding in findings[:10]), default=0.0),
    )


def _expression(question: Question, frequencies: Sequence[int], total: int) -> str:
    """The search for candidates: rare words, firm pairs, and words that a line end may have cut in two."""
    rare = [
        term
        for term, frequency in zip(question.terms, frequencies, strict=True)
        if 0 < frequency <= _COMMON * total
    ]
    clauses = [f'"{term.text}"' for term in rare or question.terms]
    clauses += [
        f'"{question.terms[a].text} {question.terms[b].text}"'
        for a, b, strength in question.links
        if strength > 1
    ]
    for term, frequency in zip(question.terms, frequencies, strict=True):
        if frequency == 0 and len(term.text) in _SPLITTABLE:
            clauses += [f'"{term.text[:i]} {term.text[i:]}"' for i in range(2, len(term.text) - 2)]
    return " OR ".join(dict.fromkeys(clauses))


def _without_doubles(findings: Sequence[Finding], limit: int) -> list[Finding]:
    """The first findings that do not repeat a better one."""
    kept: list[Finding] = []
    stems: list[set[str]] = []
    for finding in findings:
        own = set(words.stem(finding.passage.text))
        if any(len(own & other) >= _DOUBLE * len(own) for other in stems):
            continue
        kept.append(finding)
        stems.append(own)
        if len(kept) == limit:
            break
    return kept


def _opening(store: PassageStore, question: Question, limit: int, first: int, last: int) -> Evidence:
    """For "What is this document about?": the first prose, which says what a document is about."""
    passages = store.passages_between(first, min(last, first + _OPENING - 1))
    prose = (p for p in passages if p.tokens >= _PROSE_TOKENS and not listing_share(p.text, p.section))
    found = enumerate(itertools.islice(prose, limit), start=1)
    findings = tuple(Finding(passage, 1.0 / number, 1.0) for number, passage in found)
    return Evidence(question, findings, {}, 1.0 if findings else 0.0)
