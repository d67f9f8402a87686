"""Questions over real passages, answered from memory or from passages in the window as `ask` shows them."""

from dataclasses import replace
from random import Random

from infini_cli.answering.prompts import REFUSAL, evidence_messages
from infini_cli.training.composition import Insertion, compose
from infini_cli.training.questions import PassageQuestion, PassageSet
from infini_cli.training.tasks.asking import ask
from infini_cli.training.tasks.sample import Sample, Setting

LARGEST_SHARE = 0.7  # of the document that passages may take
MISSED_SHARE = 0.15  # of the answerable questions: search has not brought the passage that answers
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


def _reading_squad(rng: Random, setting: Setting, n_passages: int) -> tuple[PassageQuestion, list[str]]:
    """A question and passages of its article; some have no answer, and of some the passage is missing."""
    article = rng.choice(setting.corpus.passage_sets("squad", setting.split))
    answerable = rng.random() < 0.6
    fitting = [each for each in article.questions if bool(each.answers) == answerable]
    question = rng.choice(fitting or article.questions)
    others = [index for index in range(len(article.passages)) if index not in question.needed]
    missed = answerable and len(others) >= n_passages and rng.random() < MISSED_SHARE
    shown = [] if missed else list(question.needed)
    shown += rng.sample(others, min(len(others), n_passages - len(shown)))
    rng.shuffle(shown)
    passages = [article.passages[index] for index in shown]
    # a passage that search brought instead may happen to say the same
    if missed and not any(answer in passage for answer in question.answers for passage in passages):
        question = replace(question, answers=())
    return question, passages


def _reading_hotpotqa(rng: Random, setting: Setting, n_passages: int) -> tuple[PassageQuestion, list[str]]:
    """A question over two paragraphs and both of them among others, or one of them missing."""
    entry = rng.choice(setting.corpus.passage_sets("hotpotqa", setting.split))
    question = entry.questions[0]
    others = [index for index in range(len(entry.passages)) if index not in question.needed]
    missed = rng.random() < 2 * MISSED_SHARE
    shown = rng.sample(question.needed, len(question.needed) - missed)
    shown += rng.sample(others, min(len(others), max(0, n_passages - len(shown))))
    rng.shuffle(shown)
    if missed:
        question = replace(question, answers=())
    return question, [entry.passages[index] for index in shown]


def make_passage_reading(
    rng: Random, setting: Setting, *, source: str | None = None, n_passages: int | None = None
) -> Sample:
    """Passages in the window, with the answer or without it, and the memory of the same document behind them.

    Unanswerable questions, and those whose passage search missed, are answered with the refusal.

    Args:
        source: "squad" or "hotpotqa"; mostly the first by default.
        n_passages: how many passages stand in the window; 1 to 5 by default.
    """
    source = rng.choices(("squad", "hotpotqa"), (3, 1))[0] if source is None else source
    n_passages = rng.choice((1, 1, 2, 3, 5)) if n_passages is None else n_passages
    read = _reading_squad if source == "squad" else _reading_hotpotqa
    asked, passages = read(rng, setting, n_passages)
    # the document holds as many of the passages as it has room for, in book prose
    inserted: list[Insertion] = []
    room = LARGEST_SHARE * setting.n_tokens
    for passage in passages:
        room -= setting.tokenizer.count(passage) + 8
        if room >= 0:
            inserted.append(Insertion(passage, paragraph=True))
    books = setting.corpus.books_of(setting.split)
    document = compose(rng, books, setting.tokenizer, inserted, setting.n_tokens)
    question = ask(
        setting,
        document,
        (),
        asked.question,
        asked.answers or (REFUSAL,),
        messages=evidence_messages(asked.question, passages),
        details={"answerable": bool(asked.answers), "passages": len(passages)},
    )
    return Sample(
        "passage-reading", document.segments(setting.segment_length), (question,), {"source": source}
    )
