"""Where the document says what was answered: page, section and a verbatim quote."""

from collections.abc import Mapping
from dataclasses import dataclass

from infini_cli.answering import words
from infini_cli.answering.question import Question
from infini_cli.answering.quotes import best_quote, score_sentences
from infini_cli.answering.scoring import rarity
from infini_cli.reading.memory import OpenMemory
from infini_cli.reading.passages import Passage


@dataclass(frozen=True, slots=True)
class Citation:
    """A place in a document.

    Attributes:
        document: as the user gave it.
        page: the place in the file, from 1.
        page_label: the printed page number, or None where there is none.
        section: the title of the innermost section, or None.
        line: of the quote's beginning, from 1; None for documents that have pages.
        quote: a verbatim piece of that page's text.
        score: how much of the question and the answer, by the rarity of their words, the quote speaks of, 0 to 1.
        paged: whether the document has pages; if not, `page` counts stretches of its text.
    """

    document: str
    page: int
    page_label: str | None
    section: str | None
    line: int | None
    quote: str
    score: float
    paged: bool = True


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation, and how strongly it bears out what was said, for comparison with others."""

    citation: Citation
    strength: float


def make_citation(
    memory: OpenMemory,
    passage: Passage,
    question: Question | None,
    weights: Mapping[str, float],
    answer: Mapping[str, float],
) -> Cited:
    """Cite the sentence of a passage that says most of a question and its answer.

    Args:
        memory: that holds the passage.
        passage: to be cited.
        question: what was asked, or None.
        weights: of the question's stems, the rarer the heavier.
        answer: of the answer's stems beyond the question's, likewise.
    """
    quote = best_quote(score_sentences(passage.text, question, weights, answer, section=passage.section))
    text = passage.text[quote.start : quote.end]
    spoken = {**answer, **weights}
    held = set(words.stem(words.mend(text)))
    total = sum(spoken.values())
    share = sum(weight for stem, weight in spoken.items() if stem in held) / total if total > 0 else 0.0
    citation = Citation(
        document=memory.document_path(passage.document_id),
        page=passage.page,
        page_label=passage.page_label,
        section=passage.section,
        line=None if passage.line is None else passage.line + passage.text.count("\n", 0, quote.start),
        quote=text,
        score=round(share, 3),
        paged=memory.has_pages(passage.document_id),
    )
    return Cited(citation, quote.score)


def weigh_answer(memory: OpenMemory, text: str, asked: Mapping[str, float]) -> dict[str, float]:
    """The stems of an answer's content words that the question has not, each with its rarity in the memory."""
    store = memory.passages
    total = store.count()
    kept = list(
        dict.fromkeys(word.lower() for word in words.tokens(words.mend(text)) if words.is_content(word))
    )
    stems = words.stem_all(kept)
    return {
        own[0]: rarity(store.term_document_frequency(word), total)
        for word, own in zip(kept, stems, strict=True)
        if len(own) == 1 and own[0] not in asked
    }
