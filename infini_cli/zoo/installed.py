"""Models converted on this machine: a Hugging Face folder with a manifest that says what it was made from."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from infini_cli.errors import ModelError
from infini_cli.gguf_file import GGUFFile
from infini_cli.zoo.hashing import sha256
from infini_cli.zoo.syncing import sync

MANIFEST = "manifest.json"
# raised when converted folders of before can no longer be used
CONVERSION_VERSION = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """fingerprint: SHA-256 of the GGUF file. files: size and SHA-256 of each file made from it."""

    version: int
    fingerprint: str
    files: dict[str, tuple[int, str]]


def convert(
    gguf: Path, fingerprint: str, folder: Path, *, on_progress: Callable[[int, int], None] | None = None
) -> None:
    """Make a model's folder from its GGUF file; the folder appears, or is replaced, only when complete.

    Args:
        gguf: the file, verified.
        fingerprint: its SHA-256.
        folder: where the model goes.
        on_progress: called with the numbers of tensors done and of all.

    Raises:
        ModelError: the file is damaged or unsupported.
        OSError: no room, or no permission.
    """
    from infini_cli.nn.checkpoint import convert_to_cache
    from infini_cli.tokenizers import save_gguf_tokenizer

    making = folder.with_name(f".{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        file = GGUFFile(gguf)
        save_gguf_tokenizer(file, making)
        convert_to_cache(file, making, on_progress=on_progress)
        files = {file.name: (file.stat().st_size, sha256(file)) for file in sorted(making.iterdir())}
        manifest = Manifest(CONVERSION_VERSION, fingerprint, files)
        (making / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1))
        for made in (*making.iterdir(), making):
            sync(made)
        shutil.rmtree(folder, ignore_errors=True)
        making.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a converted model, or None where there is none or a file has another size."""
    try:
        values = json.loads((folder / MANIFEST).read_bytes())
        files = {name: (int(size), str(digest)) for name, (size, digest) in values["files"].items()}
        manifest = Manifest(values["version"], values["fingerprint"], files)
        whole = all((folder / name).stat().st_size == size for name, (size, _) in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest if whole and manifest.version == CONVERSION_VERSION else None


def verify(folder: Path) -> None:
    """Compare every file of a converted model with its manifest. Raises ModelError when one differs."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise ModelError(f"the model in {folder} is incomplete")
    for name, (_, digest) in manifest.files.items():
        if sha256(folder / name) != digest:
            raise ModelError(f"{folder / name} is damaged")
