"""Settings: which source wins, where each value came from, and what is refused."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from infini_cli import paths
from infini_cli.errors import UsageError
from infini_cli.settings import Settings, load_settings


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write_user_file(text: str) -> Path:
    file = paths.config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_defaults(project: Path) -> None:
    settings = load_settings({})
    assert (settings.device, settings.dtype, settings.offline) == ("auto", "auto", False)
    assert settings.memory is None
    assert settings.segment_length is None
    assert set(settings.origins.values()) == {"default"}
    assert set(settings.origins) == set(Settings.model_fields)


def test_each_source_wins_over_the_weaker_ones(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user_file = write_user_file('device = "cpu"\nwindow = 512\n')
    settings = load_settings({})
    assert (settings.device, settings.window) == ("cpu", 512)
    assert settings.origins["device"] == str(user_file)

    (project / "infini.toml").write_text('device = "mps"\n')
    settings = load_settings({})
    assert (settings.device, settings.window) == ("mps", 512)
    assert settings.origins["device"] == str(project / "infini.toml")
    assert settings.origins["window"] == str(user_file)

    monkeypatch.setenv("INFINI_DEVICE", "cuda")
    settings = load_settings({})
    assert settings.device == "cuda"
    assert settings.origins["device"] == "environment INFINI_DEVICE"

    settings = load_settings({"device": "cuda:1", "offline": False, "memory": None})
    assert settings.device == "cuda:1"
    assert settings.origins["device"] == "command line"
    assert settings.origins["offline"] == settings.origins["memory"] == "default"


def test_the_environment_is_text_and_empty_means_unset(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFINI_OFFLINE", "1")
    monkeypatch.setenv("INFINI_SEGMENT_LENGTH", "256")
    monkeypatch.setenv("INFINI_DEVICE", "")
    settings = load_settings({})
    assert settings.offline is True
    assert settings.segment_length == 256
    assert settings.origins["device"] == "default"


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().device = "cpu"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("device", "gpu", "cuda:0"),
        ("device", "cuda:x", "cpu"),
        ("dtype", "float16", "bfloat16"),
        ("window", 7, "256"),
        ("segment_length", "many", "16"),
        ("memory", "", "memory"),
    ],
)
def test_a_value_that_is_not_allowed_names_the_option_and_what_is(
    project: Path, name: str, value: object, allowed: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings({name: value})
    assert f"--{name.replace('_', '-')}" in caught.value.message
    assert repr(value) in caught.value.message
    assert allowed in caught.value.hint


def test_a_bad_value_in_a_file_names_the_file(project: Path) -> None:
    file = project / "infini.toml"
    file.write_text("window = 'wide'\n")
    with pytest.raises(UsageError, match="'wide' is not a value for window") as caught:
        load_settings({})
    assert str(file) in caught.value.message


def test_an_unknown_key_names_the_file_and_the_keys_there_are(project: Path) -> None:
    file = write_user_file('devise = "cpu"\n')
    with pytest.raises(UsageError, match="unknown setting 'devise'") as caught:
        load_settings({})
    assert str(file) in caught.value.message
    assert "device" in caught.value.hint


@pytest.mark.parametrize("text", ["device = cpu", "\x00", "[device"])
def test_a_file_that_is_not_toml_is_named(project: Path, text: str) -> None:
    file = write_user_file(text)
    with pytest.raises(UsageError, match="not valid TOML") as caught:
        load_settings({})
    assert str(file) in caught.value.message


def test_a_file_that_is_not_text_is_named(project: Path) -> None:
    write_user_file("")
    paths.config_file().write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_settings({})


def test_a_folder_in_place_of_the_file_is_named(project: Path) -> None:
    (project / "infini.toml").mkdir()
    with pytest.raises(UsageError, match=r"infini\.toml cannot be read"):
        load_settings({})
