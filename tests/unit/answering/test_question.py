"""Questions taken apart."""

import pytest

from infini_cli.answering.question import parse_question


def stems(text: str) -> list[str]:
    return [term.stem for term in parse_question(text).terms]


def test_only_words_that_carry_meaning_are_searched_for() -> None:
    assert stems("How often does the ferry cross the river?") == ["often", "ferri", "cross", "river"]


def test_a_word_is_searched_for_once_in_whatever_form() -> None:
    assert stems("Who walks where the walker walked walking?") == ["walk", "walker"]


def test_asking_words_weigh_little_beside_others_and_fully_alone() -> None:
    beside = {term.text: term.weight for term in parse_question("What is the purpose of the valve?").terms}
    assert beside["purpose"] < beside["valve"] == 1.0
    assert [term.weight for term in parse_question("What is a list?").terms] == [1.0]


@pytest.mark.parametrize(
    "text", ["What is this book about?", "Summarize the document", "Who wrote this?", "What is it about?"]
)
def test_questions_about_the_whole_document_are_known(text: str) -> None:
    assert parse_question(text).general


@pytest.mark.parametrize(
    "text", ["What is a list?", "What does the author say of whales?", "Who is Ishmael?"]
)
def test_other_questions_are_not_about_the_whole_document(text: str) -> None:
    assert not parse_question(text).general


@pytest.mark.parametrize(
    ("text", "pair", "strength"),
    [
        ("How does live migration work?", ("live", "migration"), 1),
        ("What does dpkg-reconfigure do?", ("dpkg", "reconfigure"), 2),
        ("What is in /etc/fstab?", ("etc", "fstab"), 2),
        ("Who says “the old mill”?", ("the", "old"), 3),
    ],
)
def test_words_that_belong_together_are_linked(text: str, pair: tuple[str, str], strength: float) -> None:
    question = parse_question(text)
    links = {(question.terms[a].text, question.terms[b].text): firm for a, b, firm in question.links}
    assert links[pair] == strength


def test_words_far_apart_are_not_linked() -> None:
    assert parse_question("Which valve, if it is not the one that leaks, opens?").links[0][2] == 1
    question = parse_question("Does the valve when it is in the up position leak?")
    assert ("valve", "position") not in {
        (question.terms[a].text, question.terms[b].text) for a, b, _ in question.links
    }


def test_stop_words_inside_quotation_marks_are_searched_for() -> None:
    assert "to" in stems('Who says "to be or not to be"?')


def test_single_letters_count_as_signs_only_when_capital() -> None:
    assert "l" in stems("What does the option -L do?")
    assert "s" not in stems("What is the captain's name?")


def test_names_and_numbers_are_told_from_other_words() -> None:
    named = {
        term.text for term in parse_question("Where did Ahab meet the iPhone in 1851?").terms if term.names
    }
    assert named == {"Ahab", "iPhone", "1851"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("How many keepers were there?", "wants_number"),
        ("When did it burn?", "wants_time"),
        ("Who built it?", "wants_person"),
        ("What is a gimbal?", "wants_definition"),
        ("What does NFS stand for?", "wants_definition"),
    ],
)
def test_the_kind_of_answer_is_known(text: str, kind: str) -> None:
    assert getattr(parse_question(text), kind)
    assert not getattr(parse_question("Does the valve leak?"), kind)


@pytest.mark.parametrize(
    "text", ["", "???", "-" * 50, "\x00", '"', "wherein " * 5_000, "鯨は何ですか", "é" * 300]
)
def test_anything_at_all_can_be_asked(text: str) -> None:
    assert len(parse_question(text).terms) <= 100
