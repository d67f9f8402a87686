"""What comes before the stages: keys, values and gates that learn one after the other, each kept when it is done.

They take minutes to an hour, so a run that was cut short goes on behind the last of them that was done, to the same
result: each begins from its own seed.
"""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import torch

from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.training import checkpoints
from infini_cli.training.calibration import whiten_maps
from infini_cli.training.prompting import end_of_answer
from infini_cli.training.read_gates import learn_read_gates
from infini_cli.training.recipe import Recipe
from infini_cli.training.tasks.sample import Setting
from infini_cli.training.word_lookup import freeze, learn_word_keys
from infini_cli.training.word_values import begin_word_values, learn_word_values
from infini_cli.training.write_gates import learn_write_gates


def prepare(
    model: InfiniTransformer,
    teacher: InfiniTransformer,
    recipe: Recipe,
    setting: Setting,
    file: Path,
    *,
    on_word_lookup: Callable[[int, float, float], None],
    on_write_gates: Callable[[int, float], None],
    on_read_gates: Callable[[int, float], None],
) -> None:
    """Train what the recipe trains before its stages, of a network that else is the base.

    file: where the memory's parameters are kept meanwhile, and begun from if it is there.
    on_word_lookup, on_write_gates, on_read_gates: called after each of their steps; see learn_word_keys and the like.

    Raises:
        UsageError: the file belongs to another recipe.
    """
    seed, end = recipe.seed, end_of_answer(setting.tokenizer)

    def values() -> None:
        begin_word_values(model, recipe.word_lookup.value_strength, end)
        if recipe.word_lookup.value_steps:
            learn_word_values(model, setting, recipe.word_lookup.value_steps, end, f"values/{seed}")

    def keys() -> None:
        if recipe.memory.word_keys:
            learn_word_keys(model, setting, recipe.word_lookup, f"words/{seed}", on_word_lookup)
        elif recipe.memory.feature_map == "hedgehog":
            whiten_maps(model, setting, f"maps/{seed}")

    def write_gates() -> None:
        if recipe.write_gates.steps:
            learn_write_gates(model, setting, recipe.write_gates, f"gates/{seed}", on_write_gates)

    def read_gates() -> None:
        if recipe.read_gates.steps:
            learn_read_gates(model, teacher, setting, recipe.read_gates, f"read/{seed}", on_read_gates)

    kept = checkpoints.read(file, _of(recipe), model)
    done = 0 if kept is None else kept["done"]
    for number, part in enumerate((values, keys, write_gates, read_gates)):
        if number < done:
            continue
        torch.manual_seed(Random(f"{part.__name__}/{seed}").getrandbits(63))
        part()
        memory = {name: p.detach() for name, p in model.named_parameters() if ".memory." in name}
        checkpoints.write(file, _of(recipe), memory, done=number + 1)
    freeze(model)


def _of(recipe: Recipe) -> str:
    """What the parts depend on: all but what the stages are."""
    values = recipe.to_dict()
    names = ("base", "seed", "memory", "word_lookup", "write_gates", "read_gates")
    return json.dumps({name: values[name] for name in names}, sort_keys=True)
