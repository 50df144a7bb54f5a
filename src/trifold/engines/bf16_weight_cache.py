"""Copies in bfloat16 of the weights of a model's matmuls, all rounded at once instead of each where it is used."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from trifold.engines.private_operators import copy_each


class Bf16WeightCache:
    """Copies of the weights that autocast would round in every step, for the matmuls to take instead.

    The results are equal to the bit: the same rounding, and gradients that come in bfloat16 and are widened. It is
    faster, because one kernel rounds all weights, and frozen ones are rounded once.

    Args:
        model: Under autocast. Layers with a `forward` of their own, such as that of the logits, keep their weights.
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
        self._refresh()
        for module, name, _, copy in self._places:
            setattr(module, name, copy)
        try:
            yield
            self._hand_back()
        finally:
            for module, name, weight, _ in self._places:
                setattr(module, name, weight)

    @torch.no_grad()
    def _refresh(self) -> None:
        copy_each(list(self._trained.values()), list(self._trained))

    @torch.no_grad()
    def _hand_back(self) -> None:
        moved = {weight: copy.grad for weight, copy in self._trained.items() if copy.grad is not None}
        gradients = [torch.empty_like(weight, requires_grad=False) for weight in moved]
        copy_each(gradients, list(moved.values()))
        for weight, gradient in zip(moved, gradients, strict=True):
            weight.grad = gradient
        for copy in self._trained.values():
            copy.grad = None
