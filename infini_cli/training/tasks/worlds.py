"""Small worlds in which people walk, carry things and hand them over, and what can be asked afterwards.

The five kinds of questions are those of the bAbI tasks 1 to 5 (Weston et al., arXiv 1502.05698): where a
person is; where a thing is; where a thing was before; what lies where; who gave what to whom.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from infini_cli.training.manifest import Role
from infini_cli.training.tasks.lists import pool

DIRECTIONS = ("north", "south", "east", "west")

CLASSIC_PEOPLE = ("Mary", "John", "Daniel", "Sandra", "Fred", "Bill", "Jeff", "Julie")
CLASSIC_PLACES = ("bathroom", "hallway", "garden", "office", "bedroom", "kitchen")
CLASSIC_THINGS = ("football", "milk", "apple")

MOVES: dict[Role, tuple[str, ...]] = {
    # the first seven are those of bAbI
    "train": (
        *("went to", "moved to", "journeyed to", "travelled to", "went back to", "walked to", "came to"),
        *("hurried to", "ran to", "returned to", "headed for", "set off for", "slipped into", "stepped into"),
        *("entered", "rushed over to", "dashed to", "wandered into", "crossed to", "turned back to"),
    ),
    "heldout": ("made straight for", "strolled over to"),
}
TAKES: dict[Role, tuple[str, ...]] = {
    "train": (
        *("took", "picked up", "got", "grabbed", "lifted"),
        *("fetched", "snatched up", "took hold of", "carried off", "collected"),
    ),
    "heldout": ("seized",),
}
DROPS: dict[Role, tuple[str, ...]] = {
    "train": (
        *("put down", "dropped", "discarded", "left behind", "let go of"),
        *("laid down", "set down", "gave up", "threw away", "abandoned"),
    ),
    "heldout": ("parted with",),
}
GIVES: dict[Role, tuple[str, ...]] = {
    "train": (
        *("gave {thing} to {other}", "handed {thing} to {other}", "passed {thing} to {other}"),
        *("brought {other} {thing}", "gave {other} {thing}", "handed {other} {thing}"),
        *("let {other} have {thing}", "held {thing} out to {other}", "returned {thing} to {other}"),
    ),
    "heldout": ("presented {other} with {thing}",),
}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names a world uses, and the wordings its sentences are made with."""

    people: tuple[str, ...]
    places: tuple[str, ...]
    things: tuple[str, ...]
    wordings: Role


@dataclass(frozen=True, slots=True)
class Event:
    """One sentence of a story and what it says."""

    kind: str  # "move", "take", "drop", "give" or "relation"
    person: str
    what: str  # the place moved to, the thing, or for a relation the direction
    other: str  # the receiver of a gift, or for a relation the second place
    text: str


@dataclass(frozen=True, slots=True)
class StoryQuestion:
    """A question whose answer follows from the story."""

    text: str
    answer: str
    needed: tuple[int, ...]  # indices of the events it follows from
    replaced: tuple[tuple[int, str], ...] = ()  # events that gave other answers before, and these


@dataclass(frozen=True, slots=True)
class Story:
    """What happened, and everything of one kind that can be asked about it."""

    events: tuple[Event, ...]
    questions: tuple[StoryQuestion, ...]


def draw_vocabulary(rng: Random, split: Role, *, classic: bool, wordings: Role) -> Vocabulary:
    """Names for one world: those of bAbI, or some of the lists of the split."""
    if classic:
        return Vocabulary(tuple(rng.sample(CLASSIC_PEOPLE, 4)), CLASSIC_PLACES, CLASSIC_THINGS, wordings)
    return Vocabulary(
        tuple(rng.sample(pool("first_names", split), rng.randint(3, 5))),
        tuple(rng.sample(pool("rooms", split), 5)),
        tuple(rng.sample(pool("objects", split), rng.randint(3, 4))),
        wordings,
    )


class World:
    """The state of a world while its story is told."""

    def __init__(self, rng: Random, vocabulary: Vocabulary) -> None:
        self.rng = rng
        self.vocabulary = vocabulary
        self.events: list[Event] = []
        # every fact is kept with the index, or indices, of the events that tell it
        self.place_of: dict[str, tuple[str, int]] = {}  # person: where
        self.holder_of: dict[str, tuple[str, int]] = {}  # thing: who has it
        self.left_at: dict[str, tuple[str, tuple[int, ...]]] = {}  # thing that was put down: where
        self.trail_of: dict[str, list[tuple[str, tuple[int, ...]]]] = {}  # thing: its places in order

    def _say(self, kind: str, person: str, what: str, other: str, text: str) -> int:
        self.events.append(Event(kind, person, what, other, f"{person} {text}."))
        return len(self.events) - 1

    def _note_trail(self, thing: str, place: str, events: tuple[int, ...]) -> None:
        trail = self.trail_of.setdefault(thing, [])
        if not trail or trail[-1][0] != place:
            trail.append((place, events))

    def move(self) -> bool:
        """Someone goes to another place, with all that they hold."""
        person = self.rng.choice(self.vocabulary.people)
        here = self.place_of.get(person, ("", 0))[0]
        place = self.rng.choice([each for each in self.vocabulary.places if each != here])
        verb = self.rng.choice(MOVES[self.vocabulary.wordings])
        event = self._say("move", person, place, "", f"{verb} the {place}")
        self.place_of[person] = (place, event)
        for thing, (holder, since) in self.holder_of.items():
            if holder == person:
                self._note_trail(thing, place, (since, event))
        return True

    def take(self) -> bool:
        """Someone picks up a thing that lies where they are, or that nobody has seen yet."""
        choices = []
        for thing in self.vocabulary.things:
            if thing in self.holder_of:
                continue
            lying = self.left_at.get(thing)
            choices += [
                (person, thing)
                for person, (place, _) in self.place_of.items()
                if lying is None or lying[0] == place
            ]
        if not choices:
            return False
        person, thing = self.rng.choice(choices)
        verb = self.rng.choice(TAKES[self.vocabulary.wordings])
        event = self._say("take", person, thing, "", f"{verb} the {thing}")
        self.left_at.pop(thing, None)
        self.holder_of[thing] = (person, event)
        place, since = self.place_of[person]
        self._note_trail(thing, place, (since, event))
        return True

    def drop(self) -> bool:
        """Someone puts down what they hold."""
        if not self.holder_of:
            return False
        thing = self.rng.choice(sorted(self.holder_of))
        person, _ = self.holder_of.pop(thing)
        verb = self.rng.choice(DROPS[self.vocabulary.wordings])
        event = self._say("drop", person, thing, "", f"{verb} the {thing}")
        place, since = self.place_of[person]
        self.left_at[thing] = (place, (since, event))
        return True

    def give(self) -> bool:
        """Someone hands a thing to another person in the same place."""
        choices = [
            (person, thing, other)
            for thing, (person, _) in sorted(self.holder_of.items())
            for other, (place, _) in self.place_of.items()
            if other != person and place == self.place_of[person][0]
        ]
        if not choices:
            return False
        person, thing, other = self.rng.choice(choices)
        wording = self.rng.choice(GIVES[self.vocabulary.wordings]).format(thing=f"the {thing}", other=other)
        event = self._say("give", person, thing, other, wording)
        self.holder_of[thing] = (other, event)
        return True

    def tell(self, n_events: int, weights: dict[str, int]) -> None:
        """Let so many things happen; what is not possible at the moment is replaced by a walk."""
        actions: dict[str, Callable[[], bool]] = {
            "move": self.move,
            "take": self.take,
            "drop": self.drop,
            "give": self.give,
        }
        while len(self.events) < n_events:
            name = self.rng.choices(list(weights), list(weights.values()))[0]
            if not actions[name]():
                self.move()

    def where_people_are(self) -> list[StoryQuestion]:
        """Task 1."""
        return [
            StoryQuestion(
                f"Where is {person}?",
                place,
                (event,),
                tuple(
                    (index, each.what)
                    for index, each in enumerate(self.events[:event])
                    if each.kind == "move" and each.person == person
                ),
            )
            for person, (place, event) in sorted(self.place_of.items())
        ]

    def where_things_are(self) -> list[StoryQuestion]:
        """Task 2."""
        found = []
        for thing in self.vocabulary.things:
            if thing in self.holder_of:
                person, taken = self.holder_of[thing]
                place, moved = self.place_of[person]
                found.append(StoryQuestion(f"Where is the {thing}?", place, (taken, moved)))
            elif thing in self.left_at:
                place, events = self.left_at[thing]
                found.append(StoryQuestion(f"Where is the {thing}?", place, events))
        return found

    def where_things_were(self) -> list[StoryQuestion]:
        """Task 3: only about places where the thing has been just once."""
        found = []
        for thing, trail in sorted(self.trail_of.items()):
            places = [place for place, _ in trail]
            for (before, events), (place, later) in pairwise(trail):
                if places.count(place) == 1:
                    text = f"Where was the {thing} before the {place}?"
                    found.append(StoryQuestion(text, before, tuple(sorted({*events, *later}))))
        return found

    def who_gave_what(self) -> list[StoryQuestion]:
        """Task 5: only questions to which all gifts of the story give one answer."""
        gifts = [(index, event) for index, event in enumerate(self.events) if event.kind == "give"]
        answers: dict[str, dict[str, int]] = {}
        for index, gift in gifts:
            for text, answer in (
                (f"What did {gift.person} give to {gift.other}?", gift.what),
                (f"Who gave the {gift.what} to {gift.other}?", gift.person),
                (f"Who gave the {gift.what}?", gift.person),
                (f"Who received the {gift.what}?", gift.other),
                (f"Who did {gift.person} give the {gift.what} to?", gift.other),
            ):
                answers.setdefault(text, {})[answer] = index
        return [
            StoryQuestion(text, answer, (index,))
            for text, found in answers.items()
            if len(found) == 1
            for answer, index in found.items()
        ]


def _relations(rng: Random, vocabulary: Vocabulary, n_events: int) -> Story:
    """Task 4: places in a row of steps, so that no two of the sentences can contradict each other."""
    places = rng.sample(vocabulary.places, min(len(vocabulary.places), n_events + 1))
    events = []
    for first, second in pairwise(places):
        one, other = (first, second) if rng.random() < 0.5 else (second, first)
        direction = rng.choice(DIRECTIONS)
        text = f"The {one} is {direction} of the {other}."
        events.append(Event("relation", one, direction, other, text))
    rng.shuffle(events)
    answers: dict[str, dict[str, int]] = {}
    for index, event in enumerate(events):
        answers.setdefault(f"What is {event.what} of the {event.other}?", {})[event.person] = index
        answers.setdefault(f"What is the {event.person} {event.what} of?", {})[event.other] = index
    questions = [
        StoryQuestion(text, answer, (index,))
        for text, found in answers.items()
        if len(found) == 1
        for answer, index in found.items()
    ]
    return Story(tuple(events), tuple(questions))


_WEIGHTS: dict[int, dict[str, int]] = {
    1: {"move": 1},
    2: {"move": 5, "take": 3, "drop": 1},
    3: {"move": 6, "take": 3, "drop": 1},
    5: {"move": 3, "take": 3, "drop": 1, "give": 4},
}


def tell_story(rng: Random, task: int, vocabulary: Vocabulary, n_events: int) -> Story:
    """A story of a bAbI task (1 to 5) in so many sentences; it goes on until something can be asked.

    Raises:
        ValueError: no such task.
    """
    if task == 4:
        while not (story := _relations(rng, vocabulary, n_events)).questions:
            continue
        return story
    if task not in _WEIGHTS:
        raise ValueError(f"no story task {task}; there are 1 to 5")
    world = World(rng, vocabulary)
    ask: dict[int, Callable[[], Sequence[StoryQuestion]]] = {
        1: world.where_people_are,
        2: world.where_things_are,
        3: world.where_things_were,
        5: world.who_gave_what,
    }
    world.tell(n_events, _WEIGHTS[task])
    while not ask[task]():
        world.tell(len(world.events) + 1, _WEIGHTS[task])
    return Story(tuple(world.events), tuple(ask[task]()))
