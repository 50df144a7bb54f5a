"""What a training writes down as it goes."""

import math
import time
from typing import Any

import torch

from trifold.errors import TrainingError
from trifold.events import say, say_losses
from trifold.formatting import duration
from trifold.train.history import HistoryRow
from trifold.train.objective import ValidationFigures
from trifold.train.tracking import report

_ROWS_PER_EPOCH = 20
# Micro-batches whose figures may still be on the device: a GPU would have to wait whenever one is read.
MAX_UNREAD = {"cpu": 1, "cuda": 32, "mps": 32}
_COUNTERS = (
    "epoch_loss",
    "_step",
    "_inside",
    "_rate",
    "_loss",
    "_correct",
    "_examples",
    "_epoch_total",
    "_epoch_examples",
)


class Recorder:
    """Gathers means over what counts and turns them into history rows.

    Args:
        steps_per_epoch: Steps between two validations, the fewest.
        steps_per_pass: Steps of one pass over the data.

    Attributes:
        rows: So far.
        epoch_loss: Mean training loss of the last epoch.
    """

    def __init__(self, steps_per_epoch: int, steps_per_pass: int) -> None:
        self.rows: list[HistoryRow] = []
        self.epoch_loss = math.nan
        self._steps_per_epoch, self._steps_per_pass = steps_per_epoch, steps_per_pass
        self._every = max(1, round(steps_per_epoch / _ROWS_PER_EPOCH))
        self._started = time.monotonic()
        self._step, self._inside, self._rate = 0, 0, 0.0
        self._loss, self._correct, self._examples = 0.0, 0, 0
        self._epoch_total, self._epoch_examples = 0.0, 0
        self._unread: list[tuple[torch.Tensor, torch.Tensor, int]] = []

    def add(self, loss: torch.Tensor, correct: torch.Tensor, examples: int) -> None:
        """Count a micro-batch.

        Args:
            loss: A scalar, summed over its examples.
            correct: A scalar, how many of them were answered rightly.
            examples: How many there are.

        Raises:
            TrainingError: If the loss of this or an earlier one is not finite.
        """
        self._unread.append((loss.detach(), correct, examples))
        if len(self._unread) >= MAX_UNREAD[loss.device.type]:
            self._read()

    def _read(self) -> None:
        """Take in what was added, in the order in which it came."""
        unread, self._unread = self._unread, []
        if not unread:
            return
        losses = torch.stack([loss for loss, _, _ in unread]).tolist()
        corrects = torch.stack([correct for _, correct, _ in unread]).tolist()
        for loss, correct, (_, _, examples) in zip(losses, corrects, unread, strict=True):
            if not math.isfinite(loss):
                raise TrainingError("the training loss is no longer a finite number: lower --learning-rate")
            self._loss += loss
            self._correct += correct
            self._examples += examples
            self._epoch_total += loss
            self._epoch_examples += examples

    def end_step(self, rate: float) -> None:
        """Count a step that was taken at `rate`, and write a row where one is due."""
        self._step += 1
        self._inside += 1
        self._rate = rate
        # The epoch's last stretch is written by `end_epoch`, with the validation figures.
        if self._inside % self._every == 0 and self._inside <= self._steps_per_epoch - self._every:
            self._write(None)

    def end_epoch(self, validation: ValidationFigures) -> None:
        """Write the epoch's last row."""
        self._read()
        self.epoch_loss = self._epoch_total / self._epoch_examples
        self._epoch_total, self._epoch_examples, self._inside = 0.0, 0, 0
        self._write(validation)

    @property
    def steps_in_epoch(self) -> int:
        """Steps since the last validation."""
        return self._inside

    def seconds(self) -> float:
        """Since training began, in this process and in those before."""
        return time.monotonic() - self._started

    def state(self) -> dict[str, Any]:
        """All of it, as plain values."""
        self._read()
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

    def tell(self, name: str) -> None:
        """Send what the last epoch has come to, as a line and for whoever draws curves."""
        row = self.rows[-1]
        assert row.validation_calibrated_loss is not None
        say(f"{name}: {self.summary()}")
        say_losses(row.epoch, self.epoch_loss, row.validation_calibrated_loss)

    def _write(self, validation: ValidationFigures | None) -> None:
        self._read()
        if self._examples:
            loss, accuracy = self._loss / self._examples, self._correct / self._examples
        else:
            # By the clock, an epoch may end right behind a row.
            loss, accuracy = self.rows[-1].train_loss, self.rows[-1].train_accuracy
        row = HistoryRow(
            epoch=self._step / self._steps_per_pass,
            step=self._step,
            learning_rate=self._rate,
            train_loss=loss,
            train_accuracy=accuracy,
            validation_loss=validation.loss if validation else None,
            validation_calibrated_loss=validation.calibrated_loss if validation else None,
            validation_accuracy=validation.accuracy if validation else None,
            seconds=self.seconds(),
        )
        self.rows.append(row)
        report(vars(row), row.step)
        self._loss, self._correct, self._examples = 0.0, 0, 0
