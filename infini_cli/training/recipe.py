"""A training run in one TOML file: what is trained, on what, and for how long."""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infini_cli.errors import UsageError
from infini_cli.nn.config import MemoryConfig, build, memory_from_dict
from infini_cli.nn.lora import LoRAConfig
from infini_cli.training.mixture import parse_mixture

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True, slots=True)
class Optimizer:
    """AdamW, one learning rate per group of parameters."""

    lora_lr: float = 1e-3
    map_lr: float = 1e-2  # query and key maps
    gate_lr: float = 1e-2  # beta, and the gates of reads and writes; 0: they stay as they are
    write_lr: float | None = None  # of the write gates, if it is another one, and of all that goes with them
    weight_decay: float = 0.0  # on low-rank updates; never on maps and gates
    warmup_steps: int = 20
    final_share: float = 0.1  # of each rate, reached at the last step of the last stage
    clip_norm: float = 1.0


@dataclass(frozen=True, slots=True)
class StageConfig:
    """One stage of the curriculum; the next begins when its steps are done, or earlier when it is learned."""

    steps: int  # at most
    segments: tuple[int, ...]  # numbers of segments, one of which is drawn for each batch
    mixture: dict[str, Any]  # see mixture.parse_mixture
    segment_length: int | None = None  # tokens; by default that of the memory
    batch_documents: int = 8
    window_segments: int | None = None  # of documents whose questions carry long windows; by default like all
    promote_at: float = 2.0  # held-out exact match that ends the stage; above 1: never
    gate_shift: float = (
        0.0  # added to the write gates' biases when the stage begins; below 0 makes room to stand out
    )
    write_threshold: float | None = None  # by default that of the memory; 0 lets gates learn
    writing: float = 0.0  # weight in the loss of the mean strength of writes, so that little is written
    background_share: float = 0.0  # of the documents that follow on a long text read before them
    background_segments: int = 64  # how long that text is on average


@dataclass(frozen=True, slots=True)
class Losses:
    """Weights of the parts of the loss; an answer's cross-entropy has weight 1."""

    text: float = 0.1  # cross-entropy of text that goes on after a document
    distill: float = 0.0  # KL to the base model that sees the needed text in its window
    missed: float = 0.0  # nats from which on a recalled token but an answer's end teaches nothing; 0: all do
    listening: float = 0.0  # -log of read gates being open where an answer is to be read: see read_gates.py
    lookup: float = 0.0  # -log of what reads give the tokens that hold an answer: see lookup.py
    replay: float = 0.5  # KL to the base model on requests that have nothing to do with the document


@dataclass(frozen=True, slots=True)
class WordLookup:
    """Before the stages: how word keys learn what to find; see word_lookup.learn_word_keys."""

    value_strength: float = 32.0  # of the values made of words: see word_values.begin_word_values
    value_steps: int = 0  # for which these learn to be told apart: see word_values.learn_word_values
    steps: int = 300
    lr: float = 2e-3  # of projections and weights of words; more for decays
    batch_documents: int = 16
    segments: int = 3  # of the documents
    uses: int = 3  # of each batch: as it is, then with words swapped for others
    known_words: int = 300  # the most frequent tokens, which are never swapped for others
    mixture: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WriteGates:
    """After word keys and before the stages: how write gates learn, and keys with them; see write_gates.py."""

    steps: int = 0  # 0: gates begin at one half everywhere, and learn in the stages alone
    lr: float = 3e-3
    words_lr: float = 1e-3  # of projections and weights of words; more for decays
    shift: float = 0.0  # added to all gates' logits in the end: what they are less sure of is kept too
    known_words: int = 300  # the most frequent tokens, which are never swapped for others
    batches: int = 40  # read once, and learned from again and again
    batch_documents: int = 16
    prose: int = 0  # segments of plain text, read once
    repeated: int = 0  # and of one stretch over and over, of which a memory is to keep nothing
    prose_drawn: int = 0  # of both, so many stand in a memory beside each batch
    mixture: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadGates:
    """Last before the stages: how read gates learn; see read_gates.py."""

    steps: int = 0  # 0: they learn in the stages alone
    lr: float = 3e-2
    batches: int = 16  # asked once, and learned from again and again
    batch_documents: int = 8
    mixture: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The held-out questions asked now and then while training."""

    every: int = 50  # steps
    samples: int = 32  # documents
    segments: int | None = None  # of each document; by default the most of the stage


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole training run."""

    name: str
    base: str
    memory: MemoryConfig
    stages: tuple[StageConfig, ...]  # none: what is trained before them is all
    lora: LoRAConfig | None = None
    word_lookup: WordLookup = WordLookup()
    write_gates: WriteGates = WriteGates()
    read_gates: ReadGates = ReadGates()
    optimizer: Optimizer = Optimizer()
    losses: Losses = Losses()
    evaluation: Evaluation = Evaluation()
    seed: int = 1

    @property
    def steps(self) -> int:
        """Steps of all stages, when none is cut short by its success."""
        return sum(stage.steps for stage in self.stages)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def load_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file. Raises UsageError naming the file and the key that is wrong."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the recipe {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a TOML file: {error}") from error
    try:
        return recipe_from_dict(values)
    except (ValueError, TypeError) as error:
        raise UsageError(f"recipe {path}: {error}") from error


def recipe_from_dict(values: dict[str, Any]) -> Recipe:
    """A Recipe from plain values. Raises ValueError for unknown or missing keys."""
    values = dict(values)
    if "memory" in values:
        values["memory"] = memory_from_dict(values["memory"])
    tables = {
        "lora": LoRAConfig,
        "word_lookup": WordLookup,
        "write_gates": WriteGates,
        "read_gates": ReadGates,
        "optimizer": Optimizer,
        "losses": Losses,
        "evaluation": Evaluation,
    }
    for name in tables.keys() & values.keys():
        values[name] = build(tables[name], _with_tuples(values[name]))
    values["stages"] = tuple(build(StageConfig, _with_tuples(stage)) for stage in values.get("stages", ()))
    for stage in values["stages"]:
        parse_mixture(stage.mixture)
    recipe = build(Recipe, values)
    if not recipe.stages:
        if recipe.lora is not None:
            raise ValueError("updates (lora) are trained in stages, of which there are none: [[stages]]")
        if not recipe.memory.word_keys:
            raise ValueError(
                "a memory without word_keys is trained in stages, of which there are none: [[stages]]"
            )
    if recipe.memory.word_keys:
        parse_mixture(recipe.word_lookup.mixture)
    if recipe.write_gates.prose_drawn > recipe.write_gates.prose:
        raise ValueError("write_gates draws more segments of prose than it reads")
    if recipe.write_gates.steps:
        if not (recipe.memory.word_keys and recipe.memory.write_gate):
            raise ValueError("write_gates needs a memory with word_keys and write_gate")
        parse_mixture(recipe.write_gates.mixture)
    if (recipe.read_gates.steps or recipe.losses.listening) and not recipe.memory.read_gate:
        raise ValueError("read_gates and listening need a memory with read_gate")
    if recipe.read_gates.steps:
        parse_mixture(recipe.read_gates.mixture)
    return recipe


def _with_tuples(table: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
