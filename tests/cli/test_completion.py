"""What the tab key offers, asked for as the shells ask."""

import sys

import pytest

from infini_cli import paths

PROBE = (
    "import sys; from infini_cli.main import main\n"
    "try:\n    code = main(sys.argv[1:])\n"
    "finally:\n    sys.stderr.write(' '.join(sys.modules))"
)


def complete(run_process, line: str, shell: str = "bash") -> tuple[list[str], set[str]]:
    """What is offered for the last word of a line, and which modules that took."""
    words = line.split(" ")
    env = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    outcome = run_process(
        env={"_INFINI_COMPLETE": f"complete_{shell}", **env}, command=(sys.executable, "-c", PROBE)
    )
    assert outcome.code == 0
    return outcome.out.split(), set(outcome.err.split())


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("infini memories show ", ["austen", "shelf"]),
        ("infini memories rm austen s", ["shelf"]),
        ("infini ask --memory a", ["austen"]),
        ("infini save s", ["shelf"]),
        ("infini models show for", ["for-tests-tiny"]),
        ("infini chat --model smol", ["smollm2-135m-instruct", "smollm2-135m-infini"]),
        ("infini config set win", ["window"]),
        ("infini ask --dtype b", ["bfloat16"]),
        ("infini summarize --length s", ["short"]),
        ("infini mem", ["memories"]),
    ],
)
def test_names_are_offered_without_loading_anything_heavy(
    run_process, make_memory, line: str, offered: list[str]
) -> None:
    make_memory("shelf")
    make_memory("austen")
    found, modules = complete(run_process, line)
    assert found == offered
    assert modules.isdisjoint({"torch", "numpy", "tokenizers", "rich"})


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_served_too(run_process, make_memory, shell: str) -> None:
    make_memory("shelf")
    offered, _ = complete(run_process, "infini memories show s", shell)
    assert "shelf" in " ".join(offered)


def test_nothing_is_said_when_nothing_can_be_offered(run_process) -> None:
    paths.memories_dir().parent.mkdir(parents=True)
    paths.memories_dir().write_text("not a folder")
    assert complete(run_process, "infini memories show s")[0] == []


def test_the_script_for_the_shell_is_shown(run_process) -> None:
    shown = run_process(
        "--show-completion", "bash", env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    )
    assert (shown.code, shown.err) == (0, "")
    assert "_INFINI_COMPLETE=complete_bash" in shown.out
