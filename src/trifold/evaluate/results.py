"""What a finished run says of itself: written once by the run, read by comparison, report and tests."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trifold.artifact.folder import read_json, write_json
from trifold.errors import ArtifactError
from trifold.metrics import Metrics
from trifold.tasks.labels import LabelMap
from trifold.types import Examples, Label

_WORST_ERRORS = 500


@dataclass(frozen=True)
class RunResult:
    """One run folder, as far as comparing needs it.

    Attributes:
        folder: The run folder.
        method: Name of the method.
        labels: Class order.
        rows: `(test rows,)` ids.
        truth: `(test rows,)` class numbers.
        predicted: `(test rows,)` class numbers.
        confidence: `(test rows,)` probability of the predicted class.
        metrics: Content of `metrics.json`.
        facts: Content of `run.json`.
    """

    folder: Path
    method: str
    labels: LabelMap
    rows: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    metrics: dict[str, Any]
    facts: dict[str, Any]

    @property
    def milliseconds_per_text(self) -> float:
        """Prediction time per text, tokenising included."""
        return float(self.facts["ms_per_text"])


def write_predictions(folder: Path, test: Examples, labels: LabelMap, probabilities: np.ndarray) -> None:
    """Write `predictions.csv` (row, label, prediction, probability) and `errors.csv` (the surest mistakes first)."""
    best = probabilities.argmax(axis=1)
    rows = [
        {"row": row, "label": label, "prediction": labels.names[number], "probability": f"{p[number]:.6f}"}
        for row, label, number, p in zip(test.rows, test.labels, best.tolist(), probabilities, strict=True)
    ]
    _write_csv(folder / "predictions.csv", ("row", "label", "prediction", "probability"), rows)
    wrong = [
        {**row, "text": text} for row, text in zip(rows, test.texts, strict=True) if row["label"] != row["prediction"]
    ]
    wrong.sort(key=lambda row: -float(str(row["probability"])))
    _write_csv(folder / "errors.csv", ("row", "label", "prediction", "probability", "text"), wrong[:_WORST_ERRORS])


def write_metrics(folder: Path, metrics: Metrics) -> None:
    """Write `metrics.json`; a figure that does not apply is left out."""
    write_json(folder / "metrics.json", metrics_as_dict(metrics))


def metrics_as_dict(metrics: Metrics) -> dict[str, object]:
    """The names that scripts rely on, fractions from 0 to 1."""
    return {name: value for name, value in asdict(metrics).items() if value is not None}


def read_result(folder: Path) -> RunResult:
    """Read a run folder back.

    Raises:
        ArtifactError: If a file is missing or damaged.
    """
    facts = read_json(folder / "run.json")
    names: Any = facts["labels"]
    labels = LabelMap(tuple(names))
    by_text: dict[str, Label] = {str(name): name for name in labels.names}
    try:
        rows = list(read_csv(folder / "predictions.csv"))
        truth = labels.encode([by_text[row["label"]] for row in rows])
        predicted = labels.encode([by_text[row["prediction"]] for row in rows])
        confidence = np.array([float(row["probability"]) for row in rows])
    except (OSError, KeyError, ValueError):
        raise ArtifactError(f"{folder / 'predictions.csv'} is missing or damaged: run the method again") from None
    ids = np.array([int(row["row"]) for row in rows], dtype=np.int64)
    return RunResult(
        folder=folder,
        method=str(facts["method"]),
        labels=labels,
        rows=ids,
        truth=truth,
        predicted=predicted,
        confidence=confidence,
        metrics=read_json(folder / "metrics.json"),
        facts=facts,
    )


def read_csv(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV that this package wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _write_csv(path: Path, names: Iterable[str], rows: Iterable[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(names), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
