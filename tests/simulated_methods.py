"""Test parts drawn over and over from methods whose true accuracy is known, to see what intervals and verdicts are worth.

A row has a difficulty that all methods share and a part of its own for each method; the share of the first is how
strongly their errors are correlated. Rows in which the same methods are right are one cell, so a test part of 5,000
rows is a draw of at most 256 counts.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import binom

from trifold.statistics.accuracy import AccuracyScores
from trifold.statistics.intervals import Z_95, wilson
from trifold.statistics.macro_f1 import MacroF1Scores
from trifold.statistics.selection import Costs, held_out_lead, largest_error_quantile, pick, shown_within

DRAWS = 1_000
TOLERANCE = 0.01
# Of few methods more draws cost little, and their mean error needs more of them to stand still.
_MORE_DRAWS, _FEW_METHODS = 6_000, 3
# Of the score to expect; the product takes 400, of which the mean over the draws would show no more.
_DIVISIONS = 12
# Of the intervals of pairs, in all of a cell's pairs together.
_PAIRED_DRAWS = 6_000


@dataclass(frozen=True)
class Cell:
    """One setting of the simulation.

    Attributes:
        rows: Of the test part.
        accuracies: True ones, the cheapest method first.
        correlation: Of the methods' errors, 0 to 1.
    """

    rows: int
    accuracies: tuple[float, ...]
    correlation: float


@dataclass(frozen=True)
class Outcome:
    """What the draws of a cell gave, percentages and points.

    Attributes:
        single: How often a method's interval covers its true accuracy.
        paired: How often a pair's interval covers its true difference.
        discordant: Rows in which just one of two methods is right, on average.
        selected: How often the shipped method's interval covers its true accuracy.
        wrong: How often a method is shipped as within the tolerance that is not.
        shown: How often any is shipped as within the tolerance.
        bias: Mean of the score to expect of the shipped method less its true accuracy.
        naive: Of its score on the test rows.
    """

    single: float
    paired: float
    discordant: float
    selected: float
    wrong: float
    shown: float
    bias: float
    naive: float


def accuracies(top: float, methods: int, kind: str) -> tuple[float, ...]:
    """True accuracies, the cheapest method first, the last one `top`.

    Args:
        top: The highest.
        methods: How many.
        kind: `equal`; `close`, within 2 points; `spread`, over 15 points; `beyond`, all others lose just more than the
            tolerance.
    """
    if kind == "beyond":
        return (*[top - TOLERANCE - 0.0001] * (methods - 1), top)
    width = {"equal": 0.0, "close": 0.02, "spread": 0.15}[kind]
    return tuple(float(top - lower) for lower in np.linspace(width, 0, methods))


def cells(
    rows: tuple[int, ...],
    tops: tuple[float, ...],
    methods: tuple[int, ...],
    correlations: tuple[float, ...] = (0.2, 0.6, 0.95),
) -> Iterator[Cell]:
    """All combinations, each for four kinds of accuracies."""
    kinds = ("equal", "close", "spread", "beyond")
    for count, top, number, correlation, kind in itertools.product(rows, tops, methods, correlations, kinds):
        yield Cell(count, accuracies(top, number, kind), correlation)


def simulate(cell: Cell, seed: int = 0) -> Outcome:
    """Draw a cell's test parts and see what is said of each."""
    rng = np.random.default_rng(seed)
    true, number = np.array(cell.accuracies), len(cell.accuracies)
    right, chances = _joint(true, cell.correlation)
    draws = _MORE_DRAWS if number <= _FEW_METHODS else DRAWS
    drawn = rng.multinomial(cell.rows, chances, size=draws)
    methods, costs = AccuracyScores(right, drawn[0]), Costs(np.arange(number), _dearer(number))
    first, second = np.triu_indices(number, 1)
    scores = methods.scores(drawn)
    chosen = pick(methods, drawn, costs, TOLERANCE)
    shown = np.take_along_axis(shown_within(methods, drawn, TOLERANCE), chosen[:, None], 1)[:, 0]
    lead = np.zeros(draws)
    for _ in range(_DIVISIONS):
        choosing = rng.binomial(drawn, 0.9)
        none_left = (drawn == choosing).all(axis=1)
        choosing[none_left] = rng.binomial(drawn[none_left], 0.5)
        lead += held_out_lead(methods, drawn, choosing, costs, TOLERANCE) / _DIVISIONS
    # The mean error of all methods is zero in expectation: taking it out takes out noise and nothing else.
    noise = (scores - true).mean(axis=1)
    return Outcome(
        single=100 * float(np.mean([single_coverage(cell.rows, one) for one in true])),
        paired=_paired(right, chances, cell, rng),
        discordant=float(cell.rows * np.mean(chances @ (right[:, first] != right[:, second]))),
        selected=_selected(methods, AccuracyScores(right, drawn.sum(axis=0)).error_correlation(), drawn, chosen, true),
        wrong=100 * float((shown & (true.max() - true[chosen] > TOLERANCE)).mean()),
        shown=100 * float(shown.mean()),
        bias=_mean(scores.mean(axis=1) + lead - true[chosen], noise),
        naive=_mean(np.take_along_axis(scores, chosen[:, None], 1)[:, 0] - true[chosen], noise),
    )


def single_coverage(rows: int, true: float) -> float:
    """How often the interval of one share covers the true one: not drawn, but computed."""
    right = np.arange(rows + 1)
    low, high = wilson(right / rows, rows)
    return float(binom.pmf(right, rows, true)[(low <= true + 1e-12) & (true <= high + 1e-12)].sum())


def attainable(rows: int, true: float, low: float, high: float) -> bool:
    """Whether any interval can cover a share so often: it covers it for a run of counts, and counts come whole."""
    below = np.concatenate([[0.0], binom.cdf(np.arange(rows + 1), rows, true)])
    return bool(((below[None, :] - below[:, None] >= low) & (below[None, :] - below[:, None] <= high)).any())


def _paired(right: np.ndarray, chances: np.ndarray, cell: Cell, rng: np.random.Generator) -> float:
    first, second = np.triu_indices(len(cell.accuracies), 1)
    true = np.array(cell.accuracies)
    drawn = rng.multinomial(cell.rows, chances, size=max(DRAWS, _PAIRED_DRAWS // len(first)))
    leads = AccuracyScores(right, drawn[0]).lead_upper_bounds(drawn, Z_95)
    truly = true[first] - true[second]
    covered = (truly <= leads[:, first, second] + 1e-9) & (-truly <= leads[:, second, first] + 1e-9)
    return 100 * float(covered.mean())


def _selected(
    methods: AccuracyScores, correlation: np.ndarray, drawn: np.ndarray, chosen: np.ndarray, true: np.ndarray
) -> float:
    """How often the interval of the chosen method covers the truth, with the correlation of all draws where it takes that of each."""
    low, high = methods.interval_ends(drawn, largest_error_quantile(correlation))[0], methods.interval_ends(drawn)[1]
    covered = (low <= true + 1e-12) & (true <= high + 1e-12)
    return 100 * float(np.take_along_axis(covered, chosen[:, None], 1).mean())


def _mean(errors: np.ndarray, noise: np.ndarray) -> float:
    slope = np.cov(errors, noise)[0, 1] / noise.var()
    return 100 * float((errors - slope * noise).mean())


def _dearer(number: int) -> np.ndarray:
    return np.arange(number)[:, None] > np.arange(number)[None, :]


def _joint(true: np.ndarray, correlation: float) -> tuple[np.ndarray, np.ndarray]:
    """Which methods are right in each cell, `(cells, methods)` bool, and the chance of each cell."""
    right = np.array(list(itertools.product([False, True], repeat=len(true))))
    points, weights = np.polynomial.hermite_e.hermegauss(80)
    chance = ndtr((ndtri(true) - np.sqrt(correlation) * points[:, None]) / np.sqrt(1 - correlation))
    each = np.where(right[None], chance[:, None, :], 1 - chance[:, None, :]).prod(axis=2)
    chances = weights @ each
    return right, chances / chances.sum()


def macro_f1_coverage(
    rows: int, shares: tuple[float, ...], accuracy: float, gap: float, correlation: float
) -> tuple[float, float]:
    """How often the intervals of macro-F1, and of a pair's difference in it, cover the truth, percentages.

    Args:
        rows: Of the test part.
        shares: Of the classes.
        accuracy: Of the first of two methods in every class; its errors go to all other classes alike.
        gap: By how much the second is less accurate.
        correlation: 0 where the methods err independently, 1 where the better errs only with the other.
    """
    classes, wrong = len(shares), 1 / (len(shares) - 1)
    first, second = accuracy, accuracy - gap
    both = first * second + correlation * (min(first, second) - first * second)
    chances = {}
    for truth, one, other in itertools.product(range(classes), repeat=3):
        if one == truth or other == truth:
            known = both if one == other else (first if one == truth else second) - both
            chance = known * (1 if one == other else wrong)
        else:
            chance = (1 - first - second + both) * wrong * wrong
        chances[truth, one, other] = shares[truth] * chance
    cells, weights = np.array(list(chances)).T, np.array(list(chances.values()))
    methods = MacroF1Scores(cells[0], [cells[1], cells[2]], rows * weights, classes)
    true = methods.scores(rows * weights)
    drawn = np.random.default_rng(0).multinomial(rows, weights / weights.sum(), size=DRAWS)
    low, high = methods.interval_ends(drawn)
    leads = methods.lead_upper_bounds(drawn, Z_95)
    single = (low <= true + 1e-12) & (true <= high + 1e-12)
    lead = true[0] - true[1]
    paired = (lead <= leads[:, 0, 1] + 1e-12) & (-lead <= leads[:, 1, 0] + 1e-12)
    return 100 * float(single.mean()), 100 * float(paired.mean())
