"""The state of a training: all that changes from step to step, saved and restored as one."""

import hashlib
import itertools
import math
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import torch

from trifold.models.batching import training_steps
from trifold.train.checkpoint import Checkpoint
from trifold.train.config import TrainingConfig
from trifold.train.generators import generators, restore_generators
from trifold.train.objective import Objective, ValidationFigures
from trifold.train.optimiser import AdamW, Average
from trifold.train.recorder import Recorder
from trifold.train.schedule import Pace, warmup_then_decay
from trifold.train.self_distillation import SelfDistillation


class Session:
    """The state of a training: everything that changes from step to step, so that all of it can be saved.

    Attributes:
        optimiser: Its rate follows the step.
        average: The averaged weights.
        recorder: Recorder of the figures.
        pace: How far it has come.
        distillation: The model's earlier predictions.
        epoch: The current epoch, from 1; as in the config, it ends with a validation.
        step: Optimiser steps done.
        best: Validation figures of the best epoch so far.
        best_epoch: Its number; 0 before the first.
        best_weights: Its trained weights.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        training: Objective,
        validation: Objective,
        config: TrainingConfig,
        head: Collection[str],
    ) -> None:
        self._model, self._training, self._validation, self._config = model, training, validation, config
        self._steps_per_pass = math.ceil(len(training.lengths) / config.batch_size)
        self._steps_per_epoch = config.round_steps or self._steps_per_pass
        self._total = config.total_steps or self._steps_per_epoch * config.epochs
        self._factor = warmup_then_decay(self._total, config.warmup_ratio, decay=config.decay)
        self._rng = np.random.default_rng(config.seed)
        # The generator's state when the pass over the data began, and how many steps of the pass are done.
        self._order: dict[str, Any] = {}
        self._pass_step = 0
        self.optimiser = AdamW(model, config.learning_rate, config.weight_decay, head, config.head_rate)
        self.average = Average(model, config.ema_decay)
        self.recorder = Recorder(self._total // config.epochs, self._steps_per_pass)
        self.pace = Pace(self._total, config.limit_seconds, self.recorder.seconds)
        self.distillation = SelfDistillation(len(training.lengths), config.self_distillation, config.epochs)
        self.epoch, self.step = 1, 0
        self.best, self.best_epoch = ValidationFigures(math.inf, 0.0, math.inf), 0
        self.best_weights: dict[str, torch.Tensor] = {}
        # Of a training that was stopped while its model was tested or written.
        self._is_over = False
        self._set_rate()

    def goes_on(self) -> bool:
        """Whether another epoch is to be trained."""
        return (
            not self._is_over and self.pace.in_time() and self.epoch <= self._config.epochs and not self.out_of_patience
        )

    @property
    def out_of_patience(self) -> bool:
        """Whether validation has not become better for as many epochs as the config allows."""
        return self.epoch - 1 - self.best_epoch >= self._config.patience

    def steps(self) -> Iterator[list[np.ndarray]]:
        """The micro-batches of each step that is left in this epoch."""
        config, end = self._config, self._end_of(self.epoch)

        def over() -> bool:
            # By the clock, an epoch may be over before it begins: it has a step all the same.
            return self.recorder.steps_in_epoch > 0 and self.pace.at(self.step) >= end

        while not over():
            if self._order:
                self._rng.bit_generator.state = self._order
            self._order = dict(self._rng.bit_generator.state)
            every = training_steps(self._training.lengths, config.batch_size, config.token_budget, self._rng)
            for micro_batches in itertools.islice(every, self._pass_step, None):
                yield micro_batches
                if over():
                    break
            if self._pass_step == self._steps_per_pass:
                self._order, self._pass_step = {}, 0

    def end_step(self) -> None:
        """Count a step."""
        rate = self.optimiser.rate
        self.step += 1
        self._pass_step += 1
        self._set_rate()
        self.average.update()
        self.recorder.end_step(rate)

    def end_epoch(self, figures: ValidationFigures) -> None:
        """Keep the weights, which are the averaged ones now, if they are the best so far."""
        if figures.calibrated_loss < self.best.calibrated_loss:
            self.best, self.best_epoch, self.best_weights = figures, self.epoch, _trained_weights(self._model)
        self.recorder.end_epoch(figures)
        self.epoch += 1

    def epochs_to_best(self) -> float:
        """Passes over the data up to the best weights; a whole number where an epoch is one pass."""
        if self._config.round_steps is None:
            return self.best_epoch
        ends = [row.step for row in self.recorder.rows if row.validation_loss is not None]
        return ends[self.best_epoch - 1] / self._steps_per_pass

    def _end_of(self, epoch: int) -> int:
        """Steps done when an epoch ends, in the sense of `Pace.at`."""
        return epoch * self._total // self._config.epochs

    def tokens_left(self) -> int:
        """Tokens still to be computed; those of validation count a third, since they have no backward pass."""
        training, validation = (int(part.lengths.sum()) for part in (self._training, self._validation))
        left = self._config.epochs - self.epoch + 1
        return int((self._total - self.step) / self._steps_per_pass * training) + left * (validation // 3)

    def fingerprint(self) -> dict[str, Any]:
        """Values that are equal for two trainings only if one can continue the other."""
        names = [f"{name} {tuple(p.shape)}" for name, p in self._model.named_parameters() if p.requires_grad]
        lengths = [part.lengths.astype(np.int64).tobytes() for part in (self._training, self._validation)]
        return {
            **vars(self._config),
            "parameters": hashlib.sha256("\n".join(names).encode()).hexdigest(),
            "texts": hashlib.sha256(b"".join(lengths)).hexdigest(),
        }

    def snapshot(self) -> Checkpoint:
        """The whole state, taken between two steps."""
        tensors, generator_facts = generators()
        weights = _trained_weights(self._model)
        tensors |= {f"weight.{name}": tensor for name, tensor in weights.items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best_weights.items()}
        tensors |= {f"average.{i}": tensor for i, tensor in enumerate(self.average.averaged)}
        for number, moments in self.optimiser.moments.items():
            tensors |= {f"moment.{number}.{name}": tensor for name, tensor in moments.items()}
        if self.distillation.logits is not None:
            tensors["earlier_logits"] = self.distillation.logits
        return self._with_facts(tensors, {"generators": generator_facts})

    def outcome(self) -> Checkpoint:
        """What a training that is over needs to end again with the same weights: no moments and no averages."""
        tensors, generator_facts = generators()
        tensors |= {f"best.{name}": tensor for name, tensor in self.best_weights.items()}
        return self._with_facts(tensors, {"generators": generator_facts, "over": True})

    def _with_facts(self, tensors: dict[str, torch.Tensor], more: dict[str, Any]) -> Checkpoint:
        best = {**vars(self.best), "logits": None}
        if self.best.logits is not None:
            tensors["best_logits"] = torch.from_numpy(self.best.logits)
        facts = {
            **more,
            "step": self.step,
            "epoch": self.epoch,
            "order": self._order,
            "pass_step": self._pass_step,
            "best": best,
            "best_epoch": self.best_epoch,
            "averaged_steps": self.average.steps,
            "recorder": self.recorder.state(),
            "seconds": self.recorder.seconds(),
        }
        return Checkpoint(tensors, facts)

    def restore(self, state: Checkpoint) -> None:
        """The inverse of `snapshot` and of `outcome`."""
        facts, tensors = state.facts, state.tensors
        self.step, self.epoch, self.best_epoch = facts["step"], facts["epoch"], facts["best_epoch"]
        self._order, self._pass_step = facts["order"], facts["pass_step"]
        logits = tensors["best_logits"].numpy() if "best_logits" in tensors else None
        self.best = ValidationFigures(**{**facts["best"], "logits": logits})
        if "earlier_logits" in tensors:
            self.distillation.logits = tensors["earlier_logits"].to(next(self._model.parameters()).device)
        groups: dict[str, dict[str, torch.Tensor]] = {"weight": {}, "best": {}, "average": {}, "moment": {}}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            if kind in groups:
                groups[kind][rest] = tensor
        self._model.load_state_dict(groups["weight"], strict=False)
        device = next(self._model.parameters()).device
        self.best_weights = {name: tensor.to(device) for name, tensor in groups["best"].items()}
        self._is_over = facts.get("over", False)
        if not self._is_over:
            averaged = [groups["average"][str(i)] for i in range(len(groups["average"]))]
            self.average.restore(averaged, facts["averaged_steps"])
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in groups["moment"].items():
            number, _, kind = name.partition(".")
            moments.setdefault(int(number), {})[kind] = tensor
        self.optimiser.restore(moments)
        self.recorder.restore(facts["recorder"], facts["seconds"])
        restore_generators(state)
        self._set_rate()

    def _set_rate(self) -> None:
        self.optimiser.rate = self._config.learning_rate * self._factor(self.pace.at(self.step))


def _trained_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies of all weights but frozen ones."""
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    return {name: t.detach().clone() for name, t in model.state_dict().items() if name not in frozen}
