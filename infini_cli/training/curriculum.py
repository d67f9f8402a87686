"""How long documents are at each point of training."""

from dataclasses import dataclass

from infini_cli.training.recipe import Curriculum


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a run is in its curriculum."""

    index: int = 0
    begun_at_step: int = 0

    def segments(self, curriculum: Curriculum) -> tuple[int, ...]:
        """The document lengths to draw from: the present stage's and all before it, so that none is unlearned."""
        return curriculum.segments[: self.index + 1]

    def after(self, step: int, exact_match: float, curriculum: Curriculum) -> "Stage":
        """The stage that follows an evaluation: the next one when this one is learned, or was tried long enough."""
        learned = exact_match >= curriculum.promote_at
        tired = step - self.begun_at_step >= curriculum.patience_steps
        if (learned or tired) and self.index + 1 < len(curriculum.segments):
            return Stage(self.index + 1, step)
        return self
