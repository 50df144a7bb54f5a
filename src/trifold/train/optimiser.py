"""What moves the weights: the optimiser, the course of its rate, and the average of where they were."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from trifold.train.plan import Plan


class Average:
    """An exponential moving average of the trained weights, the first steps weighted as a plain mean would.

    Args:
        model: Parameters that require a gradient are averaged.
        decay: Share of the average that a step keeps; 0 for none, which leaves the weights as they are.

    Attributes:
        averaged: The averages, in the order of the model's trained parameters.
        steps: Averaged so far.
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        trained: list[torch.Tensor] = [weight for weight in model.parameters() if weight.requires_grad]
        self._weights = trained if decay else []
        self.averaged = [weight.detach().clone() for weight in self._weights]
        self._decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are after a step."""
        if self._weights:
            self.steps += 1
            keep = min(self._decay, (1 + self.steps) / (10 + self.steps))
            torch._foreach_lerp_(self.averaged, self._weights, 1 - keep)

    def restore(self, averaged: list[torch.Tensor], steps: int) -> None:
        """Go on from saved averages."""
        for mine, saved in zip(self.averaged, averaged, strict=True):
            mine.copy_(saved)
        self.steps = steps

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the averaged weights inside, and its own again after."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for weight, averaged in zip(self._weights, self.averaged, strict=True):
            weight.data, averaged.data = averaged.data, weight.data


def warmup_then_decay(total_steps: int, warmup_ratio: float, *, decay: bool = True) -> Callable[[int], float]:
    """The learning rate's factor at a step: up in a line over the warm-up, then down in a line to zero, or level."""
    warmup = max(1, round(total_steps * warmup_ratio))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if not decay:
            return 1.0
        return max(0.0, (total_steps - step) / max(1, total_steps - warmup))

    return factor


def adamw(model: torch.nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """The optimiser of what is trained; weight decay pulls on matrices only."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": plan.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=plan.learning_rate, fused=True)
