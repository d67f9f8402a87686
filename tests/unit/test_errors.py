"""The exit codes and kinds that scripts rely on."""

import pytest

from infini_cli import errors

TABLE = {
    "InfiniError": (1, "bug"),
    "UsageError": (2, "usage"),
    "DocumentError": (3, "document"),
    "LockedError": (3, "document"),
    "ModelError": (4, "model"),
    "SnapshotError": (5, "snapshot"),
    "DiskError": (5, "disk"),
    "DeviceMemoryError": (6, "memory"),
    "PartialReadError": (7, "partial"),
    "NotFoundError": (8, "not-found"),
    "Interrupted": (130, "interrupted"),
}


@pytest.mark.parametrize("name", TABLE)
def test_each_error_has_its_documented_code_and_kind(name: str) -> None:
    error = getattr(errors, name)("the message", hint="the hint")
    assert (error.exit_code, error.kind) == TABLE[name]
    assert isinstance(error, errors.InfiniError)
    assert (str(error), error.message, error.hint) == ("the message", "the message", "the hint")


def test_the_table_is_complete() -> None:
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert defined == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_the_tree_in_the_docstring_is_true(name: str) -> None:
    code, kind = TABLE[name]
    line = next(line for line in errors.__doc__.splitlines() if name in line.split())
    assert line.split()[line.split().index(name) + 1 :][:2] == [str(code), kind]


def test_errors_survive_a_process_boundary() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(errors.DocumentError("broken", hint="mend it")))
    assert (type(error), error.message, error.hint) == (errors.DocumentError, "broken", "mend it")
