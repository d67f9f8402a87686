"""The evaluations of recall: pass keys, needles in prose, and stories."""

from collections.abc import Sequence
from random import Random
from typing import Literal, cast

from infini_cli.evals.judging import contained, first_integer, nothing_else
from infini_cli.evals.recall import RecallTask
from infini_cli.evals.ruler import make_ruler_needles
from infini_cli.training.tasks.babilong import make_story
from infini_cli.training.tasks.needle import KINDS, NeedleKind, make_needle
from infini_cli.training.tasks.passkey import make_passkey
from infini_cli.training.tasks.sample import Sample, Setting

Form = Literal["chat", "continuation"]
Wording = Literal["unseen", "ruler"]

STORIES = ("qa1", "qa2", "qa3", "qa4", "qa5")


def passkey(kinds: Sequence[str] = ("filler",), form: Form = "chat") -> RecallTask:
    """A pass key in repeated filler, or in prose; asked in chat, or by an unfinished sentence as in the paper."""

    def make(rng: Random, setting: Setting, kind: str, depth: float | None) -> Sample:
        prose, continuation = kind == "prose", form == "continuation"
        return make_passkey(rng, setting, depth=depth, prose=prose, as_continuation=continuation)

    return RecallTask("passkey", tuple(kinds), make, True, first_integer, in_chat=form == "chat")


def needle(kinds: Sequence[str] = KINDS, wording: Wording = "unseen") -> RecallTask:
    """Values of four keys in the prose of unseen books, each asked for on its own.

    Args:
        kinds: of values.
        wording: sentences and questions that were held out from training, or RULER's, scored as RULER does.
    """

    def make(rng: Random, setting: Setting, kind: str, depth: float | None) -> Sample:
        if wording == "ruler":
            return make_ruler_needles(rng, setting, kind)
        return make_needle(rng, setting, kind=cast(NeedleKind, kind), n_keys=4, changes=0)

    if wording == "ruler":
        return RecallTask("needle-ruler", tuple(kinds), make, False, contained, wording=wording)
    return RecallTask("needle", tuple(kinds), make, False, nothing_else)


def babilong(stories: Sequence[str] = STORIES) -> RecallTask:
    """Stories told among the prose of unseen books, with unseen names and wordings."""

    def make(rng: Random, setting: Setting, kind: str, depth: float | None) -> Sample:
        return make_story(rng, setting, task=int(kind.removeprefix("qa")))

    return RecallTask("babilong", tuple(stories), make, False, nothing_else)
