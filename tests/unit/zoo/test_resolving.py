"""What the user calls a model leads to its files, its fingerprint, its adapter and the form of its memory."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infini_cli import paths, zoo
from infini_cli.errors import ModelError
from infini_cli.nn.checkpoint import load_base, save_adapter
from infini_cli.nn.config import MemoryConfig
from infini_cli.zoo import ResolvedModel
from tests.unit.nn.networks import FORMS, random_network
from tests.unit.zoo.conftest import NAME, sha256

pytestmark = pytest.mark.usefixtures("index")

OTHER_MEMORY = MemoryConfig(layers=(1,), update="linear")


def test_unknown_model_lists_those_there_are() -> None:
    for ask in (zoo.resolve, zoo.show, zoo.pull):
        with pytest.raises(ModelError, match="no model 'gpt-9'") as caught:
            ask("gpt-9")
        expected = "on this machine: for-tests-tiny; to be pulled: small; or the path of a model"
        assert caught.value.hint == expected


def test_names_win_over_folders_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "for-tests-tiny").mkdir()

    assert zoo.resolve("for-tests-tiny").folder == paths.shipped_models_dir() / "for-tests-tiny"


def test_folder_by_its_path_is_known_by_its_content(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(paths.shipped_models_dir() / "for-tests-tiny", folder)

    first = zoo.resolve(str(folder))
    again = zoo.resolve(str(folder))
    (folder / "README.md").write_text("another card")
    same = zoo.resolve(str(folder))
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    os.utime(weights, ns=(0, time.time_ns()))
    other = zoo.resolve(str(folder))

    assert first == again == same
    assert first.memory.layers == (0, 1, 2)
    assert first.fingerprint == zoo.resolve("for-tests-tiny").fingerprint != other.fingerprint


def test_files_are_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(paths.shipped_models_dir() / "for-tests-tiny")
    expected = zoo.resolve(folder)
    monkeypatch.setattr("infini_cli.zoo.hashing.sha256", None)

    assert zoo.resolve(folder) == expected


def test_resolving_works_without_a_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(paths, "cache_dir", lambda: tmp_path / "file" / "cache")

    assert zoo.resolve("for-tests-tiny").fingerprint


def test_gguf_by_its_path_is_converted_once(gguf_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, int]] = []
    first = zoo.resolve(str(gguf_file), on_progress=lambda *report: seen.append(report))
    monkeypatch.setattr("infini_cli.zoo.resolving.convert", None)

    assert zoo.resolve(str(gguf_file)) == first
    assert seen[-1] == ("convert", len(seen), len(seen))
    assert first.fingerprint == sha256(gguf_file)
    assert first.folder.is_relative_to(paths.cache_dir())
    assert load_base(first.folder).config.d_model == 256


@pytest.mark.parametrize("kind", ["empty folder", "text file"])
def test_paths_without_a_model_are_model_errors(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    if kind == "text file":
        path.write_text("once upon a time")
    else:
        path.mkdir()

    with pytest.raises(ModelError, match=r"holds no model|not a complete GGUF"):
        zoo.resolve(str(path))


def write_adapter(folder: Path, base: str, memory: MemoryConfig = OTHER_MEMORY) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    save_adapter(random_network(memory), folder / "adapter.safetensors", base=base)
    return folder / "adapter.safetensors"


def test_adapter_shipped_for_a_model_brings_its_memory(pulled: ResolvedModel) -> None:
    adapter = write_adapter(paths.shipped_models_dir() / NAME, pulled.fingerprint)

    resolved = zoo.resolve(NAME)

    assert (resolved.adapter, resolved.adapter_fingerprint) == (adapter, sha256(adapter))
    assert resolved.memory == OTHER_MEMORY
    assert zoo.show(NAME).adapter == adapter


def test_adapter_in_a_folder_of_its_own_finds_its_base(pulled: ResolvedModel, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "trained", pulled.fingerprint)

    for given in (adapter, adapter.parent):
        resolved = zoo.resolve(str(given))
        assert (resolved.folder, resolved.adapter, resolved.memory) == (pulled.folder, adapter, OTHER_MEMORY)


def test_adapter_of_an_unknown_or_another_base_is_refused(tmp_path: Path) -> None:
    write_adapter(tmp_path / "alone", "0" * 64)
    with pytest.raises(ModelError, match="not known here"):
        zoo.resolve(str(tmp_path / "alone"))

    shutil.copytree(paths.shipped_models_dir() / "for-tests-tiny", tmp_path / "beside")
    write_adapter(tmp_path / "beside", "0" * 64)
    with pytest.raises(ModelError, match="another base model"):
        zoo.resolve(str(tmp_path / "beside"))


def test_adapter_beside_a_model_does_not_change_its_fingerprint(tmp_path: Path) -> None:
    shutil.copytree(paths.shipped_models_dir() / "for-tests-tiny", tmp_path / "beside")
    fingerprint = zoo.resolve(str(tmp_path / "beside")).fingerprint
    write_adapter(tmp_path / "beside", fingerprint, FORMS["paper"])

    resolved = zoo.resolve(str(tmp_path / "beside"))

    assert resolved.fingerprint == fingerprint
    assert resolved.memory == FORMS["paper"]


def test_adapter_of_its_own_name_shares_the_files_of_its_base(
    pulled: ResolvedModel, index: Callable[..., None]
) -> None:
    table = '[models.trained]\ndescription = "d"\nlicence = "MIT"\nparameters = 1001\nbase = "small"\n'
    index("[models.small]", table + "[models.small]")
    adapter = write_adapter(paths.shipped_models_dir() / "trained", pulled.fingerprint)
    # a card and a description beside it make it no model of its own
    (adapter.parent / "config.json").write_text("{}")

    trained = zoo.pull("trained", offline=True)
    base = zoo.resolve("small")

    assert (trained.name, trained.adapter, trained.memory) == ("trained", adapter, OTHER_MEMORY)
    assert (trained.folder, trained.fingerprint) == (base.folder, base.fingerprint)
    assert base.adapter is None
    assert zoo.resolve(str(adapter.parent)).adapter == adapter
    assert (zoo.show("trained").state, zoo.show("trained").parameters) == ("pulled", 1001)
    with pytest.raises(ModelError, match="only its base model") as caught:
        zoo.remove("trained")
    assert caught.value.hint == "infini models rm small"
    zoo.remove("small")
    assert zoo.show("trained").state == "available"
