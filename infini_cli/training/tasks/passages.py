"""Questions over real passages, answered from memory or from passages in the window as `ask` shows them."""

from dataclasses import dataclass, replace
from random import Random

from infini_cli.answering.prompts import REFUSAL, evidence_messages
from infini_cli.training.books import sentences
from infini_cli.training.composition import Insertion, compose
from infini_cli.training.questions import PassageQuestion, PassageSet
from infini_cli.training.tasks.asking import ask
from infini_cli.training.tasks.sample import Sample, Setting
from infini_cli.training.tasks.text import REPLY_TOKENS

LARGEST_SHARE = 0.7  # of the document that passages may take
MISSED_SHARE = 0.1  # of the answerable questions: search has not brought the passage that answers
_PATIENCE = 200


def _fitting_squad(rng: Random, setting: Setting) -> tuple[PassageSet, int]:
    """An article and the index of one of its passages that has questions and fits into the document."""
    articles = setting.corpus.passage_sets("squad", setting.split)
    for _ in range(_PATIENCE):
        article = rng.choice(articles)
        index = rng.randrange(len(article.passages))
        room = LARGEST_SHARE * setting.n_tokens
        if setting.tokenizer.count(article.passages[index]) <= room and _about(article, index):
            return article, index
    raise ValueError(f"no passage with questions fits into {setting.n_tokens} tokens")


def _about(article: PassageSet, index: int) -> list[PassageQuestion]:
    """The answerable questions on one passage that do not give their answers away."""
    return [
        each
        for each in article.questions
        if each.needed == (index,) and each.answers and each.answers[0].lower() not in each.question.lower()
    ]


def make_passage_recall(
    rng: Random, setting: Setting, *, depth: float | None = None, n_questions: int = 4
) -> Sample:
    """A passage of an encyclopedia among the prose of a book, and questions that only the memory can answer.

    Raises:
        ValueError: the document is too short for any passage.
    """
    article, index = _fitting_squad(rng, setting)
    passage = article.passages[index]
    document = compose(
        rng,
        setting.corpus.books_of(setting.split),
        setting.tokenizer,
        [Insertion(passage, paragraph=True)],
        setting.n_tokens,
        depths=None if depth is None else (depth,),
    )
    about = _about(article, index)
    questions = tuple(
        ask(setting, document, (0,), each.question, each.answers, evidence=passage)
        for each in rng.sample(about, min(len(about), n_questions))
    )
    details = {"article": article.title}
    return Sample("passage-recall", document.segments(setting.segment_length), questions, details)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Passages as they stand in the window, and questions about them; no answers: they do not say."""

    questions: tuple[PassageQuestion, ...]
    passages: tuple[str, ...]


def _reading_squad(rng: Random, setting: Setting, n_questions: int) -> _Reading:
    """One passage after single sentences of others, as `ask` puts them, and questions.

    The second question has an answer where the first has none, and the other way round, and so on: with the same
    passages in the window, only reading tells them apart. Sometimes search has brought another passage than the one
    that answers.
    """
    article = rng.choice(setting.corpus.passage_sets("squad", setting.split))
    answerable = rng.random() < 0.5
    fitting = [each for each in article.questions if bool(each.answers) == answerable]
    question = rng.choice(fitting or article.questions)
    others = [index for index in range(len(article.passages)) if index not in question.needed]
    missed = bool(question.answers and others) and rng.random() < MISSED_SHARE
    main = rng.choice(others) if missed else question.needed[0]
    others = [index for index in others if index != main]
    beside = [
        rng.choice([part for part in sentences(article.passages[index]) if part])
        for index in rng.sample(others, min(len(others), rng.choice((0, 0, 1, 2))))
    ]
    passages = (*beside, article.passages[main])
    if main not in question.needed and not any(
        answer in text for answer in question.answers for text in passages
    ):
        question = replace(question, answers=())
    of_passage = [each for each in article.questions if each.needed == (main,) and each is not question]
    rng.shuffle(of_passage)
    asked = [question]
    for _ in range(n_questions - 1):
        # with and without an answer by turns, as long as there are both
        of_passage.sort(key=lambda each: bool(each.answers) == bool(asked[-1].answers))
        asked += of_passage[:1]
        del of_passage[:1]
    return _Reading(tuple(asked), passages)


def _reading_hotpotqa(rng: Random, setting: Setting) -> _Reading:
    """A question over two paragraphs: both of them, sometimes with a third, or one of the two missing."""
    entry = rng.choice(setting.corpus.passage_sets("hotpotqa", setting.split))
    question = entry.questions[0]
    others = [index for index in range(len(entry.passages)) if index not in question.needed]
    missed = rng.random() < 2 * MISSED_SHARE
    shown = rng.sample(question.needed, len(question.needed) - missed)
    shown += rng.sample(others, min(len(others), missed + rng.choice((0, 1))))
    rng.shuffle(shown)
    if missed:
        question = replace(question, answers=())
    return _Reading((question,), tuple(entry.passages[index] for index in shown))


def make_passage_reading(
    rng: Random, setting: Setting, *, source: str | None = None, n_questions: int = 2, replies: bool = False
) -> Sample:
    """Passages in the window, with the answer or without it, and the memory of the same document behind them.

    Unanswerable questions, and those whose passage search missed, are answered with the refusal.

    Args:
        source: "squad" or "hotpotqa"; mostly the first by default.
        n_questions: at most, over a passage of the first; one over those of the second.
        replies: what the base model replies stands in the place of the answers.
    """
    source = rng.choices(("squad", "hotpotqa"), (5, 1))[0] if source is None else source
    reading = (
        _reading_squad(rng, setting, n_questions) if source == "squad" else _reading_hotpotqa(rng, setting)
    )
    # the document holds as many of the passages as it has room for, in book prose
    inserted: list[Insertion] = []
    room = LARGEST_SHARE * setting.n_tokens
    for passage in reading.passages:
        room -= setting.tokenizer.count(passage) + 8
        if room >= 0:
            inserted.append(Insertion(passage, paragraph=True))
    books = setting.corpus.books_of(setting.split)
    document = compose(rng, books, setting.tokenizer, inserted, setting.n_tokens)
    questions = tuple(
        ask(
            setting,
            document,
            (),
            asked.question,
            asked.answers or (REFUSAL,),
            messages=evidence_messages(asked.question, reading.passages),
            details={"answerable": bool(asked.answers), "passages": len(reading.passages)},
        )
        for asked in reading.questions
    )
    if replies:
        questions = tuple(
            replace(each, answer=(), reply_tokens=REPLY_TOKENS, objective="replay") for each in questions
        )
    return Sample("passage-reading", document.segments(setting.segment_length), questions, {"source": source})
