"""`ask` and `summarize` through the program's entry, with the tiny model: what goes where, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infini_cli.answering.answer import NOT_FOUND, NOT_HELD
from tests.conftest import Outcome
from tests.unit.answering.fakes import FILLER

LIGHTHOUSE = "The lighthouse was built in 1874 by Edmund Hale."
REPORT = "\n\n".join(["# The lighthouse", LIGHTHOUSE, *FILLER[:14], "# The farm", *FILLER[14:]])
QUESTION = "Who built the lighthouse?"


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("INFINI_MODEL", "for-tests-tiny")
    file = tmp_path / "report.md"
    file.write_text(REPORT)
    return str(file)


@pytest.fixture
def infini(run_main: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Run a command that succeeds."""

    def run(*arguments: str) -> Outcome:
        outcome = run_main(*arguments)
        assert outcome.code == 0, outcome.err
        return outcome

    return run


def lines(outcome: Outcome) -> list[dict[str, Any]]:
    return [json.loads(line) for line in outcome.out.splitlines()]


def test_an_answer_and_its_places_go_to_standard_output_and_the_rest_does_not(infini, report: str) -> None:
    outcome = infini("ask", QUESTION, report)
    assert outcome.out.startswith("The document says: “The lighthouse was built in 1874 by Edmund Hale.”\n\n")
    assert "line 3 (The lighthouse)  “The lighthouse was built in 1874 by Edmund Hale.”" in outcome.out
    assert "Reading" in outcome.err
    assert "Reading" not in outcome.out


def test_the_answer_is_the_same_streamed_or_not(infini, report: str) -> None:
    assert (
        infini("ask", QUESTION, report, "-q").out == infini("ask", QUESTION, report, "-q", "--no-stream").out
    )


def test_json_streams_pieces_and_then_the_whole(infini, report: str) -> None:
    *pieces, last = lines(infini("ask", QUESTION, report, "--json", "--stream"))
    assert "".join(piece["text"] for piece in pieces) == last["answer"]
    assert last["citations"][0]["line"] == 3
    assert last["memory"] is None


def test_several_questions_are_answered_in_one_object_or_line_by_line(
    infini, report: str, tmp_path: Path
) -> None:
    file = tmp_path / "questions.txt"
    file.write_text(f"{QUESTION}\n\nWhat is the capital of Norway?\n")
    (whole,) = lines(infini("ask", "--questions", str(file), report, "--json"))
    assert [(each["question"], each["found"]) for each in whole["answers"]] == [
        (QUESTION, True),
        ("What is the capital of Norway?", False),
    ]
    streamed = lines(infini("ask", "--questions", str(file), report, "--json", "--stream"))
    assert [each["answer"] for each in streamed] == [each["answer"] for each in whole["answers"]]
    plain = infini("ask", "--questions", str(file), report, "-q").out
    assert f"Q: {QUESTION}\nA: The document says" in plain
    assert f"A: {NOT_FOUND}" in plain


def test_not_found_is_8_for_one_question_of_several(infini, run_main, report: str, tmp_path: Path) -> None:
    file = tmp_path / "questions.txt"
    file.write_text(f"{QUESTION}\nWhat is the capital of Norway?\n")
    outcome = run_main("ask", "--questions", str(file), report, "--fail-if-not-found", "-q")
    assert outcome.code == 8
    assert "1 of 2 questions" in outcome.err
    infini("ask", QUESTION, report, "--fail-if-not-found", "-q")


@pytest.fixture
def sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model is never sure of anything."""
    monkeypatch.setattr("infini_cli.answering.answer.SURE_FROM", 0.0)


@pytest.mark.usefixtures("sure")
def test_the_memory_alone_is_labelled(infini, report: str) -> None:
    outcome = infini("ask", QUESTION, report, "--memory-only", "--max-tokens", "5")
    assert "from the memory alone" in outcome.err
    (told,) = lines(infini("ask", QUESTION, report, "--memory-only", "--max-tokens", "5", "--json"))
    assert (told["source"], told["citations"]) == ("memory", [])
    assert told["usage"]["completion_tokens"] == 5


def test_what_the_model_is_not_sure_of_counts_as_not_found(run_main, report: str) -> None:
    outcome = run_main("ask", QUESTION, report, "--memory-only", "--fail-if-not-found", "-q")
    assert (outcome.code, outcome.out) == (8, f"{NOT_HELD}\n")


@pytest.mark.usefixtures("sure")
def test_a_seed_gives_the_same_answer_again(infini, report: str) -> None:
    arguments = ["ask", QUESTION, report, "--memory-only", "--max-tokens", "12", "-q", "--temperature", "1.5"]
    assert infini(*arguments, "--seed", "1").out == infini(*arguments, "--seed", "1").out
    assert infini(*arguments, "--seed", "1").out != infini(*arguments, "--seed", "2").out


@pytest.mark.parametrize("command", ["ask", "summarize"])
def test_the_result_can_go_to_a_file(infini, report: str, tmp_path: Path, command: str) -> None:
    arguments = [command, *([QUESTION] if command == "ask" else []), report, "-q"]
    target = tmp_path / "result.txt"
    assert infini(*arguments, "-o", str(target)).out == ""
    assert target.read_text() == infini(*arguments).out == infini(*arguments, "-o", "-").out


def test_nothing_is_written_when_the_command_fails(run_main, report: str, tmp_path: Path) -> None:
    target = tmp_path / "result.txt"
    target.write_text("before")
    assert run_main("ask", QUESTION, str(tmp_path / "missing.txt"), "-o", str(target)).code == 3
    assert target.read_text() == "before"
    assert run_main("ask", QUESTION, report, "-o", str(tmp_path)).code == 2
    assert run_main("ask", QUESTION, report, "-o", str(tmp_path / "no" / "folder")).code == 2


def test_a_summary_has_its_parts_in_order_and_the_whole(infini, report: str) -> None:
    plain = infini("summarize", report, "-q").out
    headings = [line.split(" (")[0] for line in plain.splitlines() if line.startswith("## ")]
    assert headings == ["## The lighthouse", "## The farm", "## In short"]
    *parts, last = lines(infini("summarize", report, "--json", "--stream"))
    assert [part["section"] for part in parts] == last["sections"]
    assert last["coverage"][0]["pages_read"] == 1


def test_a_focus_that_is_nowhere_is_said_to_be(infini, report: str) -> None:
    assert (
        "does not seem to speak of 'submarines'" in infini("summarize", report, "--focus", "submarines").out
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ask", "   "], "there is no question"),
        (["ask", "{report}"], "there is no question, only the file"),
        (["ask", QUESTION, "{report}", "--memory", "x"], "either documents or --memory"),
        (["ask", "--questions", "{folder}/none.txt", "{report}"], "cannot be read"),
        (["ask", "--questions", "{folder}/binary.txt", "{report}"], "not a text in UTF-8"),
        (["ask", "--questions", "{folder}/blank.txt", "{report}"], "there are no questions"),
        (["ask", "--questions", "-", "-"], "cannot be both"),
        (["ask", QUESTION, "{report}", "--temperature", "-1"], "--temperature"),
        (["summarize", "{report}", "--length", "endless"], "--length"),
        (["ask", QUESTION], "there is no memory yet"),
    ],
)
def test_wrong_usage_is_2_and_says_what_is_wrong(
    run_main, report: str, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "blank.txt").write_text("\n \n")
    outcome = run_main(*(each.format(report=report, folder=tmp_path) for each in arguments))
    assert (outcome.code, outcome.out) == (2, "")
    assert message in " ".join(outcome.err.split())


@pytest.mark.parametrize("question", ["\udcff\udcfe?", "\x00", "鯨?", "a" * 5_000])
def test_any_question_can_be_asked(infini, report: str, question: str) -> None:
    assert infini("ask", question, report, "-q").out.startswith(NOT_FOUND)
