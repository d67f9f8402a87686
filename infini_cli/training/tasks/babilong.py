"""Stories of small worlds, told here and there among the sentences of a book (BABILong, arXiv 2406.10149)."""

from random import Random

from infini_cli.training.composition import Insertion, compose
from infini_cli.training.tasks.asking import ask
from infini_cli.training.tasks.sample import Sample, Setting
from infini_cli.training.tasks.worlds import draw_vocabulary, tell_story

# fewest and most sentences of a story, by task
LENGTHS = {1: (2, 10), 2: (4, 20), 3: (6, 32), 4: (2, 4), 5: (4, 20)}
_TOKENS_PER_SENTENCE = 14
_LARGEST_SHARE = 0.5  # of a document that a story of usual sentences takes
_ATTEMPTS = 50


def make_story(
    rng: Random,
    setting: Setting,
    *,
    task: int | None = None,
    classic: bool | None = None,
    n_events: int | None = None,
    n_questions: int = 4,
) -> Sample:
    """A story and questions about it.

    Args:
        task: 1 to 5, as in bAbI; random by default.
        classic: bAbI's own names and the wordings of training, in either split; by default half of the
            training samples and none of the held-out ones.
        n_events: sentences in the story; by default a random number that suits the task and the document.
        n_questions: up to how many are asked.
    """
    split = setting.split
    task = rng.choice(sorted(LENGTHS)) if task is None else task
    if classic is None:
        classic = split == "train" and rng.random() < 0.5
    fewest, most = LENGTHS[task]
    if n_events is None:
        most = min(most, int(_LARGEST_SHARE * setting.n_tokens) // _TOKENS_PER_SENTENCE)
        n_events = rng.randint(fewest, max(fewest, most))
    vocabulary = draw_vocabulary(rng, split, classic=classic, wordings="train" if classic else split)
    story = tell_story(rng, task, vocabulary, n_events)
    for _ in range(_ATTEMPTS):
        if setting.has_room_for(event.text for event in story.events):
            break
        # what happens in it may take longer until there is something to ask
        n_events = max(fewest, n_events - 1)
        story = tell_story(rng, task, vocabulary, n_events)
    document = compose(
        rng,
        setting.corpus.books_of(split),
        setting.tokenizer,
        [Insertion(event.text) for event in story.events],
        setting.n_tokens,
        avoid=vocabulary.people,
    )
    told = " ".join(event.text for event in story.events)
    asked = rng.sample(story.questions, min(len(story.questions), n_questions))
    questions = tuple(
        ask(
            setting,
            document,
            question.needed,
            question.text,
            (question.answer,),
            evidence=told,
            replaced=question.replaced,
            details={"needed": len(question.needed)},
        )
        for question in asked
    )
    details = {"story": f"qa{task}", "events": len(story.events), "classic": classic}
    return Sample("story", document.segments(setting.segment_length), questions, details)
