"""The table of a comparison: one line a method, in a file for scripts and in words for people."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, get_type_hints

from trifold.atomic import whole_file
from trifold.data.csv_file import save_rows
from trifold.evaluate.results import RunResult, ScoredRun, read_csv
from trifold.formatting import duration, megabytes, milliseconds
from trifold.schema import damaged
from trifold.statistics.metric import lower_is_better, shown, title
from trifold.statistics.row_influence import has_label
from trifold.tasks.labels import as_text
from trifold.types import Label

RARE_COLUMN = "recall, precision of {}"


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """A method on a leaderboard: how good it is, and what it takes.

    Attributes:
        method: Name, with the backbone's where several were tried.
        score_name: Name of the metric that decides.
        score: By it, on the test rows.
        score_low: Lower end of its 95 % interval.
        score_high: Upper end.
        train_seconds: Of training alone, choosing settings included.
        ms_per_text: Of predicting one text among many.
        trainable_parameters: Numbers learned.
        size_bytes: On disk, with the backbone where one is needed.
        peak_memory_bytes: Of a process that does nothing else.
        beside_score: Fields of a kind of row that stand right after the score in the file.
    """

    beside_score: ClassVar[tuple[str, ...]] = ()

    method: str
    score_name: str
    score: float
    score_low: float
    score_high: float
    train_seconds: float
    ms_per_text: float
    trainable_parameters: int
    size_bytes: int
    peak_memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class LeaderboardRow(MethodRow):
    """One line of a classifier's `leaderboard.csv`; its names are relied on by scripts.

    Attributes:
        accuracy: On the test rows.
        macro_f1: On the test rows.
        rarest_label: The label with the fewest test rows.
        rarest_rows: So many.
        rarest_recall: Share of them that get the label; not a number where none was looked for.
        rarest_precision: Share of the rows that get the label which truly have it; not a number where none does.
        micro_f1: On the test rows.
        samples_f1: On the test rows; not a number where each row has one label.
        top5_accuracy: On the test rows; not a number under 10 classes, and where a row may have several labels.
    """

    beside_score: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1")

    accuracy: float
    macro_f1: float
    rarest_label: str
    rarest_rows: int
    rarest_recall: float
    rarest_precision: float
    micro_f1: float
    samples_f1: float
    top5_accuracy: float


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
    rows = [int(has_label(result.truth, column).sum()) for column in columns]
    present = [column for column in columns if rows[column]]
    if not present:
        return None
    rarest = min(present, key=lambda column: rows[column])
    true, predicted = has_label(result.truth, rarest), has_label(result.predicted, rarest)
    return LabelFigures(result.labels.names[rarest], rows[rarest], int((true & predicted).sum()), int(predicted.sum()))


def build_leaderboard(
    results: Sequence[RunResult], score: str, majority: RunResult | None = None
) -> list[LeaderboardRow]:
    """A row for each run, and one for the majority baseline where it is known; the best score first."""
    sign = 1 if lower_is_better(score) else -1
    runs = [*results, majority] if majority else results
    return sorted((_row(result, score) for result in runs), key=lambda row: sign * row.score)


def _row(result: RunResult, score: str) -> LeaderboardRow:
    rarest = rarest_label(result)
    return LeaderboardRow(
        **score_and_costs(result, score),
        accuracy=result.metrics["accuracy"]["value"],
        macro_f1=result.metrics["macro_f1"]["value"],
        rarest_label=as_text(rarest.label) if rarest else "",
        rarest_rows=rarest.rows if rarest else 0,
        rarest_recall=rarest.recall if rarest else float("nan"),
        rarest_precision=rarest.precision if rarest else float("nan"),
        micro_f1=result.metrics.get("micro_f1", float("nan")),
        samples_f1=result.metrics.get("samples_f1", float("nan")),
        top5_accuracy=result.metrics.get("top5_accuracy", float("nan")),
    )


def score_and_costs(result: ScoredRun, score: str) -> dict[str, Any]:
    """The fields of `MethodRow` for a run."""
    figure, record = result.figure(score), result.record
    return {
        "method": result.name,
        "score_name": score,
        "score": figure.value,
        "score_low": figure.low,
        "score_high": figure.high,
        "train_seconds": record.train_seconds,
        "ms_per_text": result.milliseconds_per_text,
        "trainable_parameters": record.trainable_parameters,
        "size_bytes": record.size_bytes,
        "peak_memory_bytes": record.peak_memory_bytes,
    }


def write_leaderboard(folder: Path, rows: Sequence[MethodRow]) -> None:
    """Write `leaderboard.csv`; all rows are of one kind."""
    columns = leaderboard_columns(type(rows[0]) if rows else LeaderboardRow)
    written = ({name: f"{v:.6g}" if isinstance(v, float) else v for name, v in asdict(row).items()} for row in rows)
    with whole_file(folder / "leaderboard.csv", follow=False) as aside:
        save_rows(aside, columns, written)


def leaderboard_columns(kind: type[MethodRow]) -> list[str]:
    """The columns of `leaderboard.csv` where its rows are of this kind, in their order."""
    beside = kind.beside_score
    others = [field.name for field in fields(kind) if field.name not in beside]
    end = others.index("score_high") + 1
    return [*others[:end], *beside, *others[end:]]


def read_leaderboard(folder: Path) -> list[LeaderboardRow]:
    """The rows of a classifiers' `leaderboard.csv`; none where there is none yet.

    Raises:
        ArtifactError: If it is damaged.
    """
    path, types = folder / "leaderboard.csv", get_type_hints(LeaderboardRow)
    names = [field.name for field in fields(LeaderboardRow)]
    if not path.exists():
        return []
    try:
        return [LeaderboardRow(**{name: types[name](row[name]) for name in names}) for row in read_csv(path)]
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise damaged(path, f"{type(error).__name__}: {str(error)[:100]}") from None


def in_words(row: MethodRow) -> Mapping[str, str]:
    """The columns that people read, title to text."""
    best = " (lower is better)" if lower_is_better(row.score_name) else ""
    low, high = (shown(row.score_name, end, unit=False) for end in (row.score_low, row.score_high))
    return {
        "method": row.method,
        f"{title(row.score_name)}{best}": shown(row.score_name, row.score),
        "95 % interval": f"{low} to {high}",
        **({**_besides(row), **_rare(row)} if isinstance(row, LeaderboardRow) else {}),
        **_costs(row),
    }


def _costs(row: MethodRow) -> Mapping[str, str]:
    """What a method takes; the majority baseline takes nothing."""
    costs = {
        "training": duration(row.train_seconds),
        "per text": milliseconds(row.ms_per_text),
        "trainable parameters": f"{row.trainable_parameters:,}",
        "size": megabytes(row.size_bytes),
        "peak memory": megabytes(row.peak_memory_bytes),
    }
    return costs if row.size_bytes else dict.fromkeys(costs, "-")


def _besides(row: LeaderboardRow) -> Mapping[str, str]:
    """What tells more where rows have several labels, or classes are many."""
    figures = {name: getattr(row, name) for name in ("micro_f1", "samples_f1")} if row.samples_f1 >= 0 else {}
    known = {title(name): shown(name, value) for name, value in figures.items() if name != row.score_name}
    if row.samples_f1 >= 0 and row.score_name != "accuracy":
        known["exact match"] = shown("accuracy", row.accuracy)
    return {**known, "top-5 accuracy": shown("accuracy", row.top5_accuracy)} if row.top5_accuracy >= 0 else known


def _rare(row: LeaderboardRow) -> Mapping[str, str]:
    """Recall and precision of the rarest label, where classes are so uneven that they matter."""
    if row.score_name != "macro_f1" or not row.rarest_rows:
        return {}
    precision = "none" if math.isnan(row.rarest_precision) else f"{100 * row.rarest_precision:.0f} %"
    return {RARE_COLUMN.format(row.rarest_label): f"{100 * row.rarest_recall:.0f} %, {precision}"}
