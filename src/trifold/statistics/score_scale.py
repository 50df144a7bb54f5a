"""From cosines to scores as people gave them: a line through the data that rises everywhere, so that order stays."""

from dataclasses import dataclass

import numpy as np

# Points that the line is drawn through, and how much of a straight line is mixed in, so that it rises everywhere.
_POINTS = 20
_STRAIGHT = 0.02


@dataclass(frozen=True)
class ScoreScale:
    """A line through points, straight between them.

    Attributes:
        cosines: `(points,)` rising, from -1 to 1.
        scores: `(points,)` rising.
    """

    cosines: np.ndarray
    scores: np.ndarray

    @classmethod
    def fit(cls, cosines: np.ndarray, scores: np.ndarray, low: float, high: float) -> "ScoreScale":
        """The scale that fits some pairs best.

        The pairs are put into bins of equal size by their cosine, and the bins' mean scores into rising order by
        isotonic regression.

        Args:
            cosines: `(pairs,)`.
            scores: `(pairs,)`, what people said of the same pairs.
            low: The lowest score there is, which a cosine of -1 stands for.
            high: The highest, which a cosine of 1 stands for.

        Source: Barlow et al. 1972, "Statistical Inference under Order Restrictions".
        """
        from sklearn.isotonic import isotonic_regression

        order = np.argsort(cosines, kind="stable")
        bins = [one for one in np.array_split(order, min(_POINTS, len(order))) if len(one)]
        places = np.array([cosines[one].mean() for one in bins])
        means = isotonic_regression(np.array([scores[one].mean() for one in bins]), y_min=low, y_max=high)
        # Bins with the same mean cosine, as where all texts are alike, are one point.
        places, first = np.unique(np.clip(places, -1 + 1e-6, 1 - 1e-6), return_index=True)
        cosines = np.concatenate([[-1.0], places, [1.0]])
        known = np.concatenate([[low], means[first], [high]])
        straight = low + (high - low) * (cosines + 1) / 2
        return cls(cosines, (1 - _STRAIGHT) * known + _STRAIGHT * straight)

    def scaled(self, cosines: np.ndarray) -> np.ndarray:
        """Scores for cosines, in the same order."""
        return np.asarray(np.interp(cosines, self.cosines, self.scores))
