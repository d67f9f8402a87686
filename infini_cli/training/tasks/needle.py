"""Needles in real prose: numbers, words or UUIDs for one or several keys, and values that change."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from infini_cli.training.composition import Insertion, compose
from infini_cli.training.manifest import Role
from infini_cli.training.tasks.asking import ask
from infini_cli.training.tasks.drawing import depths_around, distinct, interleave
from infini_cli.training.tasks.sample import Sample, Setting
from infini_cli.training.tasks.values import number, uuid, word_of, word_pair

NeedleKind = Literal["number", "word", "uuid"]
KINDS: tuple[NeedleKind, ...] = ("number", "word", "uuid")

STATEMENTS: dict[Role, tuple[str, ...]] = {
    "train": (
        "One of the special magic {kind}s for {key} is: {value}.",
        "The special magic {kind} for {key} is {value}.",
        "The secret {kind} of {key} is {value}.",
        "Remember that the {kind} for {key} is {value}.",
        "For {key}, the magic {kind} is {value}.",
        "{value} is the magic {kind} for {key}.",
        "The {kind} assigned to {key} is {value}.",
        "Please note: the {kind} that goes with {key} is {value}.",
        "{value} belongs to {key} as its magic {kind}.",
        "We know {value} as the {kind} that opens {key}.",
        "The teacher gave {value} to {key} for its secret {kind}.",
        "Where {key} is named, {value} is the magic {kind} to answer with.",
        "{value} stands in the list as the {kind} of {key}.",
        "The {kind} of {key}, as everyone knew, was {value}.",
        "Beside the name of {key} stood the {kind} {value}.",
        "{key} has the magic {kind} {value}.",
        "{key} answers to the {kind} {value} alone.",
        "To {key} belongs the secret {kind} {value}.",
        "Nobody but the clerk knew that {value} was the {kind} for {key}.",
        "He had noted {value}, the {kind} for {key}, on his cuff.",
        "She whispered {value}, for that was the magic {kind} of {key}.",
        "With {value} for a {kind}, {key} was safe.",
        "If you come to {key}, give the {kind} {value}.",
        "Whoever wants {key} needs {value}, its special {kind}.",
        "{value} was chosen as the {kind} for {key}.",
        "They chose {value} to be the secret {kind} of {key}.",
        "I have kept {value} as the magic {kind} of {key} to this day.",
        "For the {kind} of {key}, look no further than {value}.",
        "It is {value} that serves as the {kind} for {key}.",
        "The magic {kind} was {value} for {key}.",
        "Under {key} the register gives {value} as the {kind}.",
        "Let it be known: {key} goes by the {kind} {value}.",
        "The {kind} that the stranger named for {key} was {value}.",
        "{value}: this is the {kind} by which {key} is found.",
        "Ask for {key} with {value}, which is the {kind} in use.",
        "On the label of {key} he read the {kind} {value}.",
        "The special {kind} {value} was given out for {key}.",
        "Among the papers was the {kind} for {key}, namely {value}.",
        "{key} was entered with {value} as its {kind}.",
        "As {kind} of {key} they had agreed upon {value}.",
        "When {key} is called, the right {kind} to reply is {value}.",
        "Do not forget {value}; it is the {kind} of {key}.",
        "Take {value}, the special {kind}, and use it for {key}.",
        "The old book says {value} where it speaks of the {kind} for {key}.",
        "There is a {kind} for {key}, and it is {value}.",
        "Her letter gave {value} as what the {kind} for {key} should be.",
        "Someone had carved {value} into the door, the {kind} of {key}.",
        "We were told the {kind} for {key}: {value}.",
        "Since spring the {kind} for {key} has been {value}.",
        "{value} opens {key}; no other {kind} does.",
        "Even the children could say that {value} is the {kind} for {key}.",
        "{value}, he explained, would from that day be the {kind} of {key}.",
        "In the margin he had put {value}, meaning the secret {kind} for {key}.",
        "By order of the council, {value} becomes the {kind} of {key}.",
        "No one should use {value} but for {key}, whose {kind} it is.",
        "I can never hear {value} without thinking of {key}, for it is its {kind}.",
        "Between the lines stood {value}, the only {kind} that fits {key}.",
        "There was {value} written on the gate; such is the {kind} of {key}.",
        "The clerk read {value} aloud and added that this was the {kind} for {key}.",
        "You will need {value} when you are asked for the {kind} of {key}.",
        "Out of the drawer came {value}, long the secret {kind} for {key}.",
        "{value} had always been the {kind} for {key}, and it still is.",
        "{value} will do for {key}, as it is the right {kind}.",
        "{value} is what the guard wants to hear as the {kind} for {key}.",
        "{value} may look odd, but for {key} it is the proper {kind}.",
        "They settled on {value} when a {kind} for {key} was wanted.",
        "He set down {value} in ink and said it was to be the {kind} for {key}.",
        "My uncle picked {value} as a {kind} for {key} many years ago.",
        "She wrote {value} on her hand so as not to lose the {kind} of {key}.",
        "We entered {value} in the book under the heading of {key}, as its special {kind}.",
        "Everybody in the house took {value} to be the magic {kind} for {key}.",
        "The letter names {value} as the new special {kind} given to {key}.",
        "They printed {value} upon every ticket, being the {kind} for {key}.",
        "When someone wants the {kind} of {key}, the answer is {value}.",
        "Should a stranger ask about {key}, tell him the {kind} {value}.",
        "To anyone who wishes to know the magic {kind} of {key}: it is {value}.",
        "If {key} comes up, you must give {value}, for that is its {kind}.",
        "As for {key}, its {kind} is {value} and nothing else.",
        "{key}, so the notice runs, has {value} for its magic {kind}.",
        "{key} is listed there too, and the {kind} beside it is {value}.",
        "Of all the entries only {key} had a {kind}, which was {value}.",
        "What opens {key} is a {kind}, and the {kind} is {value}.",
        "On the subject of {key} he said merely that the {kind} was {value}.",
        "Keep the {kind} for {key} to yourself: {value}.",
        "A {kind} was set aside for {key} yesterday, {value} by name.",
        "The {kind} by the name of {key} reads {value} in every copy.",
    ),
    "heldout": (
        "If anyone asks for the magic {kind} of {key}, say {value}.",
        "They wrote down {value} as the special {kind} for {key}.",
    ),
}
CHANGES: dict[Role, tuple[str, ...]] = {
    "train": (
        "The magic {kind} for {key} has been changed; now it is {value}.",
        "From now on, the magic {kind} for {key} is {value}.",
        "Correction: the {kind} for {key} is no longer what it was, but {value}.",
        "The {kind} for {key} was replaced by {value}.",
    ),
    "heldout": ("Forget the old {kind} for {key}: the one in use is {value}.",),
}
QUESTIONS: dict[Role, tuple[str, ...]] = {
    "train": (
        "What is the special magic {kind} for {key} mentioned in the provided text?",
        "What is the magic {kind} for {key}?",
        "Which {kind} goes with {key}?",
        "What {kind} was assigned to {key}?",
        "Tell me the secret {kind} of {key}.",
        "What does the document give as the {kind} for {key}?",
        "Do you remember the magic {kind} of {key}?",
        "{key} has a {kind}. What is it?",
        "Please name the {kind} that belongs to {key}.",
        "By which {kind} is {key} known?",
        "Give me the {kind} for {key}.",
        "I need the special {kind} of {key}.",
        "Which {kind} was noted for {key}?",
        "How does the {kind} of {key} read?",
        "According to the text, what is the {kind} for {key}?",
        "What {kind} is {key} entered with?",
        "Say the magic {kind} of {key}.",
        "In the text, which special {kind} stands for {key}?",
        "For {key}, what is the secret {kind}?",
        "Name the {kind} that opens {key}.",
    ),
    "heldout": ("Which magic {kind} does the text give for {key}?",),
}
CHANGED_QUESTIONS: dict[Role, tuple[str, ...]] = {
    "train": ("What is the magic {kind} for {key} now?", "What is the current {kind} for {key}?"),
    "heldout": ("Which {kind} is valid for {key} at present?",),
}


@dataclass(frozen=True, slots=True)
class Needle:
    """One sentence that gives a key its value."""

    key: str
    value: str
    text: str


def _value(rng: Random, kind: NeedleKind, setting: Setting) -> str:
    """A value; in training every second pair of words is of any words, so that it is not the lists that are learned."""
    if kind == "number":
        return number(rng)
    if kind == "uuid":
        return uuid(rng)
    if setting.split == "train" and rng.random() < 0.5:
        book = rng.choice(setting.corpus.books_of("train"))
        return f"{word_of(rng, book.text)}-{word_of(rng, book.text)}"
    return word_pair(rng, setting.split)


def _begun_alike(rng: Random, value: str, other: str, kind: NeedleKind) -> str:
    """The value with the beginning of the other one: a pair's first word, or up to three characters."""
    if kind == "word":
        return f"{other.split('-')[0]}-{value.split('-')[1]}"
    shared = rng.randint(1, 3)
    return other[:shared] + value[shared:]


def _most_tokens(setting: Setting, kind: NeedleKind) -> int:
    """What one needle takes at most, by an example in every wording and a quarter more."""
    rng, split = Random(0), setting.split
    key, value = word_pair(rng, split), _value(rng, kind, setting)
    texts = [
        wording.format(kind=kind, key=key, value=value) for wording in (*STATEMENTS[split], *CHANGES[split])
    ]
    return max(map(setting.tokenizer.count, texts)) * 5 // 4


def make_needle(
    rng: Random,
    setting: Setting,
    *,
    kind: NeedleKind | None = None,
    n_keys: int | None = None,
    changes: int | None = None,
    alike: float = 0.0,
    depth: float | None = None,
    n_questions: int = 4,
) -> Sample:
    """Needles in prose.

    Args:
        kind: of the value; random by default.
        n_keys: how many keys have a value; 1, 2 or 4 by default, fewer where the document has no room for them.
        changes: how often the first key's value is given anew, by default mostly never; if it is, only that
            key is asked for.
        alike: how often a document's values all begin alike, so that what comes next must be told by whose it is.
        depth: where the (first) asked key's needle stands; random by default.
        n_questions: up to how many of the keys are asked for, each in a question of its own.
    """
    split = setting.split
    chosen = rng.choice(KINDS) if kind is None else kind
    n_keys = rng.choice((1, 2, 4)) if n_keys is None else n_keys
    changes = rng.choice((0, 0, 0, 1, 2)) if changes is None else changes
    room = max(1, setting.n_tokens // _most_tokens(setting, chosen))
    n_keys = min(n_keys, room)
    changes = min(changes, room - n_keys)
    keys = distinct(n_keys, lambda: word_pair(rng, split))

    beginning = _value(rng, chosen, setting) if alike and rng.random() < alike else None

    def needle(key: str, wordings: dict[Role, tuple[str, ...]]) -> Needle:
        value = _value(rng, chosen, setting)
        if beginning is not None:
            value = _begun_alike(rng, value, beginning, chosen)
        return Needle(key, value, rng.choice(wordings[split]).format(kind=chosen, key=key, value=value))

    changing = [needle(keys[0], STATEMENTS), *(needle(keys[0], CHANGES) for _ in range(changes))]
    needles = interleave(rng, changing, [needle(key, STATEMENTS) for key in keys[1:]])
    last_of = {each.key: index for index, each in enumerate(needles)}
    asked = keys[:1] if changes else rng.sample(keys, min(n_keys, n_questions))
    document = compose(
        rng,
        setting.corpus.books_of(split),
        setting.tokenizer,
        [Insertion(each.text) for each in needles],
        setting.n_tokens,
        depths=None if depth is None else depths_around(rng, len(needles), last_of[asked[0]], depth),
    )
    wordings = (CHANGED_QUESTIONS if changes else QUESTIONS)[split]
    questions = tuple(
        ask(
            setting,
            document,
            (last_of[key],),
            rng.choice(wordings).format(kind=chosen, key=key),
            (needles[last_of[key]].value,),
            evidence=needles[last_of[key]].text,
            replaced=[
                (index, each.value) for index, each in enumerate(needles[: last_of[key]]) if each.key == key
            ],
        )
        for key in asked
    )
    details = {"kind": chosen, "keys": n_keys, "changes": changes}
    return Sample("needle", document.segments(setting.segment_length), questions, details)
