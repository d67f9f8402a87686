"""The index that comes with the program, and the model that does."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from infini_cli import zoo
from infini_cli.nn.checkpoint import load_base
from infini_cli.tokenizers import load_tokenizer
from infini_cli.zoo.index import load_index
from tests.make_tiny_model import FOLDER, make


def test_index_is_sound() -> None:
    models = load_index().models

    assert {"smollm2-135m-instruct", "for-tests-tiny"} <= set(models)
    for entry in models.values():
        assert entry.shipped != (entry.source is not None)
        assert set(entry.memory.config(30).layers) <= set(range(30))
        if entry.source is not None:
            for digest in (entry.source.wheel_sha256, entry.source.gguf_sha256):
                assert re.fullmatch("[0-9a-f]{64}", digest)
        else:
            parameters = load_base(zoo.resolve(entry.name).folder).parameters()
            assert sum(parameter.numel() for parameter in parameters) == entry.parameters


def test_tiny_model_is_what_its_script_makes(tmp_path: Path) -> None:
    make(tmp_path)

    for file in tmp_path.iterdir():
        assert file.read_bytes() == (FOLDER / file.name).read_bytes(), file.name
    assert (FOLDER / "model.safetensors").stat().st_size < 600_000


def test_zoo_needs_no_torch(run_process: Callable[..., object]) -> None:
    code = (
        "import sys; from infini_cli import zoo; zoo.list_models(); zoo.resolve('for-tests-tiny'); "
        "assert 'torch' not in sys.modules"
    )

    outcome = run_process("-c", code, command=(sys.executable,))

    assert (outcome.code, outcome.err) == (0, "")


def test_tiny_model_speaks() -> None:
    resolved = zoo.resolve("for-tests-tiny")
    tokenizer = load_tokenizer(resolved.folder)
    model = load_base(resolved.folder)

    ids = tokenizer.encode_chat([{"role": "user", "content": "a nation conceived in Liberty"}])

    assert ids[0] == 1
    assert tokenizer.eos_ids == {0, 2}
    assert tokenizer.count("dedicated to the proposition") < 12
    with torch.inference_mode():
        logits, _ = model(torch.tensor(ids)[None, None], ())
    assert logits.isfinite().all()
