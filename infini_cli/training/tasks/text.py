"""Running text that goes on after the document, and short instructions that have nothing to do with it."""

from random import Random

from infini_cli.answering.prompts import summary_messages
from infini_cli.training.composition import compose, draw_layout, take_prose
from infini_cli.training.tasks.requests import make_request
from infini_cli.training.tasks.sample import Question, Sample, Setting

TEACHER_TOKENS = 1_024  # how much of the text before it the teacher of a distillation may see in its window
_LEAD_IN = 8  # tokens of the continuation that are given
REPLAYS = {"request": 3, "summary": 1, "text": 2}  # what is replayed, by weight
REPLY_TOKENS = 32
ALONE_SHARE = 0.5


def make_continuation(rng: Random, setting: Setting) -> Sample:
    """A stretch of a book and the segment after it; the teacher sees the end of the stretch in its window."""
    layout = draw_layout(rng)
    books = setting.corpus.books_of(setting.split)
    prose = take_prose(rng, books, layout, setting.n_tokens + setting.segment_length)
    before, after = prose.tokens[: setting.n_tokens], prose.tokens[setting.n_tokens :].tolist()
    n_given = min(_LEAD_IN, setting.segment_length // 2)
    given = tuple(after[:n_given])
    question = Question(
        prompt=given,
        answer=tuple(after[n_given:]),
        text="",
        accepted=(),
        depth=1.0,
        distance=1,
        teacher_prompt=(*before[-TEACHER_TOKENS:].tolist(), *given),
        objective="text",
    )
    segments = before.reshape(-1, setting.segment_length)
    return Sample("continuation", segments, (question,), {"books": prose.books})


def make_replay(rng: Random, setting: Setting, *, alone_share: float = ALONE_SHARE) -> Sample:
    """A plain request, a text to summarize, or running text, behind a document that has nothing to do with it.

    Whatever it is, the model should do as the base model does, which has no document, and writes the replies that both
    are compared on. Half of these are asked as if nothing had been read: so is a model that answers without a memory.
    """
    books = setting.corpus.books_of(setting.split)
    document = compose(rng, books, setting.tokenizer, (), setting.n_tokens)
    kind = rng.choices(tuple(REPLAYS), tuple(REPLAYS.values()))[0]
    text = ""
    answer: tuple[int, ...] = ()
    if kind == "text":
        prose = take_prose(rng, books, draw_layout(rng), setting.segment_length).tokens.tolist()
        prompt, answer = tuple(prose[:1]), tuple(prose[1:])
    else:
        lead = rng.choice(setting.corpus.passage_sets("leads", setting.split))
        if kind == "summary":
            text = lead.passages[0]
            messages = summary_messages(text)
        else:
            text = make_request(rng, setting.split, lead.title)
            messages = [{"role": "user", "content": text}]
        prompt = tuple(setting.tokenizer.encode_chat(messages))
    question = Question(
        prompt=prompt,
        answer=answer,
        text=text,
        accepted=(),
        depth=1.0,
        distance=0,
        teacher_prompt=prompt,
        objective="replay",
        reply_tokens=0 if answer else REPLY_TOKENS,
        alone=rng.random() < alone_share,
    )
    return Sample("replay", document.segments(setting.segment_length), (question,), {"kind": kind})
