"""What counts as right."""

import pytest

from infini_cli.evals.judging import contained, exact_match, first_integer, normalise, nothing_else, token_f1


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("4821", True),
        (" 4821. Remember it.", True),
        ("The pass key is 4821", True),
        ("48 21", False),
        ("12 or 4821", False),
        ("04821", True),
        ("none", False),
        ("", False),
    ],
)
def test_the_first_integer_is_the_pass_key(answer, right):
    assert first_integer(answer, ("4821",)) is right


@pytest.mark.parametrize(
    ("answer", "right", "inside"),
    [
        ("kitchen", True, True),
        (" Kitchen.\n", True, True),
        ("the kitchen", False, True),
        ("kitchenette", False, False),
        ("garden", False, False),
        ("", False, False),
    ],
)
def test_an_answer_and_nothing_else(answer, right, inside):
    assert nothing_else(answer, ("kitchen",)) is right
    assert contained(answer, ("kitchen",)) is inside


def test_squad_normalisation():
    assert normalise("The  Battle, of Hastings!") == "battle of hastings"
    assert exact_match("a Battle of Hastings", ("1066", "the battle of Hastings."))


@pytest.mark.parametrize(
    ("answer", "accepted", "f1"),
    [
        ("in the year 1066", ("1066",), 0.5),
        ("1066", ("the year 1066", "1066"), 1.0),
        ("", ("1066",), 0.0),
        ("1066 1066", ("1066",), 2 / 3),
        ("The", ("a",), 1.0),
    ],
)
def test_words_in_common(answer, accepted, f1):
    assert token_f1(answer, accepted) == pytest.approx(f1)
