"""Stories of small worlds: an independent reader of the sentences must come to the same answers."""

import re
from random import Random

import pytest

from infini_cli.training.manifest import Role
from infini_cli.training.tasks.worlds import DROPS, MOVES, TAKES, Vocabulary, draw_vocabulary, tell_story


class Reader:
    """Follows a story by its sentences alone."""

    def __init__(self, vocabulary: Vocabulary, sentences: list[str]) -> None:
        self.vocabulary = vocabulary
        self.where: dict[str, str] = {}
        self.has: dict[str, str] = {}
        self.lies: dict[str, str] = {}
        self.trail: dict[str, list[str]] = {thing: [] for thing in vocabulary.things}
        self.gifts: list[tuple[str, str, str]] = []
        self.relations: list[tuple[str, str, str]] = []
        for sentence in sentences:
            self.follow(sentence)

    def follow(self, sentence: str) -> None:
        if found := re.fullmatch(r"The (.+) is (north|south|east|west) of the (.+)\.", sentence):
            self.relations.append((found[1], found[2], found[3]))
            return
        person, rest = sentence.rstrip(".").split(" ", 1)
        things = [thing for thing in self.vocabulary.things if thing in rest]
        wordings = self.vocabulary.wordings
        if any(rest.startswith(verb) for verb in MOVES[wordings]):
            self.where[person] = next(p for p in self.vocabulary.places if rest.endswith(f"the {p}"))
        elif any(rest.startswith(verb) for verb in TAKES[wordings]):
            assert things[0] not in self.has
            assert self.lies.pop(things[0], self.where[person]) == self.where[person]
            self.has[things[0]] = person
        elif any(rest.startswith(verb) for verb in DROPS[wordings]):
            assert self.has.pop(things[0]) == person
            self.lies[things[0]] = self.where[person]
        else:
            receiver = next(other for other in self.vocabulary.people if other in rest)
            assert self.has[things[0]] == person
            assert self.where[receiver] == self.where[person]
            self.has[things[0]] = receiver
            self.gifts.append((person, things[0], receiver))
        for thing, holder in self.has.items():
            if self.trail[thing][-1:] != [self.where[holder]]:
                self.trail[thing].append(self.where[holder])

    def answers(self, question: str) -> set[str]:
        if found := re.fullmatch(r"Where was the (.+) before the (.+)\?", question):
            trail = self.trail[found[1]]
            return {trail[place - 1] for place in range(1, len(trail)) if trail[place] == found[2]}
        if found := re.fullmatch(r"Where is the (.+)\?", question):
            thing = found[1]
            return {self.where[self.has[thing]] if thing in self.has else self.lies[thing]}
        if found := re.fullmatch(r"Where is (.+)\?", question):
            return {self.where[found[1]]}
        if found := re.fullmatch(r"What is the (.+) (north|south|east|west) of\?", question):
            return {other for one, way, other in self.relations if (one, way) == (found[1], found[2])}
        if found := re.fullmatch(r"What is (north|south|east|west) of the (.+)\?", question):
            return {one for one, way, other in self.relations if (way, other) == (found[1], found[2])}
        if found := re.fullmatch(r"What did (.+) give to (.+)\?", question):
            return {thing for giver, thing, to in self.gifts if (giver, to) == (found[1], found[2])}
        if found := re.fullmatch(r"Who gave the (.+) to (.+)\?", question):
            return {giver for giver, thing, to in self.gifts if (thing, to) == (found[1], found[2])}
        if found := re.fullmatch(r"Who gave the (.+)\?", question):
            return {giver for giver, thing, _ in self.gifts if thing == found[1]}
        if found := re.fullmatch(r"Who received the (.+)\?", question):
            return {to for _, thing, to in self.gifts if thing == found[1]}
        found = re.fullmatch(r"Who did (.+) give the (.+) to\?", question)
        assert found, question
        return {to for giver, thing, to in self.gifts if (giver, thing) == (found[1], found[2])}


@pytest.mark.parametrize("split", ["train", "heldout"])
@pytest.mark.parametrize("classic", [True, False])
@pytest.mark.parametrize("task", [1, 2, 3, 4, 5])
def test_the_sentences_alone_give_every_answer(task: int, classic: bool, split: Role) -> None:
    for seed in range(25):
        rng = Random(seed)
        wordings: Role = "train" if classic else split
        vocabulary = draw_vocabulary(rng, split, classic=classic, wordings=wordings)
        story = tell_story(rng, task, vocabulary, rng.randint(2, 24))
        reader = Reader(vocabulary, [event.text for event in story.events])
        assert story.questions
        for question in story.questions:
            assert reader.answers(question.text) == {question.answer}, question.text


@pytest.mark.parametrize("task", [1, 2, 4, 5])
def test_the_needed_sentences_suffice(task: int) -> None:
    for seed in range(25):
        rng = Random(seed)
        vocabulary = draw_vocabulary(rng, "train", classic=True, wordings="train")
        story = tell_story(rng, task, vocabulary, 16)
        for question in story.questions:
            needed = [story.events[index] for index in question.needed]
            assert len(needed) == (2 if task == 2 else 1)
            if task == 1:
                assert Reader(vocabulary, [event.text for event in needed]).answers(question.text) == {
                    question.answer
                }
            else:
                said = " ".join(event.text for event in needed)
                assert question.answer in said


def test_a_task_that_does_not_exist_is_refused() -> None:
    rng = Random(0)
    with pytest.raises(ValueError, match="no story task 6"):
        tell_story(rng, 6, draw_vocabulary(rng, "train", classic=True, wordings="train"), 5)
