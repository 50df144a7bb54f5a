"""Which method to ship: the cheapest that is shown to lose no more than a tolerance; where none is, a best guess."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from trifold.evaluate.leaderboard import SCORE_NAMES, milliseconds, rarest_label
from trifold.evaluate.results import RunResult
from trifold.statistics.intervals import Z_95, Interval
from trifold.statistics.metrics import Difference
from trifold.statistics.scores import Scored, scored
from trifold.statistics.selection import Choice, Costs, choose, quantile
from trifold.tasks.labels import as_text

# Of 80 % power.
_Z_POWER = 0.84
# More rows to label than this, or so many times those at hand, are no advice.
_MOST_ROWS, _MOST_TIMES = 10_000, 20
# Timings repeated in one process do not show how they differ from one process to the next.
_TIMING_NOISE = 1.1
# With fewer test rows in a class, the interval of macro-F1 is not to be relied on.
_ENOUGH_ROWS = 10
# What rounds to a tenth of a point.
_SHOWN_DIFFERENCE = 0.0005


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
    difference: Difference


@dataclass(frozen=True)
class Verdict:
    """What to ship and why.

    Attributes:
        ship: Name of the method.
        best: Name of the method with the highest score on the test rows.
        guess: Whether `ship` is not shown to be within the tolerance.
        undecided: Whether it is a guess, or a cheaper method may well be good enough.
        expected: The score to expect of `ship` on other rows, what choosing it flatters taken out; `None` for one
            method alone.
        contenders: The methods, cheapest first, but for the one to ship where it is the best.
        pairs: All pairs of methods, in the order of the scores.
        sentences: The verdict in plain words.
    """

    ship: str
    best: str
    guess: bool
    undecided: bool
    expected: Interval | None
    contenders: tuple[Contender, ...]
    pairs: tuple[ComparedPair, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class _Case:
    """What a verdict is made from: runs, cheapest first, by one score, with a tolerance in points."""

    results: Sequence[RunResult]
    score: str
    tolerance: float
    scored: Scored
    costs: Costs
    choice: Choice
    losses: np.ndarray = field(repr=False)

    @property
    def ship(self) -> RunResult:
        return self.results[self.choice.chosen]

    @property
    def guess(self) -> bool:
        return not self.choice.within[self.choice.chosen]


def decide(results: Sequence[RunResult], score: str, tolerance_points: float) -> Verdict:
    """Choose the method to ship.

    Args:
        results: At least one; all on the same test rows in the same order.
        score: `accuracy` or `macro_f1`.
        tolerance_points: What a cheaper method may lose, in points (hundredths).
    """
    results = sorted(results, key=lambda result: (result.milliseconds_per_text, result.name))
    if len(results) == 1:
        only = results[0].name
        return Verdict(only, only, False, False, None, (), (), _alone(results[0], score))
    case = _weigh(results, score, tolerance_points)
    choice = case.choice
    left_out = {choice.chosen} & {choice.best}
    contenders = {number: _contend(case, number) for number in range(len(results)) if number not in left_out}
    # A method that costs more than the one to ship is of no interest once that one is shown to be good enough.
    of_interest = [case.guess or not dearer for dearer in case.costs.dearer[:, choice.chosen]]
    still_open = [
        one
        for number, one in contenders.items()
        if number != choice.chosen and of_interest[number] and not one.within and not one.worse
    ]
    return Verdict(
        ship=case.ship.name,
        best=results[case.choice.best].name,
        guess=case.guess,
        undecided=bool(still_open) or case.guess,
        expected=case.choice.expected,
        contenders=tuple(contenders.values()),
        pairs=_pairs(case),
        sentences=(
            *_conclusion(case),
            *_rest(case, list(contenders.values()), still_open),
            *_cautions(results[0], score),
        ),
    )


def _weigh(results: Sequence[RunResult], score: str, tolerance_points: float) -> _Case:
    first = results[0]
    for result in results:
        assert np.array_equal(result.rows, first.rows), "methods must be compared on the same rows"
    methods = scored(score, first.truth, [result.predicted for result in results], len(first.labels))
    low, high = np.array([result.millisecond_range for result in results]).T
    costs = Costs(
        np.array([result.milliseconds_per_text for result in results]), low[:, None] > _TIMING_NOISE * high[None, :]
    )
    choice = choose(methods, costs, tolerance_points / 100)
    scores = methods.scores(methods.counts)
    return _Case(results, score, tolerance_points, methods, costs, choice, scores.max() - scores)


def _contend(case: _Case, number: int) -> Contender:
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


def _rows_to_tell(case: _Case, number: int) -> int | None:
    """Test rows to add until four in five repetitions would find the method within the tolerance, or worse.

    The loss is taken to stay what it is, and its deviation to fall with the square root of the rows n: solve
    `(z + z_0.8) * deviation * sqrt(rows / n) = |tolerance - loss|`, with the z that all comparisons together demand.

    Source: the usual formula for sample size, e.g. Cohen, "Statistical Power Analysis", chapter 2.
    """
    best = case.choice.best if case.choice.best != number else int(np.argsort(case.losses, kind="stable")[1])
    tolerance, methods, rows = case.tolerance / 100, len(case.results), len(case.ship.rows)
    distance = abs(tolerance - float(case.losses[number] - case.losses[best]))
    if distance == 0.0:
        return None
    better = case.losses[number] - case.losses[best] < tolerance
    z = quantile(0.025 / (methods - 1 if better else methods * (methods - 1) / 2))
    needed = rows * ((z + _Z_POWER) * case.scored.deviations()[best, number] / distance) ** 2
    if better:
        needed = max(needed, case.scored.rows_for(tolerance, z))
    more = max(1, math.ceil(needed - rows))
    return _round(more) if more <= max(_MOST_ROWS, _MOST_TIMES * rows) else None


def _pairs(case: _Case) -> tuple[ComparedPair, ...]:
    scores, leads = (
        case.scored.scores(case.scored.counts),
        case.scored.largest_leads(case.scored.counts, Z_95),
    )
    order = np.argsort(-scores, kind="stable")
    names = [result.name for result in case.results]
    return tuple(
        ComparedPair(
            names[i], names[j], Difference(float(scores[i] - scores[j]), float(-leads[j, i]), float(leads[i, j]))
        )
        for place, i in enumerate(order)
        for j in order[place + 1 :]
    )


def _alone(result: RunResult, score: str) -> tuple[str, ...]:
    figure = result.metrics[score]
    return (
        f"Only {result.name} was run: {100 * figure['value']:.1f} % {SCORE_NAMES[score]} (95 % interval "
        f"{100 * figure['low']:.1f} to {100 * figure['high']:.1f}) on {len(result.rows):,} test rows.",
        "Run more methods to compare it.",
        *_cautions(result, score),
    )


def _conclusion(case: _Case) -> tuple[str, str]:
    return (_guessed(case) if case.guess else _shown(case)), _expected(case)


def _shown(case: _Case) -> str:
    ship, choice = case.ship, case.choice
    best, count = case.results[choice.best], len(case.results) - 1
    counted = f", {count} comparisons counted" if count > 1 else ""
    cost = f"at {milliseconds(ship.milliseconds_per_text)} a text"
    if case.costs.dearer[choice.best, choice.chosen]:
        cost += f" instead of the {milliseconds(best.milliseconds_per_text)} of {best.name}, the best on these rows,"
    elif ship is best and case.costs.dearer[choice.chosen].any():
        cost += ", the best on these rows: no cheaper method is shown to come near it, and"
    elif ship is best:
        cost += ", the best on these rows, than which none is clearly cheaper:"
    bound, name = _up(choice.loss_bounds[choice.chosen]), SCORE_NAMES[case.score]
    if bound <= 0:
        return (
            f"Ship {ship.name}: {cost} it is shown to be better in {name} than any other method (95 % sure{counted})."
        )
    return (
        f"Ship {ship.name}: {cost} it is shown to lose at most {bound:.1f} points of {name} against any other method "
        f"(95 % bound{counted}), within the {case.tolerance:g} allowed."
    )


def _guessed(case: _Case) -> str:
    rows, tolerance = len(case.ship.rows), case.tolerance / 100
    said = (
        f"Ship {case.ship.name}, as a best guess: it has the highest score, but {rows:,} test rows do not show that it "
        f"loses at most {_points(case.tolerance)} of {SCORE_NAMES[case.score]} against every other method"
    )
    if case.choice.least_bound > tolerance > 0:
        z = quantile(0.025 / (len(case.results) - 1))
        needed = _round(math.ceil(case.scored.rows_for(tolerance, z)))
        said += (
            f"; to show that of any method takes {needed:,} test rows or more (--test-file), or a larger --tolerance"
        )
    return f"{said}."


def _expected(case: _Case) -> str:
    expected, value = case.choice.expected, case.ship.metrics[case.score]["value"]
    said = (
        f"Expect of it about {100 * expected.value:.1f} % {SCORE_NAMES[case.score]} (95 % interval "
        f"{100 * expected.low:.1f} to {100 * expected.high:.1f})"
    )
    if value - expected.value >= _SHOWN_DIFFERENCE:
        said += f": of the {100 * value:.1f} % on the test rows a part is owed to being the best of {len(case.results)}"
    return f"{said}."


def _points(tolerance: float) -> str:
    return f"{tolerance:g} {'point' if tolerance == 1 else 'points'}"


def _rest(case: _Case, contenders: Sequence[Contender], still_open: Sequence[Contender]) -> list[str]:
    sentences = []
    shipped = case.losses[case.choice.chosen]
    equal = [c.method for c in contenders if c.loss == shipped and c.method != case.ship.name]
    if equal:
        sentences.append(
            f"On these rows {_listed([case.ship.name, *equal])} have equal scores; the cheaper, or the first where "
            "costs cannot be told apart, is named."
        )
    worse = [c.method for c in contenders if c.worse]
    if worse:
        sentences.append(f"Shown to lose more than {_points(case.tolerance)}: {_listed(worse)}.")
    for contender in still_open:
        more = contender.rows_to_tell
        tell = f"about {more:,} more test rows would tell" if more else "no practical number of test rows would tell"
        sentences.append(
            f"Undecided on {contender.method}: it loses {100 * contender.loss:.1f} points on these rows and may lose "
            f"up to {_up(contender.bound):.1f}; {tell}."
        )
    return sentences


def _cautions(result: RunResult, score: str) -> tuple[str, ...]:
    if score != "macro_f1":
        return ()
    rarest = rarest_label(result)
    if rarest is None or rarest.rows >= _ENOUGH_ROWS:
        return ()
    rows = "row" if rarest.rows == 1 else "rows"
    return (f"Intervals of macro-F1 are rough here: {as_text(rarest.label)} has {rarest.rows} test {rows}.",)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _up(fraction: float) -> float:
    """A bound in points, rounded up: rounding must not settle what is open."""
    return math.ceil(1000 * fraction - 1e-9) / 10


def _round(rows: int) -> int:
    """Two significant digits, upwards: more would feign a precision that is not there."""
    digits = max(0, len(str(rows)) - 2)
    return int(math.ceil(rows / 10**digits) * 10**digits)
