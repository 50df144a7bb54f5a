"""Which of several methods to ship, from their predictions on the same rows, and what score to expect of that method.

The highest of several scores is partly luck, and the more methods are tried, the more luck. Everything here takes
account of all comparisons that were made:

- A method is within the tolerance if it is shown to lose no more than the tolerance against each other method. The
  chance to say so of any method that in truth loses more is at most 2.5 %.
- The expected score of the chosen method is measured on rows that were not used to choose it.
- The lower end of the interval of that score holds for all methods at once, so also for the chosen one.
"""

from dataclasses import dataclass

import numpy as np

from trifold.statistics.intervals import Interval
from trifold.statistics.scores import MethodScores

# Chance of error of each end of a two-sided 95 % interval.
_ERROR = 0.025
# The rows are divided at random this often: a method is chosen on the larger part and scored on the smaller one.
_DIVISIONS, _DIVISIONS_AT_ONCE = 400, 50
_CHOOSING_SHARE = 0.9
_FEWEST_ROWS = 10
_NORMAL_DRAWS = 20_000
_SEED = 0


@dataclass(frozen=True)
class Costs:
    """What a prediction costs with each method.

    Attributes:
        values: `(methods,)`, in any unit.
        dearer: `(methods, methods)` bool, whether the first method clearly costs more than the second, so that the
            difference is not noise of the measurement.
    """

    values: np.ndarray
    dearer: np.ndarray


@dataclass(frozen=True)
class Choice:
    """The method to ship, and the evidence. Methods are given by their position.

    Attributes:
        chosen: The method to ship: the cheapest that is within the tolerance. It is `best` where no method is within
            the tolerance, or where the cheapest that is costs clearly more than `best`.
        best: The method with the highest score on the rows; the cheapest of those with equal scores.
        scores: `(methods,)`, on the rows.
        within: `(methods,)` bool, whether a method is shown to lose no more than the tolerance against each other.
        worse: `(methods,)` bool, whether a method is shown to lose more than the tolerance against `best`.
        loss_bounds: `(methods,)`, upper bound of what each method loses against the best of the others; holds for all
            comparisons at once.
        least_bound: The smallest upper bound of a loss that this number of rows can show.
        expected: Score to expect of the chosen method on other rows.
    """

    chosen: int
    best: int
    scores: np.ndarray
    within: np.ndarray
    worse: np.ndarray
    loss_bounds: np.ndarray
    least_bound: float
    expected: Interval


def choose(methods: MethodScores, costs: Costs, tolerance: float) -> Choice:
    """Choose the cheapest method that is within the tolerance, or the best one where none is.

    Args:
        methods: At least two.
        costs: Cost of each method.
        tolerance: The loss of score that is accepted for a lower cost, a fraction.
    """
    counts, number = methods.counts, len(costs.values)
    scores, leads = methods.scores(counts), methods.lead_z(counts, tolerance)
    within_z, best = _least_within_z(leads), int(_best(scores, costs))
    within = _stepwise_test(within_z)
    chosen = int(_pick(scores, within, costs))
    return Choice(
        chosen=chosen,
        best=best,
        scores=scores,
        within=within,
        worse=leads[best] >= quantile(_ERROR / (number * (number - 1) / 2)),
        loss_bounds=_loss_bounds(methods, within_z),
        least_bound=float(methods.identical_upper_bound(counts, _step_quantiles(number)[0])),
        expected=_expected_score(methods, scores, chosen, costs, tolerance),
    )


def pick(methods: MethodScores, counts: np.ndarray, costs: Costs, tolerance: float) -> np.ndarray:
    """The method to ship for each draw of counts.

    Args:
        methods: At least two.
        counts: `(..., groups)`.
        costs: Cost of each method.
        tolerance: See `choose`.

    Returns:
        `(...)` positions of methods.
    """
    return _pick(methods.scores(counts), shown_within(methods, counts, tolerance), costs)


def _pick(scores: np.ndarray, within: np.ndarray, costs: Costs) -> np.ndarray:
    cheapest, best = _cheapest(within, scores, costs), _best(scores, costs)
    return np.where(within.any(axis=-1) & ~costs.dearer[cheapest, best], cheapest, best)


def _expected_score(methods: MethodScores, scores: np.ndarray, chosen: int, costs: Costs, tolerance: float) -> Interval:
    """Score to expect of the chosen method on other rows.

    The value is the mean score of all methods, plus the mean lead of a chosen method over that mean: over many random
    divisions, a method is chosen on nine tenths of the rows and its lead measured on the last tenth. The lower end
    holds for all methods at once (by the largest of their correlated errors). The upper end is that of a single
    method, since choosing the best can only make a score look too good.

    Source: for scoring the chosen method on rows that were not used to choose it, Tsamardinos, Greasidou and
    Borboudakis 2018, "Bootstrapping the Out-of-sample Predictions for Efficient and Accurate Cross-Validation" (rows
    are divided at random here, since a bootstrap sample chooses as if there were half the rows); for the lower end,
    Hothorn, Bretz and Westfall 2008, "Simultaneous Inference in General Parametric Models".
    """
    counts, rng = methods.counts, np.random.default_rng(_SEED)
    rows = int(counts.sum())
    # With too few rows to divide, the lead is taken to be zero.
    leads = [np.zeros(1)]
    for _ in range(0, _DIVISIONS if rows >= _FEWEST_ROWS else 0, _DIVISIONS_AT_ONCE):
        choosing = rng.multivariate_hypergeometric(counts, round(_CHOOSING_SHARE * rows), size=_DIVISIONS_AT_ONCE)
        leads.append(held_out_lead(methods, counts, choosing, costs, tolerance))
    value = float(scores.mean() + np.mean(leads[1:] or leads))
    low, high = _interval_of_chosen(methods, chosen)
    return Interval(float(np.clip(value, low, high)), low, high)


def held_out_lead(
    methods: MethodScores, counts: np.ndarray, choosing: np.ndarray, costs: Costs, tolerance: float
) -> np.ndarray:
    """Lead of the method that is chosen on a part of the rows over the mean of all methods, on the other rows.

    Args:
        methods: At least two.
        counts: `(..., groups)`, all rows.
        choosing: `(..., groups)`, the rows to choose on.
        costs: Cost of each method.
        tolerance: See `choose`.

    Returns:
        `(...)` differences of scores.
    """
    chosen = pick(methods, choosing, costs, tolerance)
    scores = methods.scores_of_part(counts, counts - choosing)
    lead: np.ndarray = np.take_along_axis(scores, chosen[..., None], -1)[..., 0] - scores.mean(axis=-1)
    return lead


def _interval_of_chosen(methods: MethodScores, chosen: int) -> tuple[float, float]:
    """Ends of the interval of a method's score, whichever way the method was chosen on these rows."""
    low, _ = methods.interval_ends(methods.counts, largest_error_quantile(methods.error_correlation()))
    _, high = methods.interval_ends(methods.counts)
    return float(low[chosen]), float(high[chosen])


def quantile(error: float) -> float:
    """The normal quantile that is exceeded with a chance of `error`."""
    from scipy.special import ndtri

    return float(-ndtri(error))


def shown_within(methods: MethodScores, counts: np.ndarray, tolerance: float) -> np.ndarray:
    """Whether each method is shown to lose no more than the tolerance against each other, `(..., methods)` bool.

    A single method must pass the test against each other method, which needs no correction for the number of tests
    (an intersection-union test). Several methods are tested one after another, the clearest first (Holm's method).

    Args:
        methods: At least two.
        counts: `(..., groups)`.
        tolerance: See `choose`.

    Source: Berger 1982, "Multiparameter Hypothesis Testing and Acceptance Sampling"; Holm 1979, "A Simple Sequentially
    Rejective Multiple Test Procedure".
    """
    return _stepwise_test(_least_within_z(methods.lead_z(counts, tolerance)))


def _least_within_z(leads: np.ndarray) -> np.ndarray:
    """By how many standard deviations each method's loss is below the tolerance, `(..., methods)`.

    Of the comparisons with the other methods, the one with the smallest result counts.

    Args:
        leads: `(..., first, second)`, see `MethodScores.lead_z`; the tolerance is the supposed lead.
    """
    within_z = -leads
    diagonal = np.arange(within_z.shape[-1])
    within_z[..., diagonal, diagonal] = np.inf
    least: np.ndarray = within_z.min(axis=-2)
    return least


def _stepwise_test(within_z: np.ndarray) -> np.ndarray:
    """Whether each method and all clearer ones reach the quantiles of their steps, `(..., methods)` bool."""
    order = np.argsort(-within_z, axis=-1, kind="stable")
    passed = np.take_along_axis(within_z, order, -1) >= _step_quantiles(within_z.shape[-1])
    within = np.empty_like(passed)
    np.put_along_axis(within, order, np.logical_and.accumulate(passed, axis=-1), -1)
    return within


def _step_quantiles(methods: int) -> np.ndarray:
    """Normal quantile that must be reached at each step, `(methods,)`.

    At most `methods - 1` of the hypotheses can be true, since the best method never loses.

    Source: Shaffer 1986, "Modified Sequentially Rejective Multiple Test Procedures".
    """
    return np.array([quantile(_ERROR / min(methods - 1, methods - step)) for step in range(methods)])


def _loss_bounds(methods: MethodScores, within_z: np.ndarray) -> np.ndarray:
    """Upper bound of each method's loss at the quantile of its step: within the tolerance where the method passed."""
    order, quantiles = np.argsort(-within_z, kind="stable"), _step_quantiles(len(within_z))
    failed = np.flatnonzero(within_z[order] < quantiles)
    steps = np.minimum(np.argsort(order), failed[0] if len(failed) else len(order))
    # One table of all pairs for each method, with the quantile of that method's step.
    tables = methods.lead_upper_bounds(methods.counts, quantiles[steps][:, None, None])
    return np.array([np.delete(table[:, method], method).max() for method, table in enumerate(tables)])


def _best(scores: np.ndarray, costs: Costs) -> np.ndarray:
    return _cheapest(scores == scores.max(axis=-1, keepdims=True), scores, costs)


def _cheapest(allowed: np.ndarray, scores: np.ndarray, costs: Costs) -> np.ndarray:
    """The cheapest allowed method, `(...)`.

    Of the methods that do not clearly cost more than the cheapest, the one with the highest score is taken, and the
    first of those with equal scores.
    """
    cheapest = np.where(allowed, costs.values, np.inf).argmin(axis=-1)
    equally_cheap = allowed & ~costs.dearer.T[cheapest]
    chosen: np.ndarray = np.where(equally_cheap, scores, -np.inf).argmax(axis=-1)
    return chosen


def largest_error_quantile(correlation: np.ndarray) -> float:
    """The quantile that the largest of several correlated standard normal errors exceeds with a chance of 2.5 %.

    Args:
        correlation: `(methods, methods)`.
    """
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0))
    normal = np.random.default_rng(_SEED).standard_normal((_NORMAL_DRAWS, len(values)))
    return float(np.quantile((normal @ root.T).max(axis=1), 1 - _ERROR))
