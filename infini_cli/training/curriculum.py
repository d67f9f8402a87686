"""How long documents are, and what is asked about them, at each point of training."""

from dataclasses import dataclass

from infini_cli.training.recipe import Recipe, StageConfig


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is: which stage of its recipe, and at which step that stage began."""

    stage: int = 0
    begun_at_step: int = 0

    def config(self, recipe: Recipe) -> StageConfig:
        """The stage's settings."""
        return recipe.stages[self.stage]

    def after(self, step: int, exact_match: float | None, recipe: Recipe) -> "Place":
        """The place for the next step: the next stage when this one is learned or its steps are used up.

        Args:
            step: steps done in all.
            exact_match: of a held-out evaluation at this step, if there was one.
        """
        stage = self.config(recipe)
        learned = exact_match is not None and exact_match >= stage.promote_at
        used_up = step - self.begun_at_step >= stage.steps
        return Place(self.stage + 1, step) if learned or used_up else self

    def finished(self, recipe: Recipe) -> bool:
        """Whether no stage is left."""
        return self.stage == len(recipe.stages)

    def rate(self, step: int, recipe: Recipe) -> float:
        """The share of each learning rate at a step (from 0): warm-up, plateau, and a decay over the last stage."""
        settings = recipe.optimizer
        share = min(1.0, (step + 1) / max(1, settings.warmup_steps))
        if self.stage == len(recipe.stages) - 1:
            done = (step - self.begun_at_step) / max(1, self.config(recipe).steps)
            share *= 1 - (1 - settings.final_share) * done
        return share
