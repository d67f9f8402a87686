"""Settings files changed in one place."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infini_cli.errors import UsageError
from infini_cli.settings import Settings
from infini_cli.settings_edit import parse_value, with_value

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = """\
# my machine
device = "cpu"   # the card is slow

# reading
  'window' = 1024
debug = true"""


def test_a_value_is_replaced_where_it_stands_and_its_comment_stays() -> None:
    assert with_value(FILE, "device", "cuda:1") == FILE.replace('"cpu"', '"cuda:1"')
    assert "\nwindow = 512\ndebug" in with_value(FILE, "window", 512)
    assert with_value(FILE, "debug", False) == FILE.replace("true", "false") + "\n"


def test_a_new_value_comes_last() -> None:
    assert with_value(FILE, "offline", True) == FILE + "\noffline = true\n"
    assert with_value("", "memory", "shelf") == 'memory = "shelf"\n'


def test_a_value_is_unset_and_the_rest_stays() -> None:
    assert with_value(FILE, "window", None) == FILE.replace("  'window' = 1024\n", "")
    assert with_value(FILE, "model", None) == FILE


@pytest.mark.parametrize("text", ['model = """a\nb"""\n', "model = '''\nx'''\n", 'model = ["a",\n"b"]\n'])
def test_what_cannot_be_changed_safely_is_left_to_an_editor(text: str) -> None:
    with pytest.raises(UsageError):
        with_value(text, "model", "x")


def test_a_broken_file_is_told() -> None:
    with pytest.raises(UsageError, match="not valid TOML"):
        with_value("device = \n", "device", "cpu")


@given(st.text(min_size=1), st.sampled_from(["model", "memory"]), st.sampled_from(["", FILE, 'memory = "x"']))
def test_any_text_comes_back_as_it_was_or_is_refused(value: str, name: str, file: str) -> None:
    try:
        changed = with_value(file, name, value)
    except UsageError:
        return
    assert tomllib.loads(changed) == {**tomllib.loads(file), name: value}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("window", "512", 512), ("offline", "yes", True), ("device", "cuda:1", "cuda:1"), ("memory", "7", "7")],
)
def test_values_get_the_type_of_their_setting(name: str, text: str, value: object) -> None:
    assert parse_value(name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("window", "wide", "a whole number from 256"),
        ("window", "1", "a whole number from 256"),
        ("device", "toaster", "auto, cpu, cuda"),
        ("colour", "red", ", ".join(Settings.model_fields)),
    ],
)
def test_what_is_not_allowed_is_told(name: str, text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_value(name, text)
    assert hint in str(caught.value.hint)
