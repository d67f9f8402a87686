"""A small random model with a memory, and the made-up corpus of the training tests."""

import pytest
import torch

from infini_cli import paths
from infini_cli.evals.subject import Subject
from infini_cli.nn.checkpoint import load_base
from infini_cli.nn.config import MemoryConfig
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.reading.engine import ModelEngine
from infini_cli.zoo import ResolvedModel
from tests.unit.training.conftest import ByteTokenizer, books, corpus, tokenizer

__all__ = ["books", "corpus", "tokenizer"]

BASE = paths.shipped_models_dir() / "for-tests-tiny"
SEGMENT = 128
MEMORY = MemoryConfig(
    layers=(0, 1, 2), feature_map="elu-map", write_gate=True, segment_length=SEGMENT, beta_init=0.0
)


def make_subject(tokenizer: ByteTokenizer, window: int = 1024) -> Subject:
    torch.manual_seed(0)
    model = load_base(BASE, memory=MEMORY, dtype=torch.float32)
    return Subject(
        ModelEngine(
            model=model,
            tokenizer=tokenizer,
            model_name="for-tests-tiny",
            device="cpu",
            dtype="float32",
            segment_length=SEGMENT,
            fingerprints={"model": "m", "adapter": "a", "tokenizer": "t", "memory": "f"},
        ),
        ResolvedModel("for-tests-tiny", BASE, "m", MEMORY, None, "a"),
        window,
    )


@pytest.fixture
def subject(tokenizer: ByteTokenizer) -> Subject:
    return make_subject(tokenizer)


@pytest.fixture
def model(subject: Subject) -> InfiniTransformer:
    return subject.model
