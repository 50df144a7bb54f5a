"""Scores by any metric besides accuracy and macro-F1, from its value and the influence of every row on it."""

from collections.abc import Sequence

import numpy as np

from trifold.statistics.accuracy import correct_rows
from trifold.statistics.calibration import prior_loss
from trifold.statistics.influence import InfluenceScores, mean_error_effect
from trifold.statistics.intervals import Z_95, wilson
from trifold.statistics.metric import LABEL_TITLES
from trifold.statistics.row_influence import (
    Figure,
    average_precision,
    has_label,
    label_figure,
    mcc,
    micro_f1,
    negative_log_loss,
    roc_auc,
    samples_f1,
)


class LinearisedScores(InfluenceScores):
    """`MethodScores` by a metric whose influences are known on all rows; other counts are followed to first order.

    Args:
        figures: Of each method: the metric on all rows, and `(rows,)` influences.
        wrong: `(rows, methods)` bool, which methods are wrong in each row.
        error_effect: See `InfluenceScores`.
        span: See `InfluenceScores`.
        rows_for_one: See `InfluenceScores`.
    """

    def __init__(
        self,
        figures: Sequence[Figure],
        wrong: np.ndarray,
        error_effect: float,
        span: tuple[float, float] = (0.0, 1.0),
        rows_for_one: float = 1.0,
    ) -> None:
        rows = np.column_stack([*(influence for _, influence in figures), wrong])
        groups, counts = np.unique(rows, axis=0, return_counts=True)
        super().__init__(counts, groups[:, len(figures) :], error_effect, span, rows_for_one)
        self._values = np.array([value for value, _ in figures])
        self._influences = groups[:, : len(figures)]

    def scores(self, counts: np.ndarray) -> np.ndarray:
        """See `MethodScores`."""
        added = counts @ self._influences / counts.sum(axis=-1, keepdims=True)
        return np.asarray(self._values + added)

    def influences(self, counts: np.ndarray) -> np.ndarray:  # noqa: ARG002 - the same to first order
        """See `InfluenceScores`."""
        return self._influences


class LabelScores(LinearisedScores):
    """`MethodScores` by F1, recall or precision of one label, each a share of the rows that the label concerns.

    Args:
        kind: `f1`, `recall` or `precision`.
        true: `(rows,)` bool, which rows have the label.
        named: `(rows,)` bool for each method, which rows are predicted to have it.
    """

    def __init__(self, kind: str, true: np.ndarray, named: Sequence[np.ndarray]) -> None:
        self._kind = kind
        concerned = np.stack([{"f1": true | one, "recall": true, "precision": one}[kind] for one in named], axis=1)
        behind = concerned.sum(axis=0)
        # A method that never names the label has no precision, and no say in what another's is worth.
        rows_for_one = float(len(true) / min(behind[behind > 0], default=1))
        effect = rows_for_one / 2 if kind == "f1" else rows_for_one
        # The rows behind each figure take the place of the wrong ones: they are what `interval_ends` counts.
        figures = [label_figure(kind, true, one) for one in named]
        super().__init__(figures, concerned, effect, rows_for_one=rows_for_one)

    def interval_ends(self, counts: np.ndarray, z: float = Z_95) -> tuple[np.ndarray, np.ndarray]:
        """See `MethodScores`. Wilson's on the rows concerned; 0 to 1 where there is none.

        F1 varies as `2 * share / (1 + share)` of the share of these rows that are right, so as if there were
        `2 / (2 - f1)**2` times as many of them. No more than there are is assumed.
        """
        shares, rows = np.clip(self.scores(counts), 0, 1), np.maximum(counts @ self._wrong, 1e-9)
        return wilson(shares, rows * np.minimum(1, 2 / (2 - shares) ** 2) if self._kind == "f1" else rows, z)


class LogLossScores(LinearisedScores):
    """`MethodScores` by minus the log loss, which has no lowest value.

    Args:
        figures: See `LinearisedScores`.
        error_effect: See `InfluenceScores`: the loss of one who knows nothing but the shares of the labels.
    """

    def __init__(self, figures: Sequence[Figure], error_effect: float) -> None:
        wrong = np.zeros((len(figures[0][1]), len(figures)), dtype=bool)
        super().__init__(figures, wrong, error_effect, (-np.inf, 0.0))

    def interval_ends(self, counts: np.ndarray, z: float = Z_95) -> tuple[np.ndarray, np.ndarray]:
        """See `MethodScores`. On the logarithm of the loss, which is never negative and has its outliers above.

        One row that is off by `error_effect` is added to those observed.
        """
        losses, rows = -self.scores(counts), counts.sum(axis=-1)[..., None]
        errors = np.sqrt((self._variances(counts) + self._error_effect**2 / rows) / rows)
        relative = z * errors / np.maximum(losses, 1e-12)
        # Of a loss of almost nothing the logarithm says nothing: the error itself is added.
        highest = np.maximum(losses * np.exp(np.minimum(relative, 1.0)), losses + z * errors)
        return -highest, -losses * np.exp(-relative)


def linearised_scores(
    kind: str,
    truth: np.ndarray,
    predictions: Sequence[np.ndarray],
    classes: int,
    column: int | None = None,
    probabilities: Sequence[np.ndarray] = (),
) -> InfluenceScores:
    """Scores of several methods by a metric; by minus the log loss where that is asked for.

    Args:
        kind: Of the metric, without a label.
        truth: `(rows,)` or `(rows, classes)`.
        predictions: One array for each method, in the shape of `truth`.
        classes: Number of classes.
        column: Class number of the label that the metric is of.
        probabilities: `(rows, classes)` for each method, for metrics that need them.
    """
    if kind == "log_loss":
        known = [negative_log_loss(truth, one) for one in probabilities]
        # Where all rows have the same label, nothing is lost by one who knows that: an even guess loses ln 2.
        return LogLossScores(known, prior_loss(truth, np.ones(truth.shape)) or float(np.log(2)))
    if kind in LABEL_TITLES:
        assert column is not None, f"{kind} is of a label"
        return LabelScores(kind, has_label(truth, column), [has_label(one, column) for one in predictions])
    rows = len(truth)
    label_rows = truth.sum(axis=0) if truth.ndim == 2 else np.bincount(truth, minlength=classes)
    wrong = np.stack([~correct_rows(truth, one) for one in predictions], axis=1)
    several = truth.ndim == 2
    if kind == "micro_f1":
        effect = rows / max(1.0, 2.0 * truth.sum()) if several else 1.0
        return LinearisedScores([micro_f1(truth, one) for one in predictions], wrong, effect)
    if kind == "samples_f1":
        return LinearisedScores([samples_f1(truth, one) for one in predictions], wrong, 1.0)
    effect = mean_error_effect(label_rows, rows, several=several)
    if kind == "mcc":
        return LinearisedScores([mcc(truth, one, classes) for one in predictions], wrong, 2 * effect, (-1.0, 1.0))
    ranking = {"roc_auc": roc_auc, "average_precision": average_precision}[kind]
    return LinearisedScores([ranking(truth, one) for one in probabilities], wrong, effect)
