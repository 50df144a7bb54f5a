"""Macro-F1 of several methods on the same rows: F1 averaged over the classes that occur in truth or prediction."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from trifold.statistics.accuracy import correct_rows
from trifold.statistics.influence import InfluenceScores, mean_error_effect

# A row is two appearances of its class if it is predicted correctly: one in the truth, one in the prediction.
_PRIOR_APPEARANCES = 8.0


class MacroF1Scores(InfluenceScores):
    """`MethodScores` by macro-F1, exactly for any counts.

    Args:
        truth: `(groups,)` class numbers, or `(groups, classes)` bool.
        predictions: One array for each method, in the shape of `truth`.
        counts: `(groups,)` number of rows in each group.
        classes: Number of classes.
    """

    def __init__(self, truth: np.ndarray, predictions: Sequence[np.ndarray], counts: np.ndarray, classes: int) -> None:
        true = _label_matrix(truth, classes)
        predicted = [_label_matrix(one, classes) for one in predictions]
        # 2 * TP and 2 * TP + FP + FN of each group and class: F1 is their quotient once summed over the rows.
        self._hits = [2 * true.multiply(one).tocsr() for one in predicted]
        self._appearances = [(true + one).tocsr() for one in predicted]
        wrong = np.stack([~correct_rows(truth, one) for one in predictions], axis=1)
        super().__init__(counts, wrong, mean_error_effect(counts @ true, float(counts.sum()), several=truth.ndim == 2))

    def scores(self, counts: np.ndarray) -> np.ndarray:
        """See `MethodScores`."""
        return np.stack([_mean_over_classes(self._f1(one, counts)) for one in range(len(self._hits))], axis=-1)

    def influences(self, counts: np.ndarray) -> np.ndarray:
        """See `InfluenceScores`."""
        return self._influences(counts, 0.0)

    def influences_for_variance(self, counts: np.ndarray) -> np.ndarray:
        """See `InfluenceScores`. Each class's F1 is shrunk towards the mean over the classes.

        A class of one row has an F1 of 0 or 1, by which that row has no influence, whether it is right by luck or not.
        """
        return self._influences(counts, _PRIOR_APPEARANCES)

    def _influences(self, counts: np.ndarray, prior: float) -> np.ndarray:
        """Influences with each class's F1 shrunk to the mean, which counts as `prior` appearances of the class."""
        found = []
        for method, (hits, appearances) in enumerate(zip(self._hits, self._appearances, strict=True)):
            appeared = _product(counts, appearances)
            observed = self._f1(method, counts)
            mean = _mean_over_classes(observed)[..., None]
            f1 = (np.nan_to_num(observed) * appeared + prior * mean) / np.maximum(appeared + prior, 1e-12)
            occurring = np.maximum((appeared > 0).sum(axis=-1, keepdims=True), 1)
            with np.errstate(divide="ignore"):
                scale = np.where(appeared > 0, counts.sum(axis=-1, keepdims=True) / (occurring * appeared), 0)
            found.append(_product(scale, hits.T) - _product(scale * f1, appearances.T))
        return np.stack(found, axis=-1)

    def _f1(self, method: int, counts: np.ndarray) -> np.ndarray:
        """F1 of each class, `(..., classes)`; NaN for a class that occurs neither in truth nor in prediction."""
        with np.errstate(invalid="ignore"):
            f1: np.ndarray = _product(counts, self._hits[method]) / _product(counts, self._appearances[method])
        return f1


def _label_matrix(target: np.ndarray, classes: int) -> Any:
    """Which row has which label: a sparse `(rows, classes)` matrix of ones."""
    from scipy.sparse import csr_array

    if target.ndim == 2:
        return csr_array(target, dtype=np.float64)
    return csr_array((np.ones(len(target)), (np.arange(len(target)), target)), shape=(len(target), classes))


def _product(values: np.ndarray, matrix: Any) -> np.ndarray:
    """Matrix product of an array of any shape, along its last axis, with a sparse matrix."""
    flat: np.ndarray = values.reshape(-1, values.shape[-1]) @ matrix
    return flat.reshape(*values.shape[:-1], flat.shape[-1])


def _mean_over_classes(f1: np.ndarray) -> np.ndarray:
    """Mean over the classes that occur in truth or prediction, as in scikit-learn; 0 where none occurs."""
    occurring = ~np.isnan(f1)
    mean: np.ndarray = np.where(occurring, f1, 0).sum(axis=-1) / np.maximum(occurring.sum(axis=-1), 1)
    return mean
