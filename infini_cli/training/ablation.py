"""Which parts of the memory's form make it recall: the same short training, with one form after another.

`python -m infini_cli.training.ablation RECIPE.toml --output FOLDER` takes from a recipe its base, its rates, what comes
before its stages, and what there is to be found (`[word_lookup.mixture]`). Every form reads and is asked the same
documents in the same order, and is then asked the same held-out ones; a run that was stopped goes on.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from infini_cli.console import Reporter
from infini_cli.errors import InfiniError
from infini_cli.nn.checkpoint.loading import read_config
from infini_cli.nn.config import MemoryConfig, ModelConfig
from infini_cli.nn.lora import LoRAConfig
from infini_cli.reading.engine import choose_device
from infini_cli.tokenizers import load_tokenizer
from infini_cli.training.corpus import open_corpus
from infini_cli.training.loop import LOG, Event, train
from infini_cli.training.recipe import (
    Evaluation,
    Optimizer,
    ReadGates,
    Recipe,
    StageConfig,
    WriteGates,
    load_recipe,
)
from infini_cli.training.tasks.sample import Setting
from infini_cli.zoo import resolve

RESULTS = "ablation.json"
# of all forms, which act behind something that was read
UPDATES = LoRAConfig(rank=8, alpha=8.0, targets=("attn.q", "attn.o", "mlp.down"), after_reading=True)


def forms(shipped: MemoryConfig, base: ModelConfig) -> dict[str, MemoryConfig]:
    """The forms that are compared, by name: from the paper's step by step to the shipped one, and beside it.

    shipped: with the segment length that all of them have.
    """
    everywhere = tuple(range(base.n_layers))
    paper = MemoryConfig(
        layers=everywhere, segment_length=shipped.segment_length, beta_init=shipped.beta_init
    )
    gated = replace(paper, write_gate=True)
    in_some_layers = replace(gated, layers=shipped.layers)
    own_gates = replace(shipped, write_layer=None, word_context=0)
    attention = replace(own_gates, word_values=False, write_ends=False)
    made = {
        "the paper's, delta": paper,
        "the paper's, linear": replace(paper, update="linear"),
        "and write gates": gated,
        "and some layers only": in_some_layers,
        "and learned maps": replace(in_some_layers, feature_map="elu-map"),
        "and DPFP-3": replace(in_some_layers, feature_map="dpfp-3"),
        "the shipped form with attention's keys and values": replace(attention, word_keys=0, word_parts=1),
        "the shipped form with attention's values": attention,
        "the shipped form with gates that look at their own layer": own_gates,
        "the shipped form with words that count alike everywhere": replace(shipped, word_context=0),
        "the shipped form with what follows values as it is": replace(shipped, write_ends=False),
        "the shipped form with one softmax over all features": replace(shipped, map_groups=1),
        "the shipped form, linear": replace(shipped, update="linear"),
    }
    return {name: form for name, form in made.items() if form != shipped} | {"the shipped form": shipped}


def budgeted(recipe: Recipe, memory: MemoryConfig, steps: int, word_steps: int, samples: int) -> Recipe:
    """What the recipe trains before its stages and so many steps of one stage of recall, for another form of memory.

    What a form cannot learn before the stage, it learns in it; all forms have the same low-rank updates.
    """
    lookup = recipe.word_lookup
    stage = StageConfig(
        steps, segments=(2,), mixture=lookup.mixture, batch_documents=min(8, lookup.batch_documents)
    )
    gates, read_gates, optimizer = recipe.write_gates, recipe.read_gates, recipe.optimizer
    batches = -(-word_steps // 10)
    if memory.write_gate and memory.word_keys:
        gates = replace(gates, steps=min(gates.steps, word_steps), batches=min(gates.batches, batches))
    else:
        gates, optimizer = WriteGates(), replace(optimizer, write_lr=None, gate_lr=Optimizer().gate_lr)
    fewer = replace(read_gates, batches=min(read_gates.batches, batches))
    return replace(
        recipe,
        memory=memory,
        write_gates=gates,
        read_gates=fewer if memory.read_gate else ReadGates(),
        optimizer=optimizer,
        lora=UPDATES,
        stages=(stage,),
        word_lookup=replace(lookup, steps=word_steps),
        evaluation=Evaluation(every=steps, samples=samples),
    )


def compare(
    recipe: Recipe,
    chosen: Mapping[str, MemoryConfig],
    folder: Path,
    *,
    steps: int,
    word_steps: int,
    samples: int,
    reporter: Reporter,
    **options: Any,
) -> dict[str, dict[str, Any]]:
    """Train and ask every form; the results by name, which also stand in the folder.

    Args:
        chosen: forms by name.
        folder: one run in a folder of its own for each form.
        steps: of training, each.
        word_steps: of word keys before it, and at most so many of gates, for forms that have them.
        samples: held-out documents that each is asked about.
        options: of `train`.
    """
    found: dict[str, dict[str, Any]] = {}
    for number, (name, memory) in enumerate(chosen.items()):
        run = folder / f"{number:02}"
        with reporter.progress(name, total=1.0) as bar:

            def show(event: Event, bar: Any = bar) -> None:
                bar.update(event.step / event.steps, detail=f"loss {event.loss:.3f}, {event.exact:.0%} exact")

            def show_words(step: int, loss: float, right: float, bar: Any = bar) -> None:
                bar.update(0.0, detail=f"word keys, step {step}")

            train(
                budgeted(recipe, memory, steps, word_steps, samples),
                folder=run,
                on_event=show,
                on_word_lookup=show_words,
                **options,
            )
        last = json.loads((run / LOG).read_text(encoding="utf-8").splitlines()[-1])
        found[name] = {
            "tokens": last["tokens"],
            "steps": last["step"],
            "loss": last["loss"],
            **last["recall"],
        }
        (folder / RESULTS).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        exact, without = found[name]["exact"], found[name]["without_memory"]
        reporter.note(
            f"{name}: {exact:.0%} of {found[name]['questions']} exact, {without:.0%} without memory"
        )
    return found


def main(argv: Sequence[str]) -> int:
    """Compare forms of memory at an equal, small budget; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infini_cli.training.ablation", description=main.__doc__)
    parser.add_argument("recipe", type=Path, metavar="RECIPE.toml")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--steps", type=int, default=50, metavar="N", help="of training, for each (%(default)s)"
    )
    parser.add_argument(
        "--word-steps", type=int, default=300, metavar="N", help="of word keys before it (%(default)s)"
    )
    parser.add_argument(
        "--samples", type=int, default=48, metavar="N", help="held-out documents (%(default)s)"
    )
    arguments = parser.parse_args(argv)
    reporter = Reporter()
    try:
        recipe = load_recipe(arguments.recipe)
        base = resolve(recipe.base)
        tokenizer = load_tokenizer(base.folder)
        compare(
            recipe,
            forms(recipe.memory, read_config(base.folder)),
            arguments.output,
            steps=arguments.steps,
            word_steps=arguments.word_steps,
            samples=arguments.samples,
            reporter=reporter,
            base=base.folder,
            base_fingerprint=base.fingerprint,
            setting=Setting(open_corpus(tokenizer), tokenizer, 1, recipe.memory.segment_length),
            device=choose_device("auto"),
        )
    except InfiniError as error:
        reporter.show_error(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
