"""What happened in training, as a table."""

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from trifold.data.csv_file import save_rows

HISTORY = "history.csv"


@dataclass(frozen=True)
class HistoryRow:
    """One line of `history.csv`: a stretch of training, and at an epoch's end the validation part.

    Attributes:
        epoch: Passes over the data done, fractional inside one.
        step: Optimiser steps done.
        learning_rate: Learning rate of the last step.
        train_loss: Mean over the examples since the row before.
        train_accuracy: On the same examples, a fraction.
        validation_loss: Mean over the validation examples; `None` inside an epoch.
        validation_calibrated_loss: The same after temperature scaling: what the best epoch is chosen by.
        validation_accuracy: On the validation part, a fraction.
        seconds: Since training began.
    """

    epoch: float
    step: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_calibrated_loss: float | None
    validation_accuracy: float | None
    seconds: float


@dataclass(frozen=True)
class History:
    """A training's rows in order.

    Attributes:
        rows: As written to `history.csv`.
        best_epoch: The epoch whose weights were kept, by calibrated validation loss; as in `HistoryRow`.
        stopped_early: Whether patience ran out before the last epoch.
    """

    rows: tuple[HistoryRow, ...]
    best_epoch: float
    stopped_early: bool

    def write(self, folder: Path) -> None:
        """Write `history.csv` into `folder`."""
        names = [field.name for field in fields(HistoryRow)]
        rows = ({key: _short(value) for key, value in asdict(row).items()} for row in self.rows)
        save_rows(folder / HISTORY, names, rows)


def validation_losses(folder: Path) -> list[float]:
    """The calibrated validation losses of a training in order, from its `history.csv`; none where it has none."""
    path = folder / HISTORY
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        found = [row["validation_calibrated_loss"] for row in csv.DictReader(file)]
    return [float(loss) for loss in found if loss]


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
