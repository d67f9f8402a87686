"""What the command line says about itself and about mistakes."""

import json
import re

import pytest
import typer
from typer.testing import CliRunner

from infini_cli import __version__
from infini_cli.app import app
from infini_cli.commands.options import SETTING_NAMES
from infini_cli.settings import Settings


def all_commands() -> dict[str, object]:
    """Every command by its full name, the program itself under ""."""
    found: dict[str, object] = {}

    def visit(command: object, name: str) -> None:
        found[name] = command
        for key, inner in getattr(command, "commands", {}).items():
            visit(inner, f"{name} {key}".strip())

    visit(typer.main.get_command(app), "")
    return found


LEAVES = [name for name, command in all_commands().items() if not hasattr(command, "commands")]


def test_version(run_main) -> None:
    outcome = run_main("--version")
    assert (outcome.code, outcome.out, outcome.err) == (0, f"infini {__version__}\n", "")


@pytest.mark.parametrize("name", all_commands())
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help(run_main, name: str, flag: str) -> None:
    outcome = run_main(*name.split(), flag)
    assert (outcome.code, outcome.err) == (0, "")
    assert f"Usage: infini {name}".strip() in outcome.out


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_takes_the_options_users_expect(name: str) -> None:
    options = {option for parameter in all_commands()[name].params for option in parameter.opts}
    assert {"--json", "--quiet", "--no-color", "--debug"} <= options


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_says_what_it_does_and_every_option_too(name: str) -> None:
    command = all_commands()[name]
    assert command.help
    assert all(parameter.help for parameter in command.params)


def test_options_before_the_command_cover_every_setting() -> None:
    assert set(Settings.model_fields) == SETTING_NAMES
    before = {parameter.name for parameter in all_commands()[""].params}
    assert before >= SETTING_NAMES


def test_nothing_asked_shows_help(run_main) -> None:
    outcome = run_main()
    assert outcome.code == 2
    assert "Usage: infini" in outcome.out
    assert outcome.err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["memories", "shw"], "no such command 'shw'. Did you mean 'show'?"),
        (["memories", "show", "--nonsense"], "no such option: --nonsense"),
        (["memories", "rename", "one"], "missing argument 'NEW'"),
        (["memories", "list", "surplus"], "got unexpected extra argument(s) (surplus)"),
        (["config", "show", "--window", "wide"], "invalid value for '--window': "),
        (["config", "show", "--device", "toaster"], "'toaster' is not a value for --device"),
    ],
)
def test_a_mistake_is_told_in_both_forms(run_main, arguments: list[str], message: str) -> None:
    plain = run_main(*arguments)
    assert (plain.code, plain.out) == (2, "")
    assert plain.err.startswith(f"error: {message}")
    assert re.search(r"^hint: ", plain.err, re.MULTILINE)

    as_json = run_main(*arguments, "--json")
    assert (as_json.code, as_json.err) == (2, "")
    error = json.loads(as_json.out)["error"]
    assert (error["code"], error["kind"]) == (2, "usage")
    assert error["message"].startswith(message)


def test_a_question_that_begins_with_a_dash_gets_the_double_dash_hint(run_main) -> None:
    outcome = run_main("memories", "show", "-5 degrees: why?")
    assert outcome.code == 2
    assert "hint: put -- before a question" in outcome.err
    with_dashes = run_main("memories", "show", "--", "-5 degrees: why?")
    assert "cannot be the name of a memory" in with_dashes.err


def test_a_question_without_a_command_is_told_how_to_ask(run_main) -> None:
    outcome = run_main("Who is the narrator?")
    assert outcome.code == 2
    assert "hint: to ask a question: infini ask" in outcome.err


def test_parsing_through_typers_own_runner() -> None:
    result = CliRunner().invoke(app, ["config", "show", "--window", "512", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["settings"]["window"]["value"] == 512
