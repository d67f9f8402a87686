"""Running text that goes on after the document, and short instructions that have nothing to do with it."""

from random import Random

from infini_cli.answering.prompts import summary_messages
from infini_cli.training.books import LAYOUTS
from infini_cli.training.composition import WRAPPED_SHARE, compose, take_prose
from infini_cli.training.manifest import Role
from infini_cli.training.prompting import close_answer
from infini_cli.training.tasks.sample import Question, Sample, Setting

TEACHER_TOKENS = 1_024  # how much of the text before it the teacher of a distillation may see in its window
_LEAD_IN = 8  # tokens of the continuation that are given
_REPLY_TOKENS = 96
SUMMARY_SHARE = 0.4  # of the requests of a replay

REQUESTS: dict[Role, tuple[str, ...]] = {
    "train": (
        "What is {title}?",
        "Tell me about {title}.",
        "Explain briefly: {title}.",
        "Write a short paragraph on {title}.",
        "I have heard of {title}, but what does it mean?",
        "Give me some facts about {title}.",
    ),
    "heldout": ("Could you introduce me to {title}?",),
}


def make_continuation(rng: Random, setting: Setting) -> Sample:
    """A stretch of a book and the segment after it; the teacher sees the end of the stretch in its window."""
    layout = LAYOUTS[1] if rng.random() < WRAPPED_SHARE else LAYOUTS[0]
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


def make_replay(rng: Random, setting: Setting) -> Sample:
    """A short request, or a text to summarize, unrelated to the document; the teacher sees no document."""
    lead = rng.choice(setting.corpus.passage_sets("leads", setting.split))
    books = setting.corpus.books_of(setting.split)
    document = compose(rng, books, setting.tokenizer, (), setting.n_tokens)
    if rng.random() < SUMMARY_SHARE:
        request = lead.passages[0]
        messages = summary_messages(request)
    else:
        request = rng.choice(REQUESTS[setting.split]).format(title=lead.title)
        messages = [{"role": "user", "content": request}]
    sentences = lead.passages[0].split(". ")
    reply = ". ".join(sentences[: rng.randint(1, 3)]).rstrip(".") + "."
    prompt, answer = close_answer(setting.tokenizer, messages, reply)
    question = Question(
        prompt=prompt,
        answer=answer[:_REPLY_TOKENS],
        text=request,
        accepted=(reply,),
        depth=1.0,
        distance=0,
        teacher_prompt=prompt,
        objective="replay",
    )
    return Sample("replay", document.segments(setting.segment_length), (question,), {"title": lead.title})
