"""Thresholds where a row may have several labels: the probability from which on it gets one, chosen on validation rows.

Chosen for each label alone, for its highest F1, thresholds of rare labels go by a handful of rows: one of these at a
probability of 0.001, and every other text gets the label. Three things keep rare labels from ruling. What counts as
true lies between what was seen and what the model expects, nearer to the latter the fewer rows have the label
(`expected_truth`). All thresholds are chosen together, for macro-F1, micro-F1 and samples-F1 at once. And they are
whole hundredths, the lowest of those that are equally good.

Source: Lipton et al. 2014, "Optimal Thresholding of Classifiers to Maximize F1 Measure", on what rare labels do to
thresholds that are chosen by F1, and on F1 as the probabilities expect it; Fan and Lin 2007, "A Study on Threshold
Selection for Multi-label Classification", on choosing them for macro-F1 and micro-F1, one label after the other.
"""

from dataclasses import dataclass

import numpy as np

_GRID = np.arange(1, 100) / 100
# What the model expects weighs as much as so many rows that have the label (benchmarks/log/other-methods.md).
_PRIOR_ROWS = 100.0
_MOST_ROUNDS = 10


@dataclass(frozen=True)
class F1Weights:
    """How much each mean of F1 counts where thresholds are chosen.

    Attributes:
        macro: F1 of each label, averaged over the labels.
        micro: F1 over all rows and labels.
        samples: F1 of each row, averaged over the rows.
    """

    macro: float = 1.0
    micro: float = 1.0
    samples: float = 1.0


def expected_truth(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The chance that a row has a label, between what was seen on these rows and what the model expects.

    Args:
        probabilities: `(rows, classes)`, calibrated.
        truth: `(rows, classes)` bool.

    Returns:
        `(rows, classes)`: of a label that n rows have, the truth with weight `n / (n + 100)` and the probability with
        the rest.
    """
    seen = truth.sum(axis=0)
    weight = seen / (seen + _PRIOR_ROWS)
    expected: np.ndarray = weight * truth + (1 - weight) * probabilities
    return expected


def common_threshold(probabilities: np.ndarray, truth: np.ndarray, weights: F1Weights | None = None) -> float:
    """The one threshold for all labels with the highest weighted sum of the three means of F1.

    Args:
        probabilities: `(rows, classes)`, calibrated.
        truth: `(rows, classes)` bool.
        weights: Of the three means; equal where `None`.
    """
    expected, given = expected_truth(probabilities, truth), weights or F1Weights()
    return float(max(_GRID, key=lambda threshold: _weighted_f1(expected, probabilities >= threshold, given)))


def label_thresholds(
    probabilities: np.ndarray, truth: np.ndarray, weights: F1Weights | None = None
) -> tuple[float, ...]:
    """A threshold for each label: of the common one, each in turn is moved to where the weighted sum is highest.

    Args:
        probabilities: `(rows, classes)`, calibrated.
        truth: `(rows, classes)` bool.
        weights: Of the three means of F1; equal where `None`.
    """
    given = weights or F1Weights()
    expected = expected_truth(probabilities, truth)
    thresholds = np.full(probabilities.shape[1], common_threshold(probabilities, truth, given))
    answers = _Answers(expected, probabilities >= thresholds)
    # How many of the grid's thresholds each probability reaches.
    reached = np.searchsorted(_GRID, probabilities, side="right")
    for _ in range(_MOST_ROUNDS):
        before = thresholds.copy()
        for label in range(len(thresholds)):
            gains = answers.without(label).gains(label, reached[:, label], given)
            thresholds[label] = _GRID[int(gains.argmax())]
            answers.give(label, probabilities[:, label] >= thresholds[label])
        if np.array_equal(thresholds, before):
            break
    return tuple(thresholds.tolist())


class _Answers:
    """Which row is given which label, with what F1 is made of: `2 * hits / sizes`, for the rows and for all of them.

    Args:
        expected: As `expected_truth` gives it.
        given: `(rows, classes)` bool.
    """

    def __init__(self, expected: np.ndarray, given: np.ndarray) -> None:
        self._expected, self._given = expected, given.copy()
        self._hits, self._sizes = (expected * given).sum(axis=1), expected.sum(axis=1) + given.sum(axis=1)

    def without(self, label: int) -> "_Answers":
        """Take a label from all rows."""
        self.give(label, np.zeros(len(self._given), dtype=bool))
        return self

    def give(self, label: int, given: np.ndarray) -> None:
        """Give a label to these rows, `(rows,)` bool, and to no others."""
        change = given.astype(float) - self._given[:, label]
        self._hits += change * self._expected[:, label]
        self._sizes += change
        self._given[:, label] = given

    def gains(self, label: int, reached: np.ndarray, weights: F1Weights) -> np.ndarray:
        """The weighted sum at each threshold of the grid for a label that no row has, but for what is the same for all.

        Args:
            label: Its number.
            reached: `(rows,)`, how many thresholds of the grid the row's probability reaches.
            weights: Of the three means.
        """
        expected, classes = self._expected[:, label], self._expected.shape[1]
        sizes = np.maximum(self._sizes, 1e-9)
        better = 2 * (self._hits + expected) / (sizes + 1) - 2 * self._hits / sizes
        hits, rows, samples = (
            # From the highest threshold downwards: whoever reaches one has reached all below it.
            np.bincount(reached, values, minlength=len(_GRID) + 1)[:0:-1].cumsum()[::-1]
            for values in (expected, None, better)
        )
        macro = 2 * hits / np.maximum(rows + expected.sum(), 1e-9) / classes
        micro = 2 * (self._hits.sum() + hits) / (sizes.sum() + rows)
        found: np.ndarray = weights.macro * macro + weights.micro * micro + weights.samples * samples / len(sizes)
        return found


def _weighted_f1(expected: np.ndarray, given: np.ndarray, weights: F1Weights) -> float:
    """The weighted sum of macro-F1, micro-F1 and samples-F1."""
    hits, sizes = 2 * expected * given, expected + given
    macro, samples = (np.mean(hits.sum(axis) / np.maximum(sizes.sum(axis), 1e-9)) for axis in (0, 1))
    micro = hits.sum() / max(float(sizes.sum()), 1e-9)
    return float(weights.macro * macro + weights.micro * micro + weights.samples * samples)
