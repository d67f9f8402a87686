"""What holds for the samples of every task."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from infini_cli.answering.prompts import REFUSAL
from infini_cli.training.manifest import Role
from infini_cli.training.mixture import TASKS
from infini_cli.training.tasks import cloze, needle
from infini_cli.training.tasks.facts import load_families, make_facts, word
from infini_cli.training.tasks.lists import list_names, pool
from infini_cli.training.tasks.needle import make_needle
from infini_cli.training.tasks.passages import make_passage_reading
from infini_cli.training.tasks.passkey import make_passkey
from infini_cli.training.tasks.sample import Question, Sample, Setting
from infini_cli.training.tasks.text import make_continuation
from infini_cli.training.tasks.values import word_of
from tests.unit.training.conftest import CLOSE, ByteTokenizer

FROM_MEMORY = ("passkey", "needle", "facts", "story", "passage-recall", "cloze")
SPLITS: tuple[Role, Role] = ("train", "heldout")


def flat(text: str) -> str:
    return " ".join(text.split())


def samples(task: str, setting: Setting, count: int = 12) -> Iterator[Sample]:
    return (TASKS[task](Random(seed), setting) for seed in range(count))


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("task", sorted(TASKS))
def test_documents_have_the_exact_size_and_answers_are_closed(
    task: str, split: Role, setting: Setting
) -> None:
    for sample in samples(task, replace(setting, split=split)):
        assert sample.task == task
        assert sample.segments.shape == (4, 512)
        assert sample.questions
        for question in sample.questions:
            assert len(question.tokens) == len(question.loss_mask)
            assert sum(question.loss_mask) == len(question.answer)
            assert bool(question.answer) != bool(question.reply_tokens)  # or the base model writes it
            if question.objective == "answer":
                assert question.answer[-1] == CLOSE
                assert ByteTokenizer().decode(question.answer) == question.accepted[0]


@pytest.mark.parametrize("task", sorted(TASKS))
def test_the_seed_decides_a_sample(task: str, setting: Setting) -> None:
    one, same = (TASKS[task](Random(5), setting) for _ in range(2))
    other = TASKS[task](Random(6), setting)
    assert np.array_equal(one.segments, same.segments)
    assert one.questions == same.questions
    assert not np.array_equal(one.segments, other.segments) or one.questions != other.questions


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("task", FROM_MEMORY)
def test_the_answer_stands_in_the_document_and_never_in_the_window(
    task: str, split: Role, setting: Setting
) -> None:
    decode = ByteTokenizer().decode
    for sample in samples(task, replace(setting, split=split), 40):
        document = flat(decode(sample.segments.reshape(-1).tolist()))
        for question in sample.questions:
            answer = question.accepted[0]
            assert answer in document
            assert answer not in decode(question.prompt)
            assert question.teacher_prompt is not None
            assert answer in decode(question.teacher_prompt)
            assert 1 <= question.distance <= 4
            assert 0 <= question.depth <= 1


def _segment_of(sample: Sample, answer: str) -> int:
    """Segments from the last place where the answer ends to the question."""
    text = ByteTokenizer().decode(sample.segments.reshape(-1).tolist()).replace("\n", " ")
    return sample.segments.shape[0] - (text.rindex(answer) + len(answer) - 1) // sample.segments.shape[1]


@pytest.mark.parametrize("kind", ["number", "uuid"])
def test_distance_counts_the_segments_between_needle_and_question(
    kind: needle.NeedleKind, setting: Setting
) -> None:
    for seed in range(30):
        sample = make_needle(Random(seed), setting, kind=kind, changes=0)
        for question in sample.questions:
            # the sentence may end a few characters after the value
            assert abs(question.distance - _segment_of(sample, question.accepted[0])) <= 1
        sample = make_needle(Random(seed), setting, kind=kind, n_keys=1, changes=0, depth=0.3)
        assert sample.questions[0].distance in (3, 4)


def test_every_sample_has_its_own_pass_key(setting: Setting) -> None:
    keys = [sample.questions[0].accepted[0] for sample in samples("passkey", setting, 30)]
    assert len(set(keys)) >= 29


@pytest.mark.parametrize("depth", [0.0, 0.25, 0.5, 1.0])
def test_a_pass_key_stands_at_its_depth_in_the_paper_s_filler(depth: float, setting: Setting) -> None:
    sample = make_passkey(Random(1), setting, depth=depth)
    text = ByteTokenizer().decode(sample.segments.reshape(-1).tolist())
    key = sample.questions[0].accepted[0]
    assert text.count(f"The pass key is {key}. Remember it. {key} is the pass key.") == 1
    introduction = text.index("The grass is green.") if depth else 0
    assert abs(text.index("The pass key") - introduction - depth * (len(text) - 280)) < 220


def test_a_pass_key_may_be_asked_as_the_paper_does(setting: Setting) -> None:
    question = make_passkey(Random(1), setting, as_continuation=True).questions[0]
    assert ByteTokenizer().decode(question.prompt) == "What is the pass key? The pass key is"
    assert ByteTokenizer().decode(question.answer) == f" {question.accepted[0]}."


def test_a_changed_needle_is_answered_with_its_last_value(setting: Setting) -> None:
    for seed in range(20):
        sample = make_needle(Random(seed), setting, kind="number", n_keys=3, changes=2)
        (question,) = sample.questions
        text = flat(ByteTokenizer().decode(sample.segments.reshape(-1).tolist()))
        key = next(word for word in question.text.rstrip("?.").split() if "-" in word)
        last = text.rindex(key)
        nearby = text[max(0, last - 60) : last + 60]
        assert question.accepted[0] in nearby


def test_facts_are_asked_in_another_wording_than_they_are_told_and_unstated_ones_are_refused(
    setting: Setting,
) -> None:
    refused = 0
    for seed in range(30):
        sample = make_facts(Random(seed), setting, n_facts=4, unstated_share=1.0)
        text = flat(ByteTokenizer().decode(sample.segments.reshape(-1).tolist()))
        for question in sample.questions:
            if question.accepted == (REFUSAL,):
                refused += 1
                assert question.distance == 0
            else:
                assert question.accepted[0] in text
    assert refused >= 25


def test_unseen_families_are_never_trained_on(setting: Setting) -> None:
    unseen = {family.name for family in load_families() if family.unseen}
    trained = {q.details["family"] for s in samples("facts", setting, 200) for q in s.questions}
    assert unseen
    assert not trained & unseen
    asked = make_facts(Random(0), replace(setting, split="heldout"), unseen=True).questions
    assert {question.details["family"] for question in asked} <= unseen


def test_reading_shows_the_passages_and_refuses_what_they_do_not_say(setting: Setting) -> None:
    answered = refused = 0
    for seed in range(60):
        questions = make_passage_reading(Random(seed), setting).questions
        assert len({question.details["answerable"] for question in questions}) == len(questions)
        for question in questions:
            prompt = ByteTokenizer().decode(question.prompt)
            assert question.text in prompt
            if question.details["answerable"]:
                answered += 1
                assert question.accepted[0] in prompt or question.text.startswith("What joins")
            else:
                refused += 1
                assert question.accepted == (REFUSAL,)
                assert question.text.startswith("Who mayored") or "mason" not in prompt or _missing(question)
    assert answered > 10
    assert refused > 10


def _missing(question: Question) -> bool:
    """Whether the passage that would answer is not among those shown."""
    prompt = ByteTokenizer().decode(question.prompt)
    if question.text.startswith("What joins"):
        return not ("fact 1 of" in prompt and "fact 4 of" in prompt)
    street = question.text.split("Who built ")[1].split(" of ")[0]
    return f"there is {street}." not in prompt


def test_a_continuation_is_the_text_that_follows(setting: Setting) -> None:
    sample = make_continuation(Random(2), setting)
    (question,) = sample.questions
    decode = ByteTokenizer().decode
    whole = flat(decode([*sample.segments.reshape(-1).tolist(), *question.tokens]))
    assert any(whole in flat(book.text) for book in setting.corpus.books)
    assert len(question.tokens) == setting.segment_length
    assert question.teacher_prompt is not None
    assert flat(decode([*question.teacher_prompt, *question.answer])) in whole


def test_names_and_values_of_the_splits_are_disjoint() -> None:
    for name in list_names():
        train, heldout = set(pool(name, "train")), set(pool(name, "heldout"))
        assert train
        assert heldout
        assert not train & heldout


@pytest.mark.parametrize(("kind", "shared"), [("number", 1), ("word", 4), ("uuid", 1)])
def test_values_that_begin_alike_go_on_differently(
    kind: needle.NeedleKind, shared: int, setting: Setting
) -> None:
    for seed in range(20):
        sample = make_needle(Random(seed), setting, kind=kind, n_keys=4, changes=0, alike=1.0)
        values = [question.accepted[0] for question in sample.questions]
        assert len(values) == 4
        assert len({value[:shared] for value in values}) == 1
        assert len(set(values)) > 1
        if kind == "word":
            assert len({value.split("-")[0] for value in values}) == 1


def test_needles_of_training_have_words_of_books_too_but_none_that_is_held_out(setting: Setting) -> None:
    listed = {*pool("adjectives", "train"), *pool("nouns", "train")}
    heldout = {entry for name in list_names() for entry in pool(name, "heldout")}
    samples = [make_needle(Random(seed), setting, kind="word") for seed in range(20)]
    words = {word for s in samples for q in s.questions for word in q.accepted[0].split("-")}

    assert words & listed
    assert words - listed
    assert not (words - listed) & heldout


def test_a_text_without_words_is_an_error() -> None:
    with pytest.raises(ValueError, match="no word"):
        word_of(Random(0), "1 2 3")


def test_wordings_of_the_splits_are_disjoint_and_many() -> None:
    tables = [needle.STATEMENTS, needle.CHANGES, needle.QUESTIONS, needle.CHANGED_QUESTIONS, cloze.QUESTIONS]
    statements = {"train": set(needle.STATEMENTS["train"]), "heldout": set(needle.STATEMENTS["heldout"])}
    questions = {"train": set(needle.QUESTIONS["train"]), "heldout": set(needle.QUESTIONS["heldout"])}
    for family in load_families():
        tables += [family.statements, family.questions]
        for split in SPLITS:
            statements[split] |= {word(each, family.name, "9") for each in family.statements[split]}
            questions[split] |= {word(each, family.name) for each in family.questions[split]}
    assert all(not set(table["train"]) & set(table["heldout"]) for table in tables)
    assert len(statements["train"]) >= 50
    assert len(questions["train"]) >= 20
    assert len(statements["heldout"]) >= 20
    assert len(questions["heldout"]) >= 20


@pytest.mark.parametrize("task", sorted(TASKS))
def test_each_split_reads_its_own_books_only(task: str, setting: Setting) -> None:
    if task == "passkey":
        pytest.skip("the filler is the same for both")
    own = {"train": ("Brown", "Miller", "Harper", "Mason"), "heldout": ("Quill", "Tanner")}
    for split, other in (SPLITS, SPLITS[::-1]):
        text = " ".join(
            ByteTokenizer().decode(sample.segments.reshape(-1).tolist())
            for sample in samples(task, replace(setting, split=split), 6)
        )
        assert any(name in text for name in own[split])
        assert not any(name in text for name in own[other])


@pytest.mark.parametrize("kind", needle.KINDS)
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_a_document_without_room_holds_fewer_needles(
    kind: needle.NeedleKind, split: Role, setting: Setting
) -> None:
    small = replace(setting, n_segments=1, segment_length=300, split=split)
    found = [make_needle(Random(seed), small, kind=kind, n_keys=4).details["keys"] for seed in range(20)]
    assert max(found) < 4
    assert min(found) >= 1


@pytest.mark.parametrize("seed", range(20))
def test_a_story_fits_into_a_small_document(seed: int, setting: Setting) -> None:
    small = replace(setting, n_segments=1, segment_length=600)
    assert TASKS["story"](Random(seed), small).segments.size == 600


def test_what_an_answer_has_replaced_is_where_the_document_says_it(setting: Setting) -> None:
    replaced = 0
    for task, options in (("needle", {"kind": "number", "changes": 2}), ("story", {"task": 1})):
        for seed in range(12):
            sample = TASKS[task](Random(seed), setting, **options)
            text = bytes(sample.segments.flatten().tolist())
            for question in sample.questions:
                for place in question.replaced:
                    now = max(question.sources[0])
                    assert place < now
                    assert text[place - 1 : place] == b" " or text[place - 1 : place] == b"\n"
                    if task == "needle":
                        assert text[place : place + 7].isdigit()
                    else:
                        told = flat(text[:place].decode(errors="replace"))
                        who = question.text.removeprefix("Where is ").removesuffix("?")
                        assert who in told[-80:]
                    replaced += 1
    assert replaced > 20


def test_passages_can_be_answered_by_the_base_models_own_replies(setting) -> None:
    setting = replace(setting, n_segments=4)
    own = make_passage_reading(Random(3), setting)
    replied = make_passage_reading(Random(3), setting, replies=True)
    assert [each.prompt for each in replied.questions] == [each.prompt for each in own.questions]
    assert all(each.answer for each in own.questions)
    assert all(not each.answer and each.reply_tokens > 0 for each in replied.questions)
    assert {each.objective for each in replied.questions} == {"replay"}
