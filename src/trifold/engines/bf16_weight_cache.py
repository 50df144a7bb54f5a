"""The weights of a model's products in bfloat16, all rounded at once instead of each where it is used."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Bf16WeightCache:
    """Copies of what autocast would round in every step, for its products to take instead.

    What is computed is the same: the same rounding, and gradients that come in bfloat16 and are widened. But it is one
    kernel for all weights, and what is frozen is rounded once.

    Args:
        model: Under autocast. Layers that compute in a way of their own, as one for logits does, keep their weights.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._places: list[tuple[torch.nn.Module, str, torch.nn.Parameter, torch.nn.Parameter]] = []
        copies: dict[torch.nn.Parameter, torch.nn.Parameter] = {}
        for module in model.modules():
            if type(module) is not torch.nn.Linear or "forward" in vars(module):
                continue
            for name, weight in module.named_parameters(recurse=False):
                rounded = torch.nn.Parameter(weight.detach().bfloat16(), requires_grad=weight.requires_grad)
                self._places.append((module, name, weight, copies.setdefault(weight, rounded)))
        self._trained = {weight: copy for weight, copy in copies.items() if weight.requires_grad}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the model computes with the copies, as the weights are now; after, the weights have the gradients."""
        _copy(list(self._trained.values()), list(self._trained))
        for module, name, _, copy in self._places:
            setattr(module, name, copy)
        try:
            yield
            self._hand_back()
        finally:
            for module, name, weight, _ in self._places:
                setattr(module, name, weight)

    def _hand_back(self) -> None:
        moved = {weight: copy.grad for weight, copy in self._trained.items() if copy.grad is not None}
        gradients = [torch.empty_like(weight, requires_grad=False) for weight in moved]
        _copy(gradients, list(moved.values()))
        for weight, gradient in zip(moved, gradients, strict=True):
            weight.grad = gradient
        for copy in self._trained.values():
            copy.grad = None


@torch.no_grad()
def _copy(to: list[torch.Tensor], given: list[torch.Tensor]) -> None:
    if given:
        torch._foreach_copy_(to, given)
