"""Which of several methods to ship by their answers on the same rows, and what to expect of the one that was chosen.

The method with the highest score on some rows owes part of it to these rows, the more so the more methods were tried.
What is said here counts all comparisons that led to it:

- A method is within the tolerance if it is shown, against every other one, to lose no more. The chance of saying so of
  any method that truly loses more is held at 2.5 %.
- The score to expect of the chosen method is measured on rows that had no say in choosing it.
- The lower end of its interval holds for all methods at once, so also for the one that was chosen.
"""

from dataclasses import dataclass

import numpy as np

from trifold.statistics.intervals import Interval
from trifold.statistics.scores import Scored

# The chance of error of each end of a two-sided 95 % interval.
_ERROR = 0.025
# Random divisions of the rows: what is chosen on the larger part is scored on the smaller one.
_DIVISIONS, _DIVISIONS_AT_ONCE = 400, 50
_CHOOSING_SHARE = 0.9
_FEWEST_ROWS = 10
_NORMAL_DRAWS = 20_000
_SEED = 0


@dataclass(frozen=True)
class Costs:
    """What the methods' answers cost, as far as costs can be told apart.

    Attributes:
        values: `(methods,)`, in any unit.
        dearer: `(methods, methods)` bool, whether the first clearly costs more than the second.
    """

    values: np.ndarray
    dearer: np.ndarray


@dataclass(frozen=True)
class Choice:
    """What the answers of several methods say.

    Attributes:
        chosen: The method to ship: the cheapest that is within the tolerance; or the best, as a guess, where none is,
            or where that one is the dearer of the two.
        best: The method with the highest score on the rows; of several, the cheapest.
        scores: `(methods,)` on the rows.
        within: `(methods,)` bool, which are shown to lose no more than the tolerance against any other.
        worse: `(methods,)` bool, which are shown to lose more than the tolerance against the best.
        loss_bounds: `(methods,)`, what each may lose against the best of the others, all comparisons counted.
        least_bound: What even a method that answers as all others do may lose on other rows.
        expected: The chosen method's score to expect on other rows.
    """

    chosen: int
    best: int
    scores: np.ndarray
    within: np.ndarray
    worse: np.ndarray
    loss_bounds: np.ndarray
    least_bound: float
    expected: Interval


def choose(methods: Scored, costs: Costs, tolerance: float) -> Choice:
    """Choose the cheapest method that is within the tolerance; where none is, the best is a guess.

    Args:
        methods: At least two.
        costs: Theirs.
        tolerance: What a cheaper method may lose, a fraction.
    """
    counts, number = methods.counts, len(costs.values)
    scores, leads = methods.scores(counts), methods.lead_statistics(counts, tolerance)
    sure, best = _sureness(leads), int(_best(scores, costs))
    within = _passed(sure)
    chosen = int(_pick(scores, within, costs))
    return Choice(
        chosen=chosen,
        best=best,
        scores=scores,
        within=within,
        worse=leads[best] >= quantile(_ERROR / (number * (number - 1) / 2)),
        loss_bounds=_loss_bounds(methods, sure),
        least_bound=float(methods.least_bound(counts, _steps(number)[0])),
        expected=_expected_score(methods, scores, chosen, costs, tolerance),
    )


def pick(methods: Scored, counts: np.ndarray, costs: Costs, tolerance: float) -> np.ndarray:
    """The method to ship by each of some counts, `(..., cells)` to `(...)`."""
    return _pick(methods.scores(counts), shown_within(methods, counts, tolerance), costs)


def _pick(scores: np.ndarray, within: np.ndarray, costs: Costs) -> np.ndarray:
    cheapest, best = _cheapest(within, scores, costs), _best(scores, costs)
    return np.where(within.any(axis=-1) & ~costs.dearer[cheapest, best], cheapest, best)


def _expected_score(methods: Scored, scores: np.ndarray, chosen: int, costs: Costs, tolerance: float) -> Interval:
    """The score to expect of the method that is shipped, on other rows.

    Its value is the mean score of all methods, plus by how much the one that nine tenths of the rows choose leads that
    mean on the last tenth, over many divisions. The lower end holds for all methods at once, by the largest of their
    correlated errors; the upper end needs no such care, since choosing the best only ever flatters.

    Source: for scoring what was chosen on rows without a say, Tsamardinos, Greasidou and Borboudakis 2018,
    "Bootstrapping the Out-of-sample Predictions for Efficient and Accurate Cross-Validation" (divided here at random,
    since a bootstrap chooses as if on half the rows); for ends that hold at once, Hothorn, Bretz and Westfall 2008,
    "Simultaneous Inference in General Parametric Models".
    """
    counts, rng = methods.counts, np.random.default_rng(_SEED)
    rows = int(counts.sum())
    # On rows too few to be divided, nothing tells the methods apart.
    leads = [np.zeros(1)]
    for _ in range(0, _DIVISIONS if rows >= _FEWEST_ROWS else 0, _DIVISIONS_AT_ONCE):
        choosing = rng.multivariate_hypergeometric(counts, round(_CHOOSING_SHARE * rows), size=_DIVISIONS_AT_ONCE)
        leads.append(held_out_lead(methods, counts, choosing, costs, tolerance))
    value = float(scores.mean() + np.mean(leads[1:] or leads))
    low, high = selected_ends(methods, counts, chosen)
    return Interval(float(np.clip(value, low, high)), float(low), float(high))


def held_out_lead(
    methods: Scored, counts: np.ndarray, choosing: np.ndarray, costs: Costs, tolerance: float
) -> np.ndarray:
    """By how much the method chosen on some of the rows leads the mean of all methods on the others.

    Args:
        methods: All.
        counts: `(..., cells)` rows in all.
        choosing: `(..., cells)` of these, the rows to choose on.
        costs: As in `choose`.
        tolerance: As there.
    """
    chosen = pick(methods, choosing, costs, tolerance)
    scores = methods.scores_of_part(counts, counts - choosing)
    lead: np.ndarray = np.take_along_axis(scores, chosen[..., None], -1)[..., 0] - scores.mean(axis=-1)
    return lead


def selected_ends(methods: Scored, counts: np.ndarray, chosen: int) -> tuple[float, float]:
    """Both ends of the interval of a method's score, whichever way it was chosen on these rows."""
    low = methods.ends(counts, largest_error(methods.correlation()))[0][chosen]
    return float(low), float(methods.ends(counts)[1][chosen])


def quantile(error: float) -> float:
    """The normal quantile that is exceeded with a chance of `error`."""
    from scipy.special import ndtri

    return float(-ndtri(error))


def shown_within(methods: Scored, counts: np.ndarray, tolerance: float) -> np.ndarray:
    """Which methods are shown to lose no more than the tolerance against any other, `(..., methods)` bool.

    For one method this must be shown against each other one, which needs no correction; several methods are taken in
    steps, the surest first.

    Source: Berger 1982, "Multiparameter Hypothesis Testing and Acceptance Sampling"; Holm 1979, "A Simple Sequentially
    Rejective Multiple Test Procedure".
    """
    return _passed(_sureness(methods.lead_statistics(counts, tolerance)))


def _passed(sure: np.ndarray) -> np.ndarray:
    """Which methods are sure enough, in steps, `(..., methods)` bool."""
    order = np.argsort(-sure, axis=-1, kind="stable")
    passed = np.take_along_axis(sure, order, -1) >= _steps(sure.shape[-1])
    within = np.empty_like(passed)
    np.put_along_axis(within, order, np.logical_and.accumulate(passed, axis=-1), -1)
    return within


def _sureness(lead_statistics: np.ndarray) -> np.ndarray:
    """How many deviations each method's loss lies below the tolerance, against the other where that is least."""
    sure = -lead_statistics
    every = np.arange(sure.shape[-1])
    sure[..., every, every] = np.inf
    least: np.ndarray = sure.min(axis=-2)
    return least


def _steps(methods: int) -> np.ndarray:
    """The quantile that each method must reach in turn. One method, the best, never loses: it is not counted.

    Source: Shaffer 1986, "Modified Sequentially Rejective Multiple Test Procedures".
    """
    return np.array([quantile(_ERROR / min(methods - 1, methods - step)) for step in range(methods)])


def _loss_bounds(methods: Scored, sure: np.ndarray) -> np.ndarray:
    """Upper bounds of each method's loss, as sure as its step demands: within the tolerance where it passed."""
    order, steps = np.argsort(-sure, kind="stable"), _steps(len(sure))
    failed = np.flatnonzero(sure[order] < steps)
    bounds = np.empty(len(sure))
    for step, method in enumerate(order):
        z = steps[min(step, failed[0]) if len(failed) else step]
        leads = methods.largest_leads(methods.counts, z)[:, method]
        bounds[method] = np.delete(leads, method).max()
    return bounds


def _best(scores: np.ndarray, costs: Costs) -> np.ndarray:
    return _cheapest(scores == scores.max(axis=-1, keepdims=True), scores, costs)


def _cheapest(allowed: np.ndarray, scores: np.ndarray, costs: Costs) -> np.ndarray:
    """The cheapest of the allowed methods; among those not clearly dearer the best, then the first."""
    cheapest = np.where(allowed, costs.values, np.inf).argmin(axis=-1)
    alike = allowed & ~costs.dearer.T[cheapest]
    chosen: np.ndarray = np.where(alike, scores, -np.inf).argmax(axis=-1)
    return chosen


def largest_error(correlation: np.ndarray) -> float:
    """The quantile that the largest of some correlated normal errors exceeds with a chance of 2.5 %."""
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0))
    normal = np.random.default_rng(_SEED).standard_normal((_NORMAL_DRAWS, len(values)))
    return float(np.quantile((normal @ root.T).max(axis=1), 1 - _ERROR))
