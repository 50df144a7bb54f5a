"""The table of a comparison: one line a method, in a file for scripts and in words for people."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from trifold.atomic import whole_file
from trifold.data.csv_file import save_rows
from trifold.evaluate.results import RunResult
from trifold.formatting import duration, interval, megabytes, milliseconds, percent
from trifold.tasks.labels import as_text
from trifold.types import Label

SCORE_NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
RARE_COLUMN = "recall, precision of {}"


@dataclass(frozen=True)
class LeaderboardRow:
    """One line of `leaderboard.csv`; its names are relied on by scripts.

    Attributes:
        method: Name, with the backbone's where several were tried.
        score_name: `accuracy` or `macro_f1`, whichever comes first on this data.
        score: On the test rows, a fraction.
        score_low: Lower end of its 95 % interval.
        score_high: Upper end.
        accuracy: On the test rows.
        macro_f1: On the test rows.
        train_seconds: Of training alone, choosing settings included.
        ms_per_text: Of predicting one text among many.
        trainable_parameters: Numbers learned.
        size_bytes: On disk, with the backbone where one is needed.
        peak_memory_bytes: Of a process that does nothing else.
        rarest_label: The label with the fewest test rows.
        rarest_rows: So many.
        rarest_recall: Share of them that get the label; not a number where none was looked for.
        rarest_precision: Share of the rows that get the label which truly have it; not a number where none does.
    """

    method: str
    score_name: str
    score: float
    score_low: float
    score_high: float
    accuracy: float
    macro_f1: float
    train_seconds: float
    ms_per_text: float
    trainable_parameters: int
    size_bytes: int
    peak_memory_bytes: int
    rarest_label: str
    rarest_rows: int
    rarest_recall: float
    rarest_precision: float


@dataclass(frozen=True)
class LabelFigures:
    """How well one label is found.

    Attributes:
        label: Its name.
        rows: Test rows that have it.
        found: Of these, rows that are predicted to have it.
        predicted: All rows that are predicted to have it.
    """

    label: Label
    rows: int
    found: int
    predicted: int

    @property
    def recall(self) -> float:
        """Share of its rows that are found."""
        return self.found / self.rows if self.rows else float("nan")

    @property
    def precision(self) -> float:
        """Share of the rows it is predicted for that have it."""
        return self.found / self.predicted if self.predicted else float("nan")


def rarest_label(result: RunResult) -> LabelFigures | None:
    """The label that the fewest test rows have, of those that any has; `None` where no row has one."""
    columns = range(len(result.labels))
    rows = [int(_having(result.truth, column).sum()) for column in columns]
    present = [column for column in columns if rows[column]]
    if not present:
        return None
    rarest = min(present, key=lambda column: rows[column])
    true, predicted = _having(result.truth, rarest), _having(result.predicted, rarest)
    return LabelFigures(result.labels.names[rarest], rows[rarest], int((true & predicted).sum()), int(predicted.sum()))


def _having(target: np.ndarray, column: int) -> np.ndarray:
    having: np.ndarray = target[:, column] if target.ndim == 2 else target == column
    return having


def build_leaderboard(results: Sequence[RunResult], score: str) -> list[LeaderboardRow]:
    """The highest score first."""
    return sorted((_row(result, score) for result in results), key=lambda row: -row.score)


def _row(result: RunResult, score: str) -> LeaderboardRow:
    rarest = rarest_label(result)
    return LeaderboardRow(
        method=result.name,
        score_name=score,
        score=result.metrics[score]["value"],
        score_low=result.metrics[score]["low"],
        score_high=result.metrics[score]["high"],
        accuracy=result.metrics["accuracy"]["value"],
        macro_f1=result.metrics["macro_f1"]["value"],
        train_seconds=result.record.train_seconds,
        ms_per_text=result.milliseconds_per_text,
        trainable_parameters=result.record.trainable_parameters,
        size_bytes=result.record.size_bytes,
        peak_memory_bytes=result.record.peak_memory_bytes,
        rarest_label=as_text(rarest.label) if rarest else "",
        rarest_rows=rarest.rows if rarest else 0,
        rarest_recall=rarest.recall if rarest else float("nan"),
        rarest_precision=rarest.precision if rarest else float("nan"),
    )


def write_leaderboard(folder: Path, rows: Sequence[LeaderboardRow]) -> None:
    """Write `leaderboard.csv`."""
    columns = [field.name for field in fields(LeaderboardRow)]
    written = ({name: f"{v:.6g}" if isinstance(v, float) else v for name, v in asdict(row).items()} for row in rows)
    with whole_file(folder / "leaderboard.csv", follow=False) as aside:
        save_rows(aside, columns, written)


def in_words(row: LeaderboardRow) -> Mapping[str, str]:
    """The columns that people read, title to text."""
    return {
        "method": row.method,
        SCORE_NAMES[row.score_name]: percent(row.score),
        "95 % interval": interval(row.score_low, row.score_high),
        **_rare(row),
        "training": duration(row.train_seconds),
        "per text": milliseconds(row.ms_per_text),
        "trainable parameters": f"{row.trainable_parameters:,}",
        "size": megabytes(row.size_bytes),
        "peak memory": megabytes(row.peak_memory_bytes),
    }


def _rare(row: LeaderboardRow) -> Mapping[str, str]:
    """Recall and precision of the rarest label, where classes are so uneven that they matter."""
    if row.score_name != "macro_f1" or not row.rarest_rows:
        return {}
    precision = "none" if math.isnan(row.rarest_precision) else f"{100 * row.rarest_precision:.0f} %"
    return {RARE_COLUMN.format(row.rarest_label): f"{100 * row.rarest_recall:.0f} %, {precision}"}
