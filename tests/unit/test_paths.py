"""Where files live."""

import importlib.util
from pathlib import Path

import pytest

from infini_cli import paths

FOLDERS = (
    paths.data_dir,
    paths.memories_dir,
    paths.models_dir,
    paths.cache_dir,
    paths.state_dir,
    paths.config_file,
)


@pytest.mark.parametrize("place", FOLDERS)
def test_infini_home_moves_everything_and_nothing_is_created(home: Path, place) -> None:
    assert place().is_relative_to(home)
    assert not place().exists()


def test_every_place_is_different() -> None:
    assert len({place() for place in FOLDERS}) == len(FOLDERS)


@pytest.mark.parametrize("place", FOLDERS)
def test_without_infini_home_the_platform_decides(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place
) -> None:
    monkeypatch.delenv("INFINI_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    assert place().is_relative_to(tmp_path)
    assert "infini" in place().parts


def test_memories_are_data_and_not_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("INFINI_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert paths.memories_dir() == tmp_path / "data" / "infini" / "memories"


def test_a_relative_infini_home_does_not_follow_the_current_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INFINI_HOME", "here")
    before = paths.data_dir()
    assert before == tmp_path / "here" / "data"
    monkeypatch.setenv("INFINI_HOME", "~/there")
    assert "~" not in str(paths.data_dir())


def test_the_shipped_models_are_found() -> None:
    assert (paths.shipped_models_dir() / "index.toml").is_file()


def test_the_shipped_models_are_found_in_an_installed_wheel(tmp_path: Path) -> None:
    package = tmp_path / "infini_cli"
    (package / "models").mkdir(parents=True)
    (tmp_path / "models").mkdir()
    copy = package / "paths.py"
    copy.write_bytes(Path(paths.__file__).read_bytes())
    specification = importlib.util.spec_from_file_location("paths_of_the_wheel", copy)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    assert module.shipped_models_dir() == package / "models"
