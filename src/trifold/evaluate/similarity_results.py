"""What a run of `--task similarity` says of itself: written once by the run, read by comparison, report and tests."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from trifold.artifact.metrics_file import METRICS, SimilarityFacts, read_metrics
from trifold.artifact.run_record import RUN, SimilarityRecord, read_run_record
from trifold.atomic import write_json
from trifold.data.csv_file import save_rows
from trifold.data.scored_pairs import ScoredPairs
from trifold.errors import ArtifactError
from trifold.evaluate.leaderboard import MethodRow, score_and_costs
from trifold.evaluate.results import WORST_ERRORS, ScoredRun, read_csv
from trifold.statistics.correlation import CorrelationScores, SimilarityMetrics
from trifold.statistics.intervals import Interval
from trifold.statistics.scores import MethodScores

# What decides between methods.
SCORE = "spearman"
_COLUMNS = ("row", "line", "label", "prediction", "cosine")


@dataclass(frozen=True, kw_only=True)
class SimilarityResult(ScoredRun):
    """A run folder of a method that learns similarities.

    Attributes:
        truth: `(test pairs,)` true scores.
        predicted: `(test pairs,)` cosines.
        scaled: `(test pairs,)`, the cosines on the scale of the scores.
        record: Content of `run.json`.
    """

    scaled: np.ndarray
    record: SimilarityRecord

    def figure(self, score: str) -> Interval:
        """See `ScoredRun.figure`."""
        known = self.metrics[score]
        return Interval(known["value"], known["low"], known["high"])

    def scores_with(self, others: Sequence[Self], score: str) -> MethodScores:
        """See `ScoredRun.scores_with`."""
        return CorrelationScores(score, self.truth, [result.predicted for result in (self, *others)])


@dataclass(frozen=True, kw_only=True)
class SimilarityRow(MethodRow):
    """One line of the `leaderboard.csv` of similarities; its names are relied on by scripts.

    Attributes:
        pearson: Linear correlation with the scores of the test rows.
        mean_absolute_error: Of what is predicted for them, on their scale.
    """

    beside_score: ClassVar[tuple[str, ...]] = ("pearson", "mean_absolute_error")

    pearson: float
    mean_absolute_error: float


def similarity_leaderboard(results: Sequence[SimilarityResult]) -> list[SimilarityRow]:
    """A row for each run, the best first."""
    rows = [
        SimilarityRow(
            **score_and_costs(result, SCORE),
            pearson=result.figure("pearson").value,
            mean_absolute_error=result.metrics["mean_absolute_error"],
        )
        for result in results
    ]
    return sorted(rows, key=lambda row: -row.score)


def write_similarities(
    folder: Path, test: ScoredPairs, cosines: np.ndarray, scaled: np.ndarray, metrics: SimilarityMetrics
) -> None:
    """Write `predictions.csv`, `errors.csv` (the largest first) and `metrics.json`."""
    numbers = zip(test.rows, test.lines or test.rows, test.scores, scaled, cosines, strict=True)
    # Nine digits are all that a cosine in single precision has.
    rows = [
        dict(zip(_COLUMNS, (row, line, f"{true:.9g}", f"{said:.6g}", f"{cosine:.9g}"), strict=True))
        for row, line, true, said, cosine in numbers
    ]
    save_rows(folder / "predictions.csv", _COLUMNS, rows)
    largest = np.argsort(-np.abs(test.scores - scaled), kind="stable")[:WORST_ERRORS].tolist()
    errors = [{**rows[i], "first": test.pairs[i].first, "second": test.pairs[i].second} for i in largest]
    save_rows(folder / "errors.csv", (*_COLUMNS, "first", "second"), errors)
    write_json(folder / METRICS, asdict(metrics))


def read_similarities(folder: Path, name: str | None = None) -> SimilarityResult:
    """Read a run folder back, under a name or that of its method.

    Raises:
        ArtifactError: If a file is missing or damaged.
    """
    record = read_run_record(folder)
    if not isinstance(record, SimilarityRecord):
        raise ArtifactError(f"{folder / RUN} is not that of --task similarity: name the run of such a method")
    metrics = read_metrics(folder, SimilarityFacts)
    path = folder / "predictions.csv"
    try:
        read = list(read_csv(path))
        ids = np.array([int(row["row"]) for row in read], dtype=np.int64)
        numbers = [np.array([float(row[column]) for row in read]) for column in ("label", "cosine", "prediction")]
        whole = len(np.unique(ids)) == len(ids) == metrics["rows"] and bool(np.isfinite(numbers).all())
    except (OSError, KeyError, ValueError, TypeError, AttributeError, OverflowError, csv.Error):
        whole = False
    if not whole or not len(ids):
        raise ArtifactError(f"{path} is missing or damaged: run the method again")
    return SimilarityResult(
        folder=folder,
        name=name or record.method,
        method=record.method,
        rows=ids,
        truth=numbers[0],
        predicted=numbers[1],
        scaled=numbers[2],
        metrics=metrics,
        record=record,
    )
