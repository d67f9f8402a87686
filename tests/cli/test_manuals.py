"""Examples in the help and in the README are command lines that parse."""

import re

import pytest

from infini_cli.commands.manual import CODES, MANUALS
from infini_cli.errors import InfiniError
from tests.cli.parsing import parse, readme_lines
from tests.cli.test_usage import LEAVES, all_commands

EXAMPLES = [(name, line) for name, manual in MANUALS.items() for line, _ in manual.examples]


@pytest.mark.parametrize("name", all_commands())
def test_every_command_has_examples_and_exit_codes_in_its_help(run_main, name: str) -> None:
    shown = " ".join(run_main(*name.split(), "--help").out.split())
    manual = MANUALS[name]
    assert manual.examples
    for line, meaning in manual.examples:
        assert f"$ {' '.join(line.split())}" in shown
        assert meaning in shown
    assert "Exit codes 0 done" in shown
    for code in manual.codes:
        assert f"{code} {CODES[code]}" in shown


def test_no_manual_is_without_a_command() -> None:
    assert set(MANUALS) == set(all_commands())


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_every_example_parses_and_is_of_its_command(name: str, line: str) -> None:
    (parsed,) = parse(line)
    assert parsed.startswith(name)
    assert parsed in LEAVES


@pytest.mark.parametrize("line", sorted(set(readme_lines())))
def test_every_command_in_the_readme_parses(line: str) -> None:
    if match := re.fullmatch(
        r"infini (--[a-z-]+)", line
    ):  # such as --version, which does not wait for a command
        options = {option for parameter in all_commands()[""].params for option in parameter.opts}
        assert match[1] in {*options, "--help"}
        return
    if line.removeprefix("infini ") in all_commands():  # only names the command
        return
    assert all(name in LEAVES for name in parse(line))


def test_the_readme_shows_commands() -> None:
    assert len(readme_lines()) > 20


@pytest.mark.parametrize(
    "line",
    ["infini memories rename one", "infini nonsense", "infini ask --nonsense x", "x | infini load a b"],
)
def test_a_wrong_line_would_be_noticed(line: str) -> None:
    with pytest.raises(Exception, match=r"(?i)no such|missing|argument"):
        parse(line)


def test_every_exit_code_is_told() -> None:
    def codes(kind: type[InfiniError]) -> set[int]:
        return {kind.exit_code}.union(*(codes(each) for each in kind.__subclasses__()))

    assert set(CODES) == codes(InfiniError) | {0}
    rows = re.findall(r"^\| (\d+) \|", _exit_codes_section(), flags=re.MULTILINE)
    assert [int(row) for row in rows] == sorted(CODES)


def _exit_codes_section() -> str:
    from tests.cli.parsing import README

    return README.read_text(encoding="utf-8").split("## Exit codes")[1].split("\n## ")[0]
