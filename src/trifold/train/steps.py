"""One optimiser step: forward, back, and the weights moved."""

from dataclasses import dataclass

import numpy as np
import torch

from trifold.engines.private_operators import scale_each
from trifold.runtime import Runtime
from trifold.train.config import TrainingConfig
from trifold.train.objective import BatchLoss, Objective
from trifold.train.optimiser import AdamW
from trifold.train.recorder import Recorder
from trifold.train.self_distillation import SelfDistillation


@dataclass
class Steps:
    """Takes optimiser steps, kernel by kernel.

    Attributes:
        model: In training mode.
        training: The training data with their loss.
        config: Batch size, norm of the gradient, and so on.
        runtime: Where and in which precision it computes.
        optimiser: Optimiser of the model's weights.
        distillation: Mixes the model's earlier predictions into the loss.
        recorder: Takes every micro-batch's figures.
    """

    model: torch.nn.Module
    training: Objective
    config: TrainingConfig
    runtime: Runtime
    optimiser: AdamW
    distillation: SelfDistillation
    recorder: Recorder

    def take(self, micro_batches: list[np.ndarray]) -> None:
        """One step over the examples at these positions.

        Every micro-batch is weighted by its examples: the gradient is that of the mean over all of them, however the
        token budget splits them.
        """
        examples = sum(len(batch) for batch in micro_batches)
        count = 0
        for batch in micro_batches:
            with self.runtime.autocast():
                result = self.training.loss(self.model, batch)
            self.go_back(result, torch.from_numpy(batch), examples)
            counted = len(batch) if result.count is None else result.count
            self.recorder.add(result.total, result.correct, counted)
            count += counted
        if count != examples:
            # How many predictions count is known only now that the whole step is computed.
            gradients = [weight.grad for weight in self.model.parameters() if weight.grad is not None]
            scale_each(gradients, examples / max(1, count))
        self.move()

    def go_back(self, result: BatchLoss, positions: torch.Tensor, examples: int) -> None:
        """Add a micro-batch's share of the gradient of the mean over `examples`."""
        with self.runtime.autocast():
            total = self.distillation.mixed_loss(result, positions)
        (total / examples).backward()  # type: ignore[no-untyped-call]

    def move(self) -> None:
        """Move the weights by their gradients, and clear the gradients."""
        self.optimiser.step(self.config.max_grad_norm)
        self.model.zero_grad(set_to_none=True)
