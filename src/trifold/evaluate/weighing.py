"""Runs on the same test rows, weighed against each other: what each loses, what it may lose, and what it costs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trifold.evaluate.results import ScoredRun, score_runs
from trifold.statistics.intervals import Z_95, Interval
from trifold.statistics.scores import MethodScores
from trifold.statistics.selection import Choice, Costs, choose, quantile

# Of 80 % power.
_Z_POWER = 0.84
# More rows to label than this, or so many times those at hand, are no advice.
_MOST_ROWS, _MOST_TIMES = 10_000, 20
# Timings repeated in one process do not show how they differ from one process to the next.
_TIMING_NOISE = 1.1


@dataclass(frozen=True)
class Contender:
    """A method, and what it may lose.

    Attributes:
        method: Name.
        loss: Score of the best method minus its score, on the same rows.
        bound: What it may lose against the best of the others: 95 % bound, all comparisons counted.
        within: Whether it is shown to lose no more than the tolerance.
        worse: Whether it is shown to lose more.
        rows_to_tell: Further test rows that would settle it, where neither holds and so many could be labelled.
    """

    method: str
    loss: float
    bound: float
    within: bool
    worse: bool
    rows_to_tell: int | None


@dataclass(frozen=True)
class ComparedPair:
    """Two methods on the same rows, by themselves: no other comparison is counted.

    Attributes:
        first: Name.
        second: Name.
        difference: Score of the first minus score of the second.
    """

    first: str
    second: str
    difference: Interval


@dataclass(frozen=True)
class WeighedRuns:
    """What a verdict is made from.

    Attributes:
        results: The runs, cheapest first.
        score: Name of the metric that decides.
        tolerance: What a cheaper method may lose, in points (hundredths).
        scored: Their answers, scored row by row.
        costs: What their answers cost.
        choice: What follows from both.
    """

    results: Sequence[ScoredRun]
    score: str
    tolerance: float
    scored: MethodScores
    costs: Costs
    choice: Choice

    @property
    def losses(self) -> np.ndarray:
        """`(methods,)`, the best score minus each method's, on the same rows."""
        losses: np.ndarray = self.choice.scores.max() - self.choice.scores
        return losses

    @property
    def ship(self) -> ScoredRun:
        """The run to ship."""
        return self.results[self.choice.chosen]

    @property
    def guess(self) -> bool:
        """Whether the run to ship is not shown to be within the tolerance."""
        return not self.choice.within[self.choice.chosen]


def weigh(results: Sequence[ScoredRun], score: str, tolerance_points: float) -> WeighedRuns:
    """Weigh runs on the same test rows, at least two, cheapest first."""
    methods = score_runs(results, score)
    low, high = np.array([result.millisecond_range for result in results]).T
    costs = Costs(
        np.array([result.milliseconds_per_text for result in results]), low[:, None] > _TIMING_NOISE * high[None, :]
    )
    return WeighedRuns(results, score, tolerance_points, methods, costs, choose(methods, costs, tolerance_points / 100))


def contend(case: WeighedRuns, number: int) -> Contender:
    """What the method of this number loses and may lose."""
    choice = case.choice
    within, worse = bool(choice.within[number]), bool(choice.worse[number])
    return Contender(
        method=case.results[number].name,
        loss=float(case.losses[number]),
        bound=float(choice.loss_bounds[number]),
        within=within,
        worse=worse,
        rows_to_tell=None if within or worse else _rows_to_tell(case, number),
    )


def _rows_to_tell(case: WeighedRuns, number: int) -> int | None:
    """Test rows to add until four in five repetitions would find the method within the tolerance, or worse.

    The loss is taken to stay what it is, and its deviation to fall with the square root of the rows n: solve
    `(z + z_0.8) * deviation * sqrt(rows / n) = |tolerance - loss|`, with the z that all comparisons together demand.

    Source: the usual formula for sample size, e.g. Cohen, "Statistical Power Analysis", chapter 2.
    """
    best = case.choice.best if case.choice.best != number else int(np.argsort(case.losses, kind="stable")[1])
    tolerance, methods, rows = case.tolerance / 100, len(case.results), len(case.ship.rows)
    distance = abs(tolerance - float(case.losses[number] - case.losses[best]))
    better = case.losses[number] - case.losses[best] < tolerance
    z = quantile(0.025 / (methods - 1 if better else methods * (methods - 1) / 2))
    least = case.scored.rows_for_bound(tolerance, z) if better else 0.0
    return more_rows(distance, float(case.scored.lead_standard_errors()[best, number]), z, rows, least)


def more_rows(distance: float, error: float, z: float, rows: int, least: float = 0.0) -> int | None:
    """Test rows to add until four in five repetitions would show a difference; `None` where nobody would label so many.

    Args:
        distance: The difference, by its size.
        error: Its standard error on the rows at hand.
        z: Normal quantile that has to be reached.
        rows: Those at hand.
        least: No fewer rows than these can show it.
    """
    if distance == 0.0:
        return None
    more = max(1, math.ceil(max(rows * ((z + _Z_POWER) * error / distance) ** 2, least) - rows))
    return round_up(more) if more <= max(_MOST_ROWS, _MOST_TIMES * rows) else None


def compare_pairs(case: WeighedRuns) -> tuple[ComparedPair, ...]:
    """All pairs of methods, in the order of the scores."""
    scores, leads = case.choice.scores, case.scored.lead_upper_bounds(case.scored.counts, Z_95)
    order = np.argsort(-scores, kind="stable")
    names = [result.name for result in case.results]
    return tuple(
        ComparedPair(
            names[i], names[j], Interval(float(scores[i] - scores[j]), float(-leads[j, i]), float(leads[i, j]))
        )
        for place, i in enumerate(order)
        for j in order[place + 1 :]
    )


def round_up(rows: int) -> int:
    """Two significant digits, upwards: more would feign a precision that is not there."""
    digits = max(0, len(str(rows)) - 2)
    return int(math.ceil(rows / 10**digits) * 10**digits)
