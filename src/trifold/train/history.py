"""What happened in training, as a table and as a picture."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path

from trifold.data.csv_file import save_rows


@dataclass(frozen=True)
class HistoryRow:
    """One line of `history.csv`: a stretch of training, and at an epoch's end the validation part.

    Attributes:
        epoch: Passes over the data done, fractional inside one.
        step: Optimiser steps done.
        learning_rate: Of the last step.
        train_loss: Mean over the examples since the row before.
        train_accuracy: Likewise, a fraction.
        validation_loss: Mean over the validation examples; `None` inside an epoch.
        validation_calibrated_loss: The same after temperature scaling: what the best epoch is chosen by.
        validation_accuracy: Likewise, a fraction.
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
        save_rows(folder / "history.csv", names, rows)

    def draw(self, folder: Path) -> None:
        """Write `loss.png` into `folder`."""
        _plot(self, folder / "loss.png")


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _plot(history: History, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    epochs = [row.epoch for row in history.rows]
    ends = [row for row in history.rows if row.validation_loss is not None]
    for axes, name in ((loss, "loss"), (accuracy, "accuracy")):
        axes.plot(epochs, [getattr(row, f"train_{name}") for row in history.rows], color="#7a869a", label="training")
        values = [getattr(row, f"validation_{name}") for row in ends]
        axes.plot([row.epoch for row in ends], values, "o-", color="#0b6e4f", label="validation")
        if name == "loss":
            calibrated = [row.validation_calibrated_loss for row in ends]
        if name == "loss" and calibrated != values:
            axes.plot([row.epoch for row in ends], calibrated, "o--", color="#0b6e4f", alpha=0.5, label="… calibrated")
        axes.axvline(history.best_epoch, color="#c9302c", linewidth=0.8, linestyle=":", label="kept")
        axes.set(xlabel="epoch", ylabel=name)
        axes.grid(alpha=0.25)
    loss.legend(frameon=False)
    figure.savefig(path, dpi=120)
