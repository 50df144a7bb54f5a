"""The training loop: masked and next words, adapters and full fine-tuning all come through here.

It does not know what is learned: an objective turns a model and some positions into a loss.
"""

import hashlib
import itertools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from trifold.backbone.batches import by_token_budget, training_steps
from trifold.errors import TrainingError
from trifold.metrics import best_temperature, chance_loss, mean_log_loss
from trifold.progress import Advance, duration, say, track
from trifold.runtime import Runtime
from trifold.train.history import History, HistoryRow
from trifold.train.settings import StepSettings
from trifold.train.state import State, current_keeper, generators, restore_generators, say_resumed, stopping_saves
from trifold.train.tracking import report

_ROWS_PER_EPOCH = 20
# A loss this close to guessing after so many steps has not moved: at a sensible rate fifty steps show.
_STEPS_TO_MOVE = 200
_NO_BETTER = 0.995


@dataclass(frozen=True)
class BatchLoss:
    """What an objective says of one micro-batch.

    Attributes:
        total: Loss summed over what counts, a scalar tensor with its graph.
        correct: How many of them were answered rightly.
        logits: `(examples, classes)`, where the objective is classification.
        classes: `(examples,)` the true ones, or `(examples, classes)` bool; likewise.
        weights: In the shape of `classes`, how much each counts in `total`; likewise.
        count: How many predictions `total` is over, where an example holds several; else the examples count.
    """

    total: torch.Tensor
    correct: int
    logits: torch.Tensor | None = None
    classes: torch.Tensor | None = None
    weights: torch.Tensor | None = None
    count: int | None = None


def classification_loss(logits: torch.Tensor, classes: torch.Tensor, weights: torch.Tensor) -> BatchLoss:
    """Cross-entropy of some examples, each counting by its weight; binary, of every label, where there are several.

    Args:
        logits: `(examples, classes)`.
        classes: `(examples,)` the true ones, or `(examples, classes)` bool.
        weights: In the shape of `classes`.
    """
    if classes.ndim == 2:
        correct = int(((logits > 0) == classes).all(1).sum())
        losses = binary_cross_entropy_with_logits(logits, classes.to(logits.dtype), reduction="none") * weights
        return BatchLoss(losses.mean(1).sum(), correct, logits, classes, weights)
    correct = int((logits.argmax(1) == classes).sum())
    total = (cross_entropy(logits, classes, reduction="none") * weights).sum()
    return BatchLoss(total, correct, logits, classes, weights)


@dataclass(frozen=True)
class Evaluation:
    """An objective's figures, all means over examples, or over predictions where an example holds several.

    Attributes:
        loss: As trained.
        accuracy: A fraction.
        calibrated_loss: The loss once one temperature, fitted on these very examples, has taken over- or
            under-confidence out of the logits; the loss itself where the objective is no classification.
        chance_loss: As in `metrics.chance_loss`; infinite where there are no classes.
        logits: `(examples, classes)` float32 in the objective's order; `None` where there are no classes.
    """

    loss: float
    accuracy: float
    calibrated_loss: float
    chance_loss: float = math.inf
    logits: np.ndarray | None = None


class Objective(Protocol):
    """A data set with the loss on it."""

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each example, `(examples,)`."""
        ...

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        """The loss of the examples at `positions`."""
        ...


@dataclass(frozen=True)
class Plan:
    """A training, every number settled (settings may leave some to the method).

    Attributes:
        learning_rate: At the peak.
        epochs: At most.
        batch_size: Examples per optimiser step.
        token_budget: Tokens per micro-batch, padding included.
        seed: Of the order of examples.
        weight_decay: On matrices only.
        warmup_ratio: Share of steps in which the rate rises.
        max_grad_norm: Gradients are clipped to this norm.
        ema_decay: Share of the averaged weights that each step keeps; 0 for no averaging.
        patience: Epochs without improvement before stopping.
        quiet: Show no progress; for heads that train in seconds.
        decay: Whether the rate falls to zero after the warm-up, or stays.
        must_move: Whether a loss that does not move for hundreds of steps is an error.
        round_steps: Steps between two validations; where `None`, an epoch. `epochs` and `patience` then count such
            rounds, which may be shorter than the data or run over its end.
        unit: What the examples are, in words.
    """

    learning_rate: float
    epochs: int
    batch_size: int
    token_budget: int
    seed: int
    weight_decay: float
    warmup_ratio: float
    max_grad_norm: float
    ema_decay: float
    patience: int
    quiet: bool = False
    decay: bool = True
    must_move: bool = True
    round_steps: int | None = None
    unit: str = "texts"

    @classmethod
    def of(
        cls, given: StepSettings, *, learning_rate: float, epochs: int, batch_size: int, token_budget: int
    ) -> "Plan":
        """What the user named; rate and batch size as given here where the user left them open."""
        return cls(
            learning_rate=given.learning_rate or learning_rate,
            epochs=epochs,
            batch_size=given.batch_size or batch_size,
            token_budget=token_budget,
            seed=given.seed,
            weight_decay=given.weight_decay,
            warmup_ratio=given.warmup_ratio,
            max_grad_norm=given.max_grad_norm,
            ema_decay=given.ema_decay,
            patience=given.patience,
        )


def train(
    model: torch.nn.Module, training: Objective, validation: Objective, plan: Plan, runtime: Runtime
) -> tuple[History, Evaluation]:
    """Train `model` in place and leave it with the weights of the epoch with the lowest validation loss.

    Every micro-batch is weighted by its examples: a step's gradient is that of the mean over its
    `batch_size` examples, however the token budget splits it. What is validated and kept are the weights averaged
    over the last steps, and epochs are compared by their calibrated loss: a model grows sure faster than it
    grows wrong, and the raw loss would keep the first epoch while accuracy still rises (docs/decisions/0005).

    Args:
        model: Parameters that require a gradient are trained.
        training: What is learned.
        validation: What the checkpoint is chosen on.
        plan: The numbers.
        runtime: Where and in which precision.

    Returns:
        What happened, and the validation figures of the weights that were kept.

    Raises:
        TrainingError: If a loss is no longer finite, or has not moved after hundreds of steps.
    """
    session = _Session(model, training, validation, plan)
    keeper = None if plan.quiet else current_keeper()
    fingerprint = session.fingerprint() if keeper else {}
    saved = keeper.last(fingerprint) if keeper else None
    if saved:
        session.restore(saved)
        say_resumed(saved)
    show = track(f"training on {len(training.lengths):,} {plan.unit}", 0 if plan.quiet else session.tokens_left())
    with stopping_saves(keeper), show as advance:
        while session.goes_on():
            model.train()
            for micro_batches in session.steps():
                _step(model, training, micro_batches, session.optimiser, plan, runtime, session.recorder)
                session.end_step()
                advance(int(sum(training.lengths[batch].sum() for batch in micro_batches)))
                if keeper:
                    keeper.after_step(session.step, fingerprint, session.snapshot)
            with session.average.in_place():
                figures = evaluate(model, validation, plan.token_budget, runtime, lambda tokens: advance(tokens // 3))
                _require_motion(figures, session.step, plan)
                session.end_epoch(figures)
            if not plan.quiet:
                name = "epoch" if plan.round_steps is None else "validation"
                say(f"{name} {session.epoch - 1} of {plan.epochs}: {session.recorder.summary()}")
    model.load_state_dict(session.best_weights, strict=False)
    model.eval()
    rows = tuple(session.recorder.rows)
    return History(rows, session.epochs_to_best(), stopped_early=session.epoch <= plan.epochs), session.best


class _Session:
    """Where a training stands: everything that changes from step to step, so that all of it can be saved.

    Attributes:
        optimiser: Its rates follow the step.
        average: Of the weights.
        recorder: Of the figures.
        epoch: The one under way, from 1; as in the plan, it ends with a validation.
        step: Optimiser steps done.
        best: Validation figures of the best epoch so far.
        best_epoch: It; 0 before the first.
        best_weights: Its trained weights.
    """

    def __init__(self, model: torch.nn.Module, training: Objective, validation: Objective, plan: Plan) -> None:
        self._model, self._training, self._validation, self._plan = model, training, validation, plan
        self._steps_per_pass = math.ceil(len(training.lengths) / plan.batch_size)
        self._steps_per_epoch = plan.round_steps or self._steps_per_pass
        total = self._steps_per_epoch * plan.epochs
        self._factor = warmup_then_decay(total, plan.warmup_ratio, decay=plan.decay)
        self._rng = np.random.default_rng(plan.seed)
        # Where the generator stood when the pass over the data began, and how many of its steps are done.
        self._order: dict[str, Any] = {}
        self._pass_step = 0
        self.optimiser = _optimiser(model, plan)
        self.average = _Average(model, plan.ema_decay)
        self.recorder = _Recorder(self._steps_per_epoch, self._steps_per_pass)
        self.epoch, self.step = 1, 0
        self.best, self.best_epoch = Evaluation(math.inf, 0.0, math.inf), 0
        self.best_weights: dict[str, torch.Tensor] = {}
        self._set_rate()

    def goes_on(self) -> bool:
        """Whether another epoch is to be trained."""
        return self.epoch <= self._plan.epochs and self.epoch - 1 - self.best_epoch < self._plan.patience

    def steps(self) -> Iterator[list[np.ndarray]]:
        """The micro-batches of each step of the epoch that is still to be done."""
        plan, end = self._plan, self.epoch * self._steps_per_epoch
        while True:
            if self._order:
                self._rng.bit_generator.state = self._order
            self._order = dict(self._rng.bit_generator.state)
            every = training_steps(self._training.lengths, plan.batch_size, plan.token_budget, self._rng)
            yield from itertools.islice(every, self._pass_step, self._pass_step + end - self.step)
            if self._pass_step == self._steps_per_pass:
                self._order, self._pass_step = {}, 0
            if self.step == end:
                return

    def end_step(self) -> None:
        """Count a step."""
        rate = self._rate()
        self.step += 1
        self._pass_step += 1
        self._set_rate()
        self.average.update()
        self.recorder.end_step(rate)

    def end_epoch(self, figures: Evaluation) -> None:
        """Keep the weights, which are the averaged ones now, if they are the best so far."""
        if figures.calibrated_loss < self.best.calibrated_loss:
            self.best, self.best_epoch, self.best_weights = figures, self.epoch, _trained_weights(self._model)
        self.recorder.end_epoch(figures)
        self.epoch += 1

    def epochs_to_best(self) -> float:
        """Passes over the data after which the best weights stood; a whole number where epochs are such."""
        if self._plan.round_steps is None:
            return self.best_epoch
        return self.best_epoch * self._steps_per_epoch / self._steps_per_pass

    def tokens_left(self) -> int:
        """Of training, with validation counted at the third that a forward pass costs."""
        training, validation = (int(part.lengths.sum()) for part in (self._training, self._validation))
        left = self._plan.epochs - self.epoch + 1
        steps = self._plan.epochs * self._steps_per_epoch - self.step
        return int(steps / self._steps_per_pass * training) + left * (validation // 3)

    def fingerprint(self) -> dict[str, Any]:
        """What makes two trainings the same one."""
        names = [f"{name} {tuple(p.shape)}" for name, p in self._model.named_parameters() if p.requires_grad]
        lengths = [part.lengths.astype(np.int64).tobytes() for part in (self._training, self._validation)]
        return {
            **vars(self._plan),
            "parameters": hashlib.sha256("\n".join(names).encode()).hexdigest(),
            "texts": hashlib.sha256(b"".join(lengths)).hexdigest(),
        }

    def snapshot(self) -> State:
        """Everything, between two steps."""
        tensors, generator_facts = generators()
        weights = _trained_weights(self._model)
        tensors |= {f"weight.{name}": tensor for name, tensor in weights.items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best_weights.items()}
        tensors |= {f"average.{i}": tensor for i, tensor in enumerate(self.average.averaged)}
        for number, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"moment.{number}.{name}": tensor for name, tensor in moments.items()}
        best = {**vars(self.best), "logits": None}
        if self.best.logits is not None:
            tensors["best_logits"] = torch.from_numpy(self.best.logits)
        facts = {
            "step": self.step,
            "epoch": self.epoch,
            "order": self._order,
            "pass_step": self._pass_step,
            "best": best,
            "best_epoch": self.best_epoch,
            "averaged_steps": self.average.steps,
            "recorder": self.recorder.state(),
            "generators": generator_facts,
            "seconds": self.recorder.seconds(),
        }
        return State(tensors, facts)

    def restore(self, state: State) -> None:
        """The inverse of `snapshot`."""
        facts, tensors = state.facts, state.tensors
        self.step, self.epoch, self.best_epoch = facts["step"], facts["epoch"], facts["best_epoch"]
        self._order, self._pass_step = facts["order"], facts["pass_step"]
        logits = tensors["best_logits"].numpy() if "best_logits" in tensors else None
        self.best = Evaluation(**{**facts["best"], "logits": logits})
        groups: dict[str, dict[str, torch.Tensor]] = {"weight": {}, "best": {}, "average": {}, "moment": {}}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            if kind in groups:
                groups[kind][rest] = tensor
        self._model.load_state_dict(groups["weight"], strict=False)
        device = next(self._model.parameters()).device
        self.best_weights = {name: tensor.to(device) for name, tensor in groups["best"].items()}
        self.average.restore(
            [groups["average"][str(i)] for i in range(len(groups["average"]))], facts["averaged_steps"]
        )
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in groups["moment"].items():
            number, _, kind = name.partition(".")
            moments.setdefault(int(number), {})[kind] = tensor
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": moments})
        self.recorder.restore(facts["recorder"], facts["seconds"])
        restore_generators(state)
        self._set_rate()

    def _rate(self) -> float:
        return float(self.optimiser.param_groups[0]["lr"])

    def _set_rate(self) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self._plan.learning_rate * self._factor(self.step)


def _trained_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies of what training changes; what is frozen needs none."""
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    return {name: t.detach().clone() for name, t in model.state_dict().items() if name not in frozen}


def _require_motion(figures: Evaluation, steps: int, plan: Plan) -> None:
    """Stop a training that has learned nothing: hours of it would bring nothing either."""
    if plan.must_move and steps >= _STEPS_TO_MOVE and figures.calibrated_loss > _NO_BETTER * figures.chance_loss:
        raise TrainingError(
            f"after {steps} steps the validation loss is {figures.calibrated_loss:.3f}, and guessing gives "
            f"{figures.chance_loss:.3f}: raise --learning-rate (it is {plan.learning_rate:g}), "
            "or check that the labels follow from the texts"
        )


@torch.inference_mode()
def evaluate(
    model: torch.nn.Module, objective: Objective, token_budget: int, runtime: Runtime, advance: Advance | None = None
) -> Evaluation:
    """Loss and accuracy of `model` in evaluation mode."""
    model.eval()
    total, correct, count = 0.0, 0, 0
    found: list[tuple[np.ndarray, ...]] = []
    batches = by_token_budget(objective.lengths, token_budget)
    for batch in batches:
        with runtime.autocast():
            result = objective.loss(model, batch)
        total += float(result.total)
        correct += result.correct
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
        return Evaluation(loss, accuracy, loss)
    order = np.argsort(np.concatenate(batches))
    logits, classes, weights = (np.concatenate(parts)[order] for parts in zip(*found, strict=True))
    calibrated = mean_log_loss(logits, classes, best_temperature(logits, classes, weights), weights)
    return Evaluation(loss, accuracy, calibrated, chance_loss(classes, weights), logits)


class _Average:
    """An exponential moving average of the trained weights, the first steps weighted as a plain mean would."""

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        trained: list[torch.Tensor] = [weight for weight in model.parameters() if weight.requires_grad]
        self._weights = trained if decay else []
        self.averaged = [weight.detach().clone() for weight in self._weights]
        self._decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self) -> None:
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


def _optimiser(model: torch.nn.Module, plan: Plan) -> torch.optim.Optimizer:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": plan.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=plan.learning_rate, fused=True)


def _step(
    model: torch.nn.Module,
    training: Objective,
    micro_batches: list[np.ndarray],
    optimiser: torch.optim.Optimizer,
    plan: Plan,
    runtime: Runtime,
    recorder: "_Recorder",
) -> None:
    examples = sum(len(batch) for batch in micro_batches)
    count = 0
    for batch in micro_batches:
        with runtime.autocast():
            result = training.loss(model, batch)
        (result.total / examples).backward()  # type: ignore[no-untyped-call]
        counted = len(batch) if result.count is None else result.count
        recorder.add(float(result.total.detach()), result.correct, counted)
        count += counted
    if count != examples:
        # How much counts is known only now that all of the step is seen.
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        torch._foreach_mul_(gradients, examples / max(1, count))
    torch.nn.utils.clip_grad_norm_(model.parameters(), plan.max_grad_norm)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


_COUNTERS = ("epoch_loss", "_step", "_rate", "_loss", "_correct", "_examples", "_epoch_total", "_epoch_examples")


class _Recorder:
    """Gathers means over what counts and turns them into history rows."""

    def __init__(self, steps_per_epoch: int, steps_per_pass: int) -> None:
        self.rows: list[HistoryRow] = []
        self.epoch_loss = math.nan
        self._steps_per_epoch, self._steps_per_pass = steps_per_epoch, steps_per_pass
        self._every = max(1, round(steps_per_epoch / _ROWS_PER_EPOCH))
        self._started = time.monotonic()
        self._step, self._rate = 0, 0.0
        self._loss, self._correct, self._examples = 0.0, 0, 0
        self._epoch_total, self._epoch_examples = 0.0, 0

    def add(self, loss: float, correct: int, examples: int) -> None:
        if not math.isfinite(loss):
            raise TrainingError("the training loss is no longer a finite number: lower --learning-rate")
        self._loss += loss
        self._correct += correct
        self._examples += examples
        self._epoch_total += loss
        self._epoch_examples += examples

    def end_step(self, rate: float) -> None:
        self._step += 1
        self._rate = rate
        inside_epoch = self._step % self._steps_per_epoch
        # The epoch's last stretch is written by `end_epoch`, with the validation figures.
        if inside_epoch % self._every == 0 and 0 < inside_epoch <= self._steps_per_epoch - self._every:
            self._write(None)

    def end_epoch(self, validation: Evaluation) -> None:
        self.epoch_loss = self._epoch_total / self._epoch_examples
        self._epoch_total, self._epoch_examples = 0.0, 0
        self._write(validation)

    def seconds(self) -> float:
        """Since training began, in this process and in those before."""
        return time.monotonic() - self._started

    def state(self) -> dict[str, Any]:
        """All of it, as plain values."""
        counters = {name: getattr(self, name) for name in _COUNTERS}
        return {"rows": [vars(row) for row in self.rows], **counters}

    def restore(self, state: dict[str, Any], seconds: float) -> None:
        """The inverse of `state`."""
        self.rows = [HistoryRow(**row) for row in state["rows"]]
        for name in _COUNTERS:
            setattr(self, name, state[name])
        self._started = time.monotonic() - seconds

    def summary(self) -> str:
        """The last epoch in words."""
        row = self.rows[-1]
        assert row.validation_loss is not None
        assert row.validation_accuracy is not None
        same = row.validation_calibrated_loss == row.validation_loss
        calibrated = "" if same else f" ({row.validation_calibrated_loss:.4f} calibrated)"
        return (
            f"training loss {self.epoch_loss:.4f}, validation loss {row.validation_loss:.4f}{calibrated}, "
            f"validation accuracy {100 * row.validation_accuracy:.1f} %, after {duration(row.seconds)}"
        )

    def _write(self, validation: Evaluation | None) -> None:
        row = HistoryRow(
            epoch=self._step / self._steps_per_pass,
            step=self._step,
            learning_rate=self._rate,
            train_loss=self._loss / self._examples,
            train_accuracy=self._correct / self._examples,
            validation_loss=validation.loss if validation else None,
            validation_calibrated_loss=validation.calibrated_loss if validation else None,
            validation_accuracy=validation.accuracy if validation else None,
            seconds=self.seconds(),
        )
        self.rows.append(row)
        report(vars(row), row.step)
        self._loss, self._correct, self._examples = 0.0, 0, 0
