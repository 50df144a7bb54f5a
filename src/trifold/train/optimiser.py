"""What moves the weights: the optimiser, the course of its rate, and the average of where they were."""

import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from trifold.engines.private_operators import adamw_each, lerp_each, norm_of_all

# Where the fused kernel divides gradients on its way, which saves a pass over all of them; Apple's ignores it.
_DIVIDING_KERNELS = ("cpu", "cuda")


class AdamW:
    """Adam with weight decay that passes by the gradient, by PyTorch's fused kernel; decay pulls on matrices only.

    It is `torch.optim.AdamW(fused=True)` to the bit, without the compiler that making one of those imports in 1.7 s
    (benchmarks/LOG.md). Decoupled decay: Loshchilov and Hutter, 2019.

    Args:
        model: Parameters that require a gradient are trained.
        rate: Learning rate of the next step.
        weight_decay: Of matrices.
        faster: Names of parameters that move at a multiple of the rate.
        times: Which.

    Attributes:
        moments: For each weight that has moved, by number: `step`, `exp_avg` and `exp_avg_sq`.
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
        # By what of the rate and how much decay they move.
        self._groups: dict[tuple[float, float], list[int]] = {}
        for number, (name, weight) in enumerate(trained):
            kind = (times if name in faster else 1.0, weight_decay if weight.ndim >= 2 else 0.0)
            self._groups.setdefault(kind, []).append(number)
        self.moments: dict[int, dict[str, torch.Tensor]] = {}
        # Where the GPU finds them: a captured step would read a plain number as it was when captured.
        self._rates: dict[float, torch.Tensor] = {}
        if self._weights and self._weights[0].is_cuda:
            self._rates = {times: self._weights[0].new_zeros(()) for times, _ in self._groups}
        self.rate = rate

    @property
    def rate(self) -> float:
        """Of the next step; may be set before each."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate = rate
        for times, held in self._rates.items():
            held.fill_(times * rate)

    @torch.no_grad()
    def step(self, max_grad_norm: float = math.inf) -> None:
        """Move every weight that has a gradient.

        Args:
            max_grad_norm: Of all gradients together; longer ones are shortened to it, and stay so.
        """
        every = {n: weight.grad for n, weight in enumerate(self._weights) if weight.grad is not None}
        divisor = _shorten(list(every.values()), max_grad_norm)
        for (times, decay), numbers in self._groups.items():
            gradients = {number: every[number] for number in numbers if number in every}
            if not gradients:
                continue
            moments = [self._moments_of(number) for number in gradients]
            for found in moments:
                found["step"].add_(1)
            rate: Any = self._rates[times] if self._rates else times * self._rate
            weights: list[torch.Tensor] = [self._weights[number] for number in gradients]
            adamw_each(weights, list(gradients.values()), moments, rate, decay, divisor)

    def restore(self, moments: dict[int, dict[str, torch.Tensor]]) -> None:
        """Go on from saved moments."""
        self.moments = {
            number: {name: tensor.to(self._weights[number].device) for name, tensor in saved.items()}
            for number, saved in moments.items()
        }

    def _moments_of(self, number: int) -> dict[str, torch.Tensor]:
        if number not in self.moments:
            weight = self._weights[number]
            zeros = {name: torch.zeros_like(weight) for name in ("exp_avg", "exp_avg_sq")}
            self.moments[number] = {"step": torch.zeros((), device=weight.device), **zeros}
        return self.moments[number]


def _shorten(gradients: list[torch.Tensor], max_norm: float) -> torch.Tensor | None:
    """What the kernel is to divide gradients by, so that together they are no longer than `max_norm`.

    Returns:
        A scalar of at least 1, known to their device alone; `None` where there is nothing left to divide.
    """
    if not gradients or math.isinf(max_norm):
        return None
    divisor = (norm_of_all(gradients) / max_norm).clamp(min=1.0)
    if divisor.device.type in _DIVIDING_KERNELS:
        return divisor
    for gradient in gradients:
        gradient.div_(divisor)
    return None


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
