"""A verdict in plain words."""

import math
from collections.abc import Sequence

from trifold.evaluate.leaderboard import rarest_label
from trifold.evaluate.results import RunResult, ScoredRun
from trifold.evaluate.weighing import Contender, WeighedRuns, round_up
from trifold.formatting import counted, milliseconds, points, points_up
from trifold.statistics.metric import lower_is_better, shown, split_name, title
from trifold.statistics.metrics import as_shown
from trifold.statistics.row_influence import has_label
from trifold.statistics.selection import quantile
from trifold.tasks.labels import as_text
from trifold.tasks.metric_choice import label_column

# With fewer test rows in a class, the interval of macro-F1 is not to be relied on.
_ENOUGH_ROWS = 10
# What rounds to a tenth of a point.
_SHOWN_DIFFERENCE = 0.0005


def of_one_run(result: ScoredRun, score: str) -> tuple[str, ...]:
    """Of a run without any to compare it with."""
    figure = result.figure(score)
    low, high = (shown(score, end, unit=False) for end in (figure.low, figure.high))
    return (
        f"Only {result.name} was run: {shown(score, figure.value)} {title(score)} (95 % interval "
        f"{low} to {high}) on {len(result.rows):,} test rows.",
        "Run more methods to compare it.",
        *cautions(result, score),
    )


def conclusion(case: WeighedRuns, doubt: str | None = None, *, missing: bool = False) -> tuple[str, ...]:
    """What to ship, and what to expect of it.

    Args:
        case: The runs, weighed.
        doubt: What comes before all else where the method to ship is not shown to be of any use.
        missing: Whether methods that were asked for are missing.
    """
    count = len(case.results) - 1
    run = "the other method that was run" if count == 1 else f"each of the {count} other methods that were run"
    any_other, every_other = (run, run) if missing else ("any other method", "every other method")
    if case.guess:
        lead, said = f"Ship {case.ship.name}, as a best guess: it", _guessed(case, every_other)
    else:
        lead, said = f"Ship {case.ship.name}: {_cost(case)} it", _shown(case, any_other)
    if doubt:
        # The one doubt is told first, and what is known beside it without another call to ship.
        lead = "It" if case.guess else f"At {milliseconds(case.ship.milliseconds_per_text)} a text it"
        return doubt, f"{lead} {said}", _expected(case)
    return f"{lead} {said}", _expected(case)


def _cost(case: WeighedRuns) -> str:
    """What the method to ship takes for a text, beside the others."""
    ship, choice = case.ship, case.choice
    best = case.results[choice.best]
    cost = f"at {milliseconds(ship.milliseconds_per_text)} a text"
    if case.costs.dearer[choice.best, choice.chosen]:
        return (
            f"{cost} instead of the {milliseconds(best.milliseconds_per_text)} of {best.name}, the best on these rows,"
        )
    if ship is best and case.costs.dearer[choice.chosen].any():
        return f"{cost}, the best on these rows: no cheaper method is shown to come near it, and"
    if ship is best:
        return f"the best on these rows, {cost}, and no other is clearly cheaper;"
    return cost


def _shown(case: WeighedRuns, others: str) -> str:
    """What of the method to ship is shown."""
    choice, count = case.choice, len(case.results) - 1
    compared = f", {count} comparisons counted" if count > 1 else ""
    bound, name = points_up(choice.loss_bounds[choice.chosen]), title(case.score)
    if _is_better(case):
        return f"is shown to be better in {name} than {others} (95 % sure{compared})."
    return (
        f"is shown to lose at most {bound} points of {name} against {others} "
        f"(95 % bound{compared}), within the {case.tolerance:g} allowed."
    )


def _is_better(case: WeighedRuns) -> bool:
    """Whether the shipped method is shown to be better than any other."""
    return not case.guess and float(points_up(case.choice.loss_bounds[case.choice.chosen])) <= 0


def _guessed(case: WeighedRuns, others: str) -> str:
    """Why the method to ship is a best guess."""
    rows, tolerance = len(case.ship.rows), case.tolerance / 100
    standing = f"lowest {title(case.score)}" if lower_is_better(case.score) else "highest score"
    said = (
        f"has the {standing}, but {rows:,} test rows do not show that it "
        f"loses at most {_points(case.tolerance)} of {title(case.score)} against {others}"
    )
    if case.choice.least_bound > tolerance > 0:
        z = quantile(0.025 / (len(case.results) - 1))
        needed = round_up(math.ceil(case.scored.rows_for_bound(tolerance, z)))
        said += (
            f"; to show that of any method takes {needed:,} test rows or more (--test-file), or a larger --tolerance"
        )
    return f"{said}."


def _expected(case: WeighedRuns) -> str:
    score, choice = case.score, case.choice
    expected, value = as_shown(score, choice.expected), case.ship.figure(score).value
    low, high = (shown(score, end, unit=False) for end in (expected.low, expected.high))
    said = f"Expect of it about {shown(score, expected.value)} {title(score)} (95 % interval {low} to {high})"
    if choice.scores[choice.chosen] - choice.expected.value >= _SHOWN_DIFFERENCE:
        said += (
            f": of the {shown(score, value)} on the test rows a part is owed to being the best of {len(case.results)}"
        )
    return f"{said}."


def _points(tolerance: float) -> str:
    return f"{tolerance:g} {'point' if tolerance == 1 else 'points'}"


def open_questions(case: WeighedRuns, contenders: Sequence[Contender], still_open: Sequence[Contender]) -> list[str]:
    """Which methods are as good, which are worse, and on which nothing is decided."""
    sentences = []
    shipped = case.losses[case.choice.chosen]
    equal = [c.method for c in contenders if c.loss == shipped and c.method != case.ship.name]
    if equal:
        sentences.append(
            f"On these rows {listed([case.ship.name, *equal])} have equal scores; the cheaper, or the first where "
            "costs cannot be told apart, is named."
        )
    worse = [c.method for c in contenders if c.worse]
    if worse:
        sentences.append(f"Shown to lose more than {_points(case.tolerance)}: {listed(worse)}.")
    for contender in still_open:
        more = contender.rows_to_tell
        tell = f"about {more:,} more test rows would tell" if more else "no practical number of test rows would tell"
        # Against a method that is better than any other, only by how much one is worse can be open.
        open_point = (
            f"{contender.method} is not shown to lose more than {_points(case.tolerance)}"
            if _is_better(case)
            else f"Undecided on {contender.method}"
        )
        sentences.append(
            f"{open_point}: it loses {points(contender.loss)} points on these rows and may lose "
            f"up to {points_up(contender.bound)}; {tell}."
        )
    return sentences


def cautions(result: ScoredRun, score: str) -> tuple[str, ...]:
    """What to keep in mind when the figures are read."""
    if not isinstance(result, RunResult):
        return ()
    kind, label = split_name(score)
    column = label_column(score, result.labels)
    if column is not None:
        rows = int(has_label(result.truth, column).sum())
    elif kind in ("macro_f1", "average_precision", "roc_auc") and (rarest := rarest_label(result)):
        label, rows = as_text(rarest.label), rarest.rows
    else:
        return ()
    if rows >= _ENOUGH_ROWS:
        return ()
    return (f"Intervals of {title(score)} are rough here: {label} has {counted(rows, 'test row')}.",)


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
