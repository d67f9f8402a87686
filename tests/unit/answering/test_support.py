"""Sentences of the model held against the evidence."""

import pytest

from infini_cli.answering.question import parse_question
from infini_cli.answering.support import Witness

PASSAGES = [
    "The lighthouse at Cape Morrow was built in 1874 by the engineer Edmund Hale. It is 31 metres high.",
    "The keeper, Martha Quill, lives there with two dogs. Supplies arrive by boat every second Tuesday.",
]


def witness(question: str) -> Witness:
    asked = parse_question(question)
    return Witness(PASSAGES, asked, {term.stem: 3.0 * term.weight for term in asked.terms})


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("Who built the lighthouse?", "Edmund Hale built it."),
        ("Who built the lighthouse?", "The lighthouse was built by the engineer Edmund Hale in 1874."),
        ("Who is the keeper?", "The keeper is Martha Quill."),
        ("How often do supplies arrive?", "They arrive every second Tuesday."),
    ],
)
def test_what_the_evidence_says_holds(question: str, sentence: str) -> None:
    assert witness(question).hear(sentence).holds()


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("Who built the lighthouse?", "The lighthouse was built by Edmund Hale in 1875."),
        ("Who built the lighthouse?", "It was built by John Smeaton."),
        ("Who built the lighthouse?", "It was constructed of granite by convicts."),
        ("Who built the lighthouse?", "The lighthouse was built."),
        ("How often do supplies arrive?", "The supplies were built in 1874 by the engineer Edmund Hale."),
    ],
    ids=["wrong number", "wrong name", "foreign words", "says nothing", "from elsewhere"],
)
def test_what_it_does_not_say_does_not_hold(question: str, sentence: str) -> None:
    assert not witness(question).hear(sentence).holds()


def test_numbers_and_names_that_are_nowhere_are_named() -> None:
    heard = witness("Who built the lighthouse?").hear("It was built by John Hale in 1875.")
    assert set(heard.foreign) == {"1875", "John"}


def test_names_in_the_question_are_not_foreign() -> None:
    heard = witness("Did John Smeaton build the lighthouse?").hear("It was not John Smeaton but Edmund Hale.")
    assert heard.foreign == ()


def test_what_was_said_before_adds_nothing() -> None:
    heard = witness("Who built the lighthouse?").hear("Edmund Hale built it.", said={"edmund", "hale"})
    assert heard.adds == 0
    assert not heard.holds()


def test_words_from_two_sentences_hold_only_when_that_is_allowed() -> None:
    heard = Witness(PASSAGES).hear("Edmund Hale lives there with two dogs and supplies.")
    assert heard.share == 1.0
    assert heard.holds()
    assert not heard.holds(together=0.9)
