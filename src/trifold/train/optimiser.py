"""The optimiser, and the moving average of the weights."""

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch

from trifold.engines.private_operators import lerp_each


class AdamW:
    """`torch.optim.AdamW` over a model's trained parameters, by its fused kernel; weight decay pulls on matrices only.

    A step may be captured as a CUDA graph: on a GPU the rate is a tensor there, which a replayed step reads anew.

    Args:
        model: Parameters that require a gradient are trained.
        rate: Learning rate of the next step.
        weight_decay: Weight decay of matrices.
        faster: Names of parameters that move at a multiple of the rate.
        times: Which multiple.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        rate: float,
        weight_decay: float,
        faster: Collection[str] = (),
        times: float = 1.0,
    ) -> None:
        trained = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
        trained.sort(key=lambda one: one[1].ndim < 2)
        self._weights = [weight for _, weight in trained]
        groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
        for name, weight in trained:
            kind = (times if name in faster else 1.0, weight_decay if weight.ndim >= 2 else 0.0)
            groups.setdefault(kind, []).append(weight)
        given = [
            {"params": weights, "times": times, "weight_decay": decay, "lr": self._holder()}
            for (times, decay), weights in groups.items()
        ]
        self._optimiser = torch.optim.AdamW(given, fused=True)
        self.rate = rate

    def _holder(self) -> float | torch.Tensor:
        """What holds a group's rate."""
        return self._weights[0].new_zeros(()) if self._weights[0].is_cuda else 0.0

    @property
    def rate(self) -> float:
        """Of the next step; may be set before each."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate = rate
        for group in self._optimiser.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(group["times"] * rate)
            else:
                group["lr"] = group["times"] * rate

    @property
    def moments(self) -> dict[int, dict[str, torch.Tensor]]:
        """For each weight that has moved, by number, matrices first: `step`, `exp_avg` and `exp_avg_sq`."""
        state = self._optimiser.state
        return {number: state[weight] for number, weight in enumerate(self._weights) if weight in state}

    def step(self, max_grad_norm: float = math.inf) -> None:
        """Move every weight that has a gradient.

        Args:
            max_grad_norm: Largest norm of all gradients together; longer ones are shortened to it, and stay so.
        """
        if math.isfinite(max_grad_norm):
            torch.nn.utils.clip_grad_norm_(self._weights, max_grad_norm)
        # PyTorch refuses to be captured without this mark, and with it warns of every step that is not captured.
        capturing = self._weights[0].is_cuda and torch.cuda.is_current_stream_capturing()
        for group in self._optimiser.param_groups:
            group["capturable"] = capturing
        self._optimiser.step()

    def restore(self, moments: dict[int, dict[str, torch.Tensor]]) -> None:
        """Go on from saved moments."""
        for number, saved in moments.items():
            weight = self._weights[number]
            self._optimiser.state[weight] = {name: tensor.to(weight.device) for name, tensor in saved.items()}


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
            lerp_each(self.averaged, self._weights, 1 - keep)

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
