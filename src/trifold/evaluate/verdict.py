"""Which method to ship: the cheapest that is not shown to lose more than a tolerance against the best."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trifold.evaluate.leaderboard import SCORE_NAMES, milliseconds
from trifold.evaluate.results import RunResult
from trifold.metrics import Difference, paired_difference

# Normal quantiles: of the 95 % interval, and of a power of 80 %.
_Z = 1.96 + 0.84
# More rows to label than this, or so many times those at hand, are no advice.
_MOST_ROWS, _MOST_TIMES = 10_000, 20


@dataclass(frozen=True)
class Contender:
    """A method beside the best one.

    Attributes:
        method: Name.
        loss: Score of the best minus its score, paired on the same rows.
        within: Whether the upper bound of the loss is within the tolerance.
        worse: Whether even the lower bound is beyond the tolerance.
        rows_to_tell: Further test rows that would settle it, where neither holds and so many could be labelled.
    """

    method: str
    loss: Difference
    within: bool
    worse: bool
    rows_to_tell: int | None


@dataclass(frozen=True)
class Verdict:
    """What to ship and why.

    Attributes:
        ship: Name of the method.
        best: Name of the method with the highest score on the test rows.
        undecided: Whether a cheaper method than `ship` may well be good enough.
        contenders: The other methods, cheapest first.
        sentences: The verdict in plain words.
    """

    ship: str
    best: str
    undecided: bool
    contenders: tuple[Contender, ...]
    sentences: tuple[str, ...]


def decide(results: Sequence[RunResult], score: str, tolerance_points: float) -> Verdict:
    """Choose the method to ship.

    Args:
        results: At least one; all on the same test rows in the same order.
        score: `accuracy` or `macro_f1`.
        tolerance_points: What a cheaper method may lose, in points (hundredths).
    """
    by_cost = sorted(results, key=lambda result: (result.milliseconds_per_text, -result.metrics[score]["value"]))
    best = max(by_cost, key=lambda result: result.metrics[score]["value"])
    contenders = tuple(
        _contend(result, best, score, tolerance_points / 100) for result in by_cost if result is not best
    )
    cheaper = contenders[: by_cost.index(best)]
    winner = next((contender for contender in cheaper if contender.within), None)
    ship = winner.method if winner else best.name
    open_ones = [c for c in cheaper[: cheaper.index(winner) if winner else None] if not c.worse]
    sentences = _words(results, best, ship, winner, open_ones, score, tolerance_points)
    return Verdict(ship, best.name, bool(open_ones), contenders, sentences)


def _contend(result: RunResult, best: RunResult, score: str, tolerance: float) -> Contender:
    assert np.array_equal(result.rows, best.rows), "methods must be compared on the same rows"
    loss = paired_difference(score, best.truth, best.predicted, result.predicted, len(best.labels))
    within, worse = loss.high <= tolerance, loss.low > tolerance
    return Contender(
        result.name, loss, within, worse, None if within or worse else _rows_to_tell(loss, tolerance, len(best.rows))
    )


def _rows_to_tell(loss: Difference, tolerance: float, rows: int) -> int | None:
    """Test rows to add until four in five repetitions would find the interval on one side of the tolerance.

    The loss is taken to stay what it is, and its deviation to fall with the square root of the rows n:
    solve `(z_0.975 + z_0.8) * deviation * sqrt(rows / n) = |tolerance - loss|`.

    Source: the usual formula for sample size, e.g. Cohen, "Statistical Power Analysis", chapter 2.
    """
    distance = abs(tolerance - loss.value)
    if distance == 0.0:
        return None
    needed = rows * (_Z * loss.deviation / distance) ** 2
    more = max(1, math.ceil(needed - rows))
    return more if more <= max(_MOST_ROWS, _MOST_TIMES * rows) else None


def _words(
    results: Sequence[RunResult],
    best: RunResult,
    ship: str,
    winner: Contender | None,
    open_ones: Sequence[Contender],
    score: str,
    tolerance: float,
) -> tuple[str, ...]:
    name = SCORE_NAMES[score]
    figure = best.metrics[score]
    value = (
        f"{100 * figure['value']:.1f} % {name} (95 % interval {100 * figure['low']:.1f} to {100 * figure['high']:.1f})"
    )
    if len(results) == 1:
        return (f"Only {ship} was run: {value} on {len(best.rows):,} test rows.", "Run more methods to compare it.")
    cost = {result.name: result.milliseconds_per_text for result in results}
    if winner is None:
        cheapest = cost[ship] == min(cost.values())
        reason = "it is the best and also the cheapest" if cheapest else "no cheaper method is shown to come near it"
        sentences = [f"Ship {ship}: {value} at {milliseconds(cost[ship])} a text; {reason}."]
    else:
        sentences = [
            f"Ship {ship}: at {milliseconds(cost[ship])} a text instead of the {milliseconds(cost[best.name])} of "
            f"{best.name}, the best, it loses at most {max(0.0, 100 * winner.loss.high):.1f} points of {name} "
            f"(95 % bound), within the {tolerance:g} allowed.",
            f"{best.name} has {value}.",
        ]
    for contender in open_ones:
        more = contender.rows_to_tell
        tell = (
            f"about {_round(more):,} more test rows would tell"
            if more
            else "no practical number of test rows would tell"
        )
        sentences.append(
            f"Undecided on {contender.method}: it loses {_span(contender.loss)} points, and {tolerance:g} "
            f"{'is' if tolerance == 1 else 'are'} allowed; {tell}."
        )
    return tuple(sentences)


def _span(loss: Difference) -> str:
    """The interval in points, rounded outwards: rounding must not settle what is open."""
    return f"{math.floor(1000 * loss.low) / 10:.1f} to {math.ceil(1000 * loss.high) / 10:.1f}"


def _round(rows: int) -> int:
    """Two significant digits: more would feign a precision that is not there."""
    digits = max(0, len(str(rows)) - 2)
    return int(math.ceil(rows / 10**digits) * 10**digits)
