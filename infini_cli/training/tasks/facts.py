"""Invented facts about people and things, stated once among the sentences of a novel, in many wordings."""

import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from infini_cli.answering.prompts import REFUSAL
from infini_cli.training.composition import Insertion, compose
from infini_cli.training.manifest import Role
from infini_cli.training.tasks.asking import ask
from infini_cli.training.tasks.drawing import depths_around
from infini_cli.training.tasks.lists import pool
from infini_cli.training.tasks.sample import Sample, Setting
from infini_cli.training.tasks.values import full_name, value, with_article

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FACTS_FILE = Path(__file__).with_name("facts.toml")
MOST_FACTS = 12
# a stated fact takes about 16 tokens; they never fill more than a third of the document
_TOKENS_PER_FACT = 48
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of fact, with its wordings for training and for evaluations."""

    name: str
    subject: str
    value: str
    statements: dict[Role, tuple[str, ...]]
    questions: dict[Role, tuple[str, ...]]
    unseen: bool  # never in training


@dataclass(frozen=True, slots=True)
class Fact:
    """One stated fact."""

    family: Family
    subject: str
    value: str
    text: str


@cache
def load_families() -> tuple[Family, ...]:
    """All families of facts.toml."""
    with FACTS_FILE.open("rb") as stream:
        tables = tomllib.load(stream)["family"]
    return tuple(
        Family(
            name=table["name"],
            subject=table["subject"],
            value=table["value"],
            statements={"train": tuple(table["statements"]), "heldout": tuple(table["heldout_statements"])},
            questions={"train": tuple(table["questions"]), "heldout": tuple(table["heldout_questions"])},
            unseen=table.get("unseen", False),
        )
        for table in tables
    )


def families(*, unseen: bool = False) -> tuple[Family, ...]:
    """The families used in training, or those kept from it."""
    return tuple(family for family in load_families() if family.unseen == unseen)


def _person(rng: Random, split: Role) -> str:
    """A person as a story would call them: by first name, by both names, or by title and surname."""
    manner = rng.random()
    if manner < 0.4:
        return rng.choice(pool("first_names", split))
    if manner < 0.8:
        return full_name(rng, split)
    title = rng.choice(("Mr.", "Mrs.", "Miss", "Captain", "Doctor", "Professor", "Uncle", "Aunt", "Old"))
    return f"{title} {rng.choice(pool('surnames', split))}"


def _subject(rng: Random, family: Family, split: Role) -> str:
    if family.subject == "person":
        return _person(rng, split)
    return _PLACEHOLDER.sub(lambda found: rng.choice(pool(found[1], split)), family.subject)


def word(wording: str, subject: str, answer: str = "") -> str:
    """Fill a wording of facts.toml in."""
    capital = subject[:1].upper() + subject[1:]
    text = wording.format(s=subject, S=capital, v=answer, av=with_article(answer) if answer else "")
    return text[:1].upper() + text[1:]


def _draw_facts(
    rng: Random, chosen: list[Family], count: int, split: Role, n_wordings: int | None
) -> list[Fact]:
    """Facts of the families: no two of one family share subject or value, and no two people share a name."""
    people: list[str] = []
    facts: list[Fact] = []
    used: set[tuple[str, str]] = set()
    attempts = 0
    while len(facts) < count and attempts < 100 * count:
        attempts += 1
        family = rng.choice(chosen)
        # some people have several facts told of them
        subject = rng.choice(people) if people and rng.random() < 0.3 else _subject(rng, family, split)
        if family.subject != "person":
            subject = _subject(rng, family, split)
        elif subject not in people and any(set(subject.split()) & set(other.split()) for other in people):
            continue
        answer = value(rng, family.value, split)
        marks = {(family.name, subject), (family.name, "=" + answer)}
        if marks & used or answer in subject or subject in answer:
            continue
        used |= marks
        if family.subject == "person" and subject not in people:
            people.append(subject)
        text = word(rng.choice(family.statements[split][:n_wordings]), subject, answer)
        facts.append(Fact(family, subject, answer, text))
    return facts


def make_facts(
    rng: Random,
    setting: Setting,
    *,
    n_facts: int | None = None,
    n_families: int | None = None,
    n_known: int | None = None,
    n_wordings: int | None = None,
    depth: float | None = None,
    n_questions: int = 4,
    unseen: bool = False,
    unstated_share: float = 0.0,
) -> Sample:
    """Facts in prose, some of them asked for.

    Args:
        n_facts: how many are stated, if the document has room for them; by default a random number, fewer in short
            documents.
        n_families: of how many kinds they are; few kinds make facts that are easily confused.
        n_known: draw them from the first so many kinds only, so that learning begins with few.
        n_wordings: state and ask each of them in its first so many wordings only.
        depth: where the first asked fact stands; random by default.
        n_questions: up to how many facts are asked for, each in a question of its own.
        unseen: use only families that training never uses.
        unstated_share: how often something that the document does not state is asked too, and to be refused.
    """
    split = setting.split
    if n_facts is None:
        n_facts = rng.randint(1, max(1, min(MOST_FACTS, setting.n_tokens // _TOKENS_PER_FACT)))
    available = families(unseen=unseen)[:n_known]
    n_families = rng.randint(1, min(n_facts, len(available))) if n_families is None else n_families
    chosen = rng.sample(available, min(n_families, len(available)))
    facts = _draw_facts(rng, chosen, n_facts + 1, split, n_wordings)
    unstated = facts.pop() if len(facts) > n_facts else None
    while len(facts) > 1 and not setting.has_room_for(fact.text for fact in facts):
        facts.pop()
    asked = rng.sample(range(len(facts)), min(len(facts), n_questions))
    document = compose(
        rng,
        setting.corpus.books_of(split),
        setting.tokenizer,
        [Insertion(fact.text) for fact in facts],
        setting.n_tokens,
        depths=None if depth is None else depths_around(rng, len(facts), asked[0], depth),
        avoid=_names(facts),
    )
    questions = [
        ask(
            setting,
            document,
            (index,),
            word(rng.choice(facts[index].family.questions[split][:n_wordings]), facts[index].subject),
            (facts[index].value,),
            evidence=facts[index].text,
            details={"family": facts[index].family.name},
        )
        for index in asked
    ]
    if unstated is not None and rng.random() < unstated_share:
        text = word(rng.choice(unstated.family.questions[split][:n_wordings]), unstated.subject)
        family = {"family": unstated.family.name}
        questions.append(ask(setting, document, (), text, (REFUSAL,), details=family))
    details = {"facts": len(facts), "families": len(chosen)}
    return Sample("facts", document.segments(setting.segment_length), tuple(questions), details)


def _names(facts: list[Fact]) -> list[str]:
    """The subjects that are people, in the words under which a novel could have someone else."""
    return list(dict.fromkeys(fact.subject.split()[-1] for fact in facts if fact.family.subject == "person"))
