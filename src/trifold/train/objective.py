"""Objectives, which turn a model and the positions of some examples into a loss, and a model's figures on one."""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from trifold.errors import TrainingError
from trifold.events import Advance
from trifold.models.batching import PadTo, by_token_budget
from trifold.runtime import Runtime
from trifold.statistics.calibration import calibrated_loss, prior_loss


@dataclass(frozen=True)
class BatchLoss:
    """The loss of one micro-batch. Logits, classes and weights are given where the objective is classification.

    Attributes:
        total: Loss summed over predictions, a scalar tensor with its graph.
        correct: How many predictions are correct, a scalar tensor.
        logits: `(examples, classes)`.
        classes: `(examples,)` the true classes, or `(examples, classes)` bool where there may be several.
        weights: In the shape of `classes`, how much each counts in `total`.
        count: Number of predictions, where an example holds several; `None` where each holds one.
    """

    total: torch.Tensor
    correct: torch.Tensor
    logits: torch.Tensor | None = None
    classes: torch.Tensor | None = None
    weights: torch.Tensor | None = None
    count: int | None = None


def classification_loss(logits: torch.Tensor, classes: torch.Tensor, weights: torch.Tensor) -> BatchLoss:
    """Weighted cross-entropy of some examples; binary cross-entropy of every label where there may be several.

    Args:
        logits: `(examples, classes)`.
        classes: `(examples,)` the true classes, or `(examples, classes)` bool.
        weights: In the shape of `classes`.
    """
    right = ((logits > 0) == classes).all(1) if classes.ndim == 2 else logits.argmax(1) == classes
    correct = right.sum()
    return BatchLoss(weighted_loss(logits, classes, weights), correct, logits, classes, weights)


def weighted_loss(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The loss of `classification_loss`, a scalar summed over examples.

    Args:
        logits: `(examples, classes)`.
        targets: `(examples,)` the true classes, or `(examples, classes)` probabilities, or bools where there may be
            several labels.
        weights: `(examples,)`, or `(examples, classes)` where there may be several labels.
    """
    if weights.ndim == 2:
        losses = binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), reduction="none") * weights
        return losses.mean(1).sum()
    return (cross_entropy(logits, targets, reduction="none") * weights).sum()


@dataclass(frozen=True)
class ValidationFigures:
    """An objective's figures, all means over examples, or over predictions where an example holds several.

    Attributes:
        loss: As trained.
        accuracy: A fraction.
        calibrated_loss: The loss once one temperature, fitted on these very examples, has taken over- or
            under-confidence out of the logits; the loss itself where the objective is no classification.
        prior_loss: As in `calibration.prior_loss`; infinite where there are no classes.
        logits: `(examples, classes)` float32 in the objective's order; `None` where there are no classes.
    """

    loss: float
    accuracy: float
    calibrated_loss: float
    prior_loss: float = math.inf
    logits: np.ndarray | None = None

    def in_words(self) -> str:
        """The loss that epochs are compared by."""
        kind = "" if self.loss == self.calibrated_loss else "calibrated "
        return f"{kind}validation loss {self.calibrated_loss:.4f}"


class Objective(Protocol):
    """A data set with the loss on it."""

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each example, `(examples,)`."""
        ...

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        """The loss of the examples at `positions`."""
        ...


@runtime_checkable
class Capturable(Objective, Protocol):
    """An objective whose loss is computed from tensors on the device alone, so that a CUDA graph can capture it."""

    @property
    def few_shapes(self) -> bool:
        """Whether batches of equally many examples come in few shapes: each takes a graph of its own."""
        return True

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        """See `Objective.loss`."""
        device = next(model.parameters()).device
        return self.loss_of(model, [tensor.to(device) for tensor in self.inputs(positions)])

    def inputs(self, positions: np.ndarray, pad_to: PadTo | None = None) -> list[torch.Tensor]:
        """The examples at `positions`, on the CPU.

        Args:
            positions: Positions of the examples.
            pad_to: As for `Tokens.padded`; the objective's own where `None`.
        """
        ...

    def loss_of(self, model: torch.nn.Module, inputs: list[torch.Tensor]) -> BatchLoss:
        """The loss of examples from `inputs`, moved to the model's device; must not wait for the device."""
        ...


@torch.inference_mode()
def evaluate(
    model: torch.nn.Module, objective: Objective, token_budget: int, runtime: Runtime, advance: Advance | None = None
) -> ValidationFigures:
    """Loss and accuracy of `model` in evaluation mode."""
    model.eval()
    total, correct, count = 0.0, 0, 0
    found: list[tuple[np.ndarray, ...]] = []
    batches = by_token_budget(objective.lengths, token_budget)
    for batch in batches:
        with runtime.autocast():
            result = objective.loss(model, batch)
        total += float(result.total)
        correct += int(result.correct)
        count += len(batch) if result.count is None else result.count
        if result.logits is not None and result.classes is not None and result.weights is not None:
            outcome = (result.logits.float(), result.classes, result.weights)
            found.append(tuple(tensor.cpu().numpy() for tensor in outcome))
        if advance:
            advance(int(objective.lengths[batch].sum()))
    if not math.isfinite(total):
        raise TrainingError("the validation loss is no longer a finite number: lower --learning-rate")
    loss, accuracy = total / max(1, count), correct / max(1, count)
    if not found:
        return ValidationFigures(loss, accuracy, loss)
    order = np.argsort(np.concatenate(batches))
    logits, classes, weights = (np.concatenate(parts)[order] for parts in zip(*found, strict=True))
    calibrated = calibrated_loss(logits, classes, weights)
    return ValidationFigures(loss, accuracy, calibrated, prior_loss(classes, weights), logits)
