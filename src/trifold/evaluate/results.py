"""What a finished run says of itself: written once by the run, read by comparison, report and tests."""

import csv
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from trifold.artifact.metrics_file import METRICS, read_metrics
from trifold.artifact.npy_file import read_npy
from trifold.artifact.run_record import RUN, FinetuneRecord, TestedRecord, read_run_record
from trifold.atomic import write_json
from trifold.data.csv_file import save_rows
from trifold.errors import ArtifactError
from trifold.statistics.accuracy import correct_rows
from trifold.statistics.intervals import Z_95, Interval
from trifold.statistics.metric import NEED_PROBABILITIES
from trifold.statistics.metrics import Metrics, lead, score_interval
from trifold.statistics.scores import MethodScores, score_methods
from trifold.tasks.labels import LabelMap, as_text
from trifold.tasks.metric_choice import label_column
from trifold.types import Examples, parts_of

PROBABILITIES = "probabilities.npy"
WORST_ERRORS = 500
# Columns of `errors.csv` with the text, or with the texts of a pair.
ERROR_TEXTS = ("text", "text_pair")
_ONE_TIMING = 1.1
# A text may be longer than the csv module reads by itself.
_MAX_FIELD_CHARACTERS = 1 << 30


@dataclass(frozen=True, kw_only=True)
class ScoredRun(ABC):
    """One run folder, as far as weighing it against others needs it.

    Attributes:
        folder: The run folder.
        name: What it is called among others: the method, with the backbone where there are several of those.
        method: Name of the method.
        rows: `(test rows,)` ids.
        truth: What is true of each test row.
        predicted: What is predicted for it.
        metrics: Content of `metrics.json`.
        record: Content of `run.json`.
    """

    folder: Path
    name: str
    method: str
    rows: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    metrics: dict[str, Any]
    record: TestedRecord

    @property
    def milliseconds_per_text(self) -> float:
        """Prediction time per text, tokenising included."""
        return float(self.record.ms_per_text)

    @property
    def millisecond_range(self) -> tuple[float, float]:
        """The least and the most of it; of one measurement alone, as far as the next may lie from it."""
        low, high = self.record.get("ms_per_text_range") or [self.milliseconds_per_text] * 2
        return (float(low), float(high)) if low < high else (low / _ONE_TIMING, high * _ONE_TIMING)

    @abstractmethod
    def figure(self, score: str) -> Interval:
        """A metric on the test rows, with its 95 % interval."""

    @abstractmethod
    def scores_with(self, others: Sequence[Self], score: str) -> MethodScores:
        """This run and others on the same test rows, scored row by row by a metric; the higher, the better."""


@dataclass(frozen=True, kw_only=True)
class RunResult(ScoredRun):
    """A run folder of a classifier.

    Attributes:
        labels: Class order.
        truth: `(test rows,)` class numbers, or `(test rows, classes)` bool.
        predicted: In the same shape.
        confidence: `(test rows,)` probability that the prediction is right as a whole.
        record: Content of `run.json`.
        given: Probabilities where no file holds them.
    """

    labels: LabelMap
    confidence: np.ndarray
    record: FinetuneRecord
    given: np.ndarray | None = None

    @cached_property
    def probabilities(self) -> np.ndarray:
        """`(test rows, classes)`; kept only where the metric that decides needs them.

        Raises:
            ArtifactError: If they are missing or damaged.
        """
        if self.given is not None:
            return self.given
        path = self.folder / PROBABILITIES
        found, shape = read_npy(path, "<f4", 2), (len(self.rows), len(self.labels))
        if found is None or found.shape != shape or not ((found >= 0) & (found <= 1)).all():
            raise ArtifactError(f"{path} is missing or damaged: run the method again")
        return found.astype(np.float64)

    def figure(self, score: str) -> Interval:
        """Any metric on the test rows, with its 95 % interval.

        Raises:
            ArtifactError: If it needs probabilities that the run did not keep.
        """
        known = self.metrics.get(score)
        if isinstance(known, dict):
            return Interval(known["value"], known["low"], known["high"])
        probabilities = self.probabilities if score in NEED_PROBABILITIES else None
        column = label_column(score, self.labels)
        return score_interval(
            score, self.truth, self.predicted, len(self.labels), column=column, probabilities=probabilities
        )

    def scores_with(self, others: Sequence[Self], score: str) -> MethodScores:
        """See `ScoredRun.scores_with`."""
        results = [self, *others]
        probabilities = [result.probabilities for result in results] if score in NEED_PROBABILITIES else []
        predictions = [result.predicted for result in results]
        column = label_column(score, self.labels)
        return score_methods(
            score, self.truth, predictions, len(self.labels), column=column, probabilities=probabilities
        )


def write_predictions(
    folder: Path, test: Examples, labels: LabelMap, predicted: np.ndarray, confidence: np.ndarray
) -> None:
    """Write `predictions.csv` and `errors.csv` (the surest mistakes first)."""
    answers = labels.decode(predicted)
    wrong = ~correct_rows(labels.encode(test.labels), predicted)
    rows = [
        {"row": row, "line": line, "label": as_text(label), "prediction": as_text(answer), "probability": f"{sure:.6f}"}
        for row, line, label, answer, sure in zip(
            test.rows, test.lines or test.rows, test.labels, answers, confidence.tolist(), strict=True
        )
    ]
    columns = ("row", "line", "label", "prediction", "probability")
    save_rows(folder / "predictions.csv", columns, rows)
    surest = sorted(np.flatnonzero(wrong), key=lambda position: -confidence[position])[:WORST_ERRORS]
    texts = ERROR_TEXTS[: 1 + test.pairs]
    errors = [
        {**rows[position], **dict(zip(texts, parts_of(test.texts[position]), strict=True))} for position in surest
    ]
    save_rows(folder / "errors.csv", (*columns, *texts), errors)


def write_metrics(folder: Path, metrics: Metrics, labels: LabelMap) -> None:
    """Write `metrics.json`; a figure that does not apply is left out."""
    write_json(folder / METRICS, metrics_as_dict(metrics, labels))


def metrics_as_dict(metrics: Metrics, labels: LabelMap) -> dict[str, object]:
    """The names that scripts rely on, fractions from 0 to 1; `classes` is a list in class order, with labels."""
    named = {name: value for name, value in asdict(metrics).items() if value is not None}
    classes = [{"label": label, **vars(one)} for label, one in zip(labels.names, metrics.classes, strict=True)]
    return {**named, "classes": classes}


def read_result(folder: Path, name: str | None = None) -> RunResult:
    """Read a run folder back, under a name or that of its method.

    Raises:
        ArtifactError: If a file is missing or damaged.
    """
    record = read_run_record(folder)
    if not isinstance(record, FinetuneRecord):
        raise ArtifactError(f"{folder / RUN} is not that of a classifier: name the run of a method")
    metrics = read_metrics(folder)
    labels = LabelMap.saved(
        {"labels": record.labels, "multi_label": record.multi_label, "thresholds": record.thresholds}
    )
    path = folder / "predictions.csv"
    try:
        rows = list(read_csv(path))
        truth = labels.encode([labels.parse(row["label"]) for row in rows])
        predicted = labels.encode([labels.parse(row["prediction"]) for row in rows])
        confidence = np.array([float(row["probability"]) for row in rows])
        ids = np.array([int(row["row"]) for row in rows], dtype=np.int64)
        whole = len(np.unique(ids)) == len(ids) == metrics["rows"] and ((confidence >= 0) & (confidence <= 1)).all()
    except (OSError, KeyError, ValueError, TypeError, AttributeError, OverflowError, csv.Error):
        whole = False
    if not whole or not len(ids):
        raise ArtifactError(f"{path} is missing or damaged: run the method again")
    return RunResult(
        folder=folder,
        name=name or record.method,
        method=record.method,
        labels=labels,
        rows=ids,
        truth=truth,
        predicted=predicted,
        confidence=confidence,
        metrics=metrics,
        record=record,
    )


def read_csv(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV that this package wrote."""
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def score_runs(results: Sequence[ScoredRun], score: str) -> MethodScores:
    """Runs on the same test rows, scored row by row by any metric; the higher, the better."""
    first = results[0]
    for result in results:
        assert np.array_equal(result.rows, first.rows), "methods must be compared on the same rows"
    return first.scores_with(results[1:], score)


def lead_over(score: str, better: ScoredRun, other: ScoredRun, z: float = Z_95) -> Interval:
    """How far one run is ahead of another on the same test rows, by any metric.

    Args:
        score: Name of the metric.
        better: The one.
        other: The other.
        z: Normal quantile of each end of the interval.
    """
    return lead(score_runs([better, other], score), z)
