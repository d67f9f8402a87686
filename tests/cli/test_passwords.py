"""Encrypted documents: passwords from a file, the environment or a person, and nowhere kept."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Outcome
from tests.unit.documents.pdf_files import write_pages

SECRET = "open sesame"
TINY = ("--model", "for-tests-tiny", "--dtype", "float32")


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    return write_pages(tmp_path / "locked.pdf", ["The treasure is under the oak."] * 3, password=SECRET)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A person at the terminal who types these, the last first."""
    typed: list[str] = []
    monkeypatch.setattr("infini_cli.commands.passwords.stdin_is_terminal", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt, stream: typed.pop())
    return typed


def test_a_password_file_opens_it_and_is_not_kept(
    run_main: Callable[..., Outcome], locked: Path, tmp_path: Path, home: Path
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\nanything\n")
    outcome = run_main("ingest", str(locked), *TINY, "--password-file", str(file))
    assert outcome.code == 0, outcome.err
    assert "read 3 of 3 pages" in outcome.err
    written = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    assert any(b"treasure" in content for content in written)
    assert not any(SECRET.encode() in content for content in written)
    again = run_main("ingest", str(locked), *TINY)
    assert "already read, unchanged" in again.err, "what was read needs no password"


def test_the_environment_opens_it_for_a_question(
    run_main: Callable[..., Outcome], locked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFINI_PASSWORD", SECRET)
    outcome = run_main("ask", "Where is the treasure?", str(locked), *TINY)
    assert outcome.code == 0, outcome.err
    assert "under the oak" in outcome.out


def test_without_or_with_a_wrong_one_it_is_refused(
    run_main: Callable[..., Outcome], locked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = run_main("ingest", str(locked), *TINY)
    monkeypatch.setenv("INFINI_PASSWORD", "guess")
    wrong = run_main("summarize", str(locked), *TINY)
    for outcome in (missing, wrong):
        assert outcome.code == 3
        assert outcome.out == ""
        assert "Loading the model" not in outcome.err
        assert "hint: " in outcome.err
        assert "--password-file" in outcome.err
    assert f"{locked} is encrypted with a password" in missing.err
    assert f"the password given does not open {locked}" in wrong.err


def test_a_person_is_asked_until_it_opens(
    run_main: Callable[..., Outcome], locked: Path, answers: list[str]
) -> None:
    answers += [SECRET, "not it"]
    outcome = run_main("ingest", str(locked), *TINY)
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("that is not the password") == 1
    assert answers == []


def test_a_person_is_asked_three_times_at_most(
    run_main: Callable[..., Outcome], locked: Path, answers: list[str]
) -> None:
    answers += ["never asked", "c", "b", "a"]
    outcome = run_main("ingest", str(locked), *TINY)
    assert outcome.code == 3
    assert answers == ["never asked"]


def test_with_json_nobody_is_asked(
    run_main: Callable[..., Outcome], locked: Path, answers: list[str]
) -> None:
    answers += [SECRET]
    outcome = run_main("ingest", str(locked), *TINY, "--json")
    assert (outcome.code, outcome.err) == (3, "")
    assert answers == [SECRET]


def test_one_that_stays_locked_costs_itself_alone(
    run_main: Callable[..., Outcome], locked: Path, tmp_path: Path
) -> None:
    open_one = write_pages(tmp_path / "open.pdf", ["Anyone may read this."])
    outcome = run_main("ingest", str(open_one), str(locked), *TINY)
    assert outcome.code == 7
    assert "read 1 of 1 pages" in outcome.err
    assert "is encrypted with a password" in outcome.err
    assert "--password-file" in outcome.err


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot be read"), (b"\n", "no password"), (b"\xff\xfe", "UTF-8")]
)
def test_a_password_file_must_hold_one(
    run_main: Callable[..., Outcome], locked: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    outcome = run_main("ingest", str(locked), *TINY, "--password-file", str(file))
    assert outcome.code == 2
    assert said in outcome.err
