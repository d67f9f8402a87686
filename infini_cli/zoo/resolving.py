"""From what the user calls a model to the files that are loaded."""

import functools
from dataclasses import dataclass
from pathlib import Path

from infini_cli import paths
from infini_cli.errors import ModelError
from infini_cli.nn.adapter_info import AdapterInfo, read_adapter_info
from infini_cli.nn.config import MemoryConfig
from infini_cli.nn.hugging_face_config import CONFIG, read_folder_config
from infini_cli.zoo.hashing import folder_fingerprint, remembered_sha256
from infini_cli.zoo.index import Entry, MemoryDefaults, load_index
from infini_cli.zoo.installed import convert, read_manifest
from infini_cli.zoo.pulling import CONVERTED, OnProgress, model_folder

ADAPTER = "adapter.safetensors"
# what decides the outputs of a model in a Hugging Face folder
_DEFINING = (CONFIG, "*.safetensors", "tokenizer.json", "tokenizer.model")


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model whose files are on this machine.

    name: what the user called it.
    folder: its config, weights and tokenizer, in Hugging Face's form.
    fingerprint: SHA-256 of the GGUF file that it was made from, or of the folder's files.
    adapter: trained memory parameters and LoRA updates for it, or None.
    adapter_fingerprint: SHA-256 of that file.
    memory: the form of its memory.
    """

    name: str
    folder: Path
    fingerprint: str
    memory: MemoryConfig
    adapter: Path | None = None
    adapter_fingerprint: str | None = None


def resolve(
    name_or_path: str, *, offline: bool = False, on_progress: OnProgress | None = None
) -> ResolvedModel:
    """The files of a model, by its name in the index, or by the path of a folder, adapter or GGUF file.

    A GGUF file is converted into the user's cache the first time, which `on_progress` hears of. A folder that
    holds an adapter and no base model stands for the known model that the adapter was trained for.

    Raises:
        ModelError: unknown, not on this machine yet, incomplete, or with an adapter that does not fit.
        OSError: a GGUF file cannot be converted for want of room.
    """
    index = load_index()
    if entry := index.models.get(name_or_path):
        return _known(entry, offline=offline)
    path = Path(name_or_path).expanduser()
    if path.name == ADAPTER and path.is_file():
        path = path.parent
    if path.is_file():
        return _gguf(path, index.memory, on_progress)
    if (path / ADAPTER).is_file() and not _has_weights(path):
        return _adapter_alone(name_or_path, path / ADAPTER, offline=offline)
    if (path / CONFIG).is_file():
        return _folder(name_or_path, path, index.memory)
    if path.exists():
        raise ModelError(
            f"{path} holds no model",
            hint=f"a model's folder has a {CONFIG}; a GGUF file is given by its own path",
        )
    raise ModelError(f"there is no model {name_or_path!r}", hint=known_models())


def folder_of(entry: Entry) -> Path | None:
    """Where a known model's files are, or None when they are not on this machine."""
    if entry.shipped:
        return paths.shipped_models_dir() / entry.name
    folder = model_folder(entry.files) / CONVERTED
    return folder if read_manifest(folder) is not None else None


def known_models() -> str:
    """Which models there are, as a hint."""
    here = [name for name, entry in load_index().models.items() if folder_of(entry) is not None]
    away = [name for name in load_index().models if name not in here]
    parts = [f"on this machine: {', '.join(here)}"] if here else []
    parts += [f"to be pulled: {', '.join(away)}"] if away else []
    return "; ".join([*parts, "or the path of a model"])


def adapter_of(entry: Entry) -> Path | None:
    """The adapter shipped for a known model, if any."""
    file = paths.shipped_models_dir() / entry.name / ADAPTER
    return file if file.is_file() else None


def _known(entry: Entry, *, offline: bool) -> ResolvedModel:
    folder = folder_of(entry)
    if folder is None:
        pull = f"infini models pull {entry.name}"
        if (model_folder(entry.name) / CONVERTED).is_dir():
            raise ModelError(
                f"the model {entry.name} on this machine is damaged: a file of it is missing or cut off",
                hint=f"mend it with `{pull}`",
            )
        raise ModelError(
            f"the model {entry.name} is not on this machine",
            hint=f"with --offline, get it from a file: `{pull} --from-file FILE`"
            if offline
            else f"get it with `{pull}`",
        )
    manifest = read_manifest(folder)
    fingerprint = manifest.fingerprint if manifest is not None else _fingerprint(folder)
    return _with_adapter(entry.name, folder, fingerprint, adapter_of(entry), entry.memory)


def _gguf(file: Path, memory: MemoryDefaults, on_progress: OnProgress | None) -> ResolvedModel:
    import filelock

    fingerprint = _hash(file)
    folder = paths.cache_dir() / "models" / fingerprint
    if read_manifest(folder) is None:
        report = functools.partial(on_progress, "convert") if on_progress is not None else None
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder.with_name(f".{fingerprint}.lock")):
            if read_manifest(folder) is None:
                convert(file, fingerprint, folder, on_progress=report)
    return _with_adapter(str(file), folder, fingerprint, None, memory)


def _has_weights(folder: Path) -> bool:
    """Whether a folder holds a base model's weights; an adapter's folder may have a config of its own."""
    return any(file.name != ADAPTER for file in folder.glob("*.safetensors"))


def _folder(name: str, folder: Path, memory: MemoryDefaults) -> ResolvedModel:
    manifest = read_manifest(folder)
    fingerprint = manifest.fingerprint if manifest is not None else _fingerprint(folder)
    adapter = folder / ADAPTER
    return _with_adapter(name, folder, fingerprint, adapter if adapter.is_file() else None, memory)


def _adapter_alone(name: str, adapter: Path, *, offline: bool) -> ResolvedModel:
    base = read_adapter_info(adapter).base
    for entry in load_index().models.values():
        if entry.source is not None and entry.source.gguf_sha256 == base:
            known = _known(entry, offline=offline)
            return _with_adapter(name, known.folder, known.fingerprint, adapter, entry.memory)
    raise ModelError(
        f"the adapter {adapter} was trained for a model that is not known here",
        hint="put it beside that model's config.json",
    )


def _with_adapter(
    name: str, folder: Path, fingerprint: str, adapter: Path | None, memory: MemoryDefaults
) -> ResolvedModel:
    if adapter is None:
        try:
            config = memory.config(read_folder_config(folder).n_layers)
        except ValueError as error:
            raise ModelError(f"the memory of {name} is not possible: {error}") from None
        return ResolvedModel(name, folder, fingerprint, config)
    info: AdapterInfo = read_adapter_info(adapter)
    if info.base != fingerprint:
        raise ModelError(
            f"the adapter {adapter} was trained for another base model",
            hint=f"it needs the one with fingerprint {info.base[:12]}…, {folder} has {fingerprint[:12]}…",
        )
    return ResolvedModel(name, folder, fingerprint, info.memory, adapter, _hash(adapter))


def _fingerprint(folder: Path) -> str:
    """Of a folder that was not made from a GGUF file; an adapter in it does not count."""
    files = [file for pattern in _DEFINING for file in folder.glob(pattern) if file.name != ADAPTER]
    try:
        return folder_fingerprint(files)
    except OSError as error:
        raise ModelError(f"{error.filename} cannot be read: {error.strerror}") from None


def _hash(file: Path) -> str:
    try:
        return remembered_sha256(file)
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}") from None
