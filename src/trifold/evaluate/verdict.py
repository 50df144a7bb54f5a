"""Which method to ship: the cheapest that is shown to lose no more than a tolerance; where none is, a best guess."""

from collections.abc import Sequence
from dataclasses import dataclass

from trifold.evaluate.majority import Majority, beside_majority, doubt, majority_sentences, none_is_above
from trifold.evaluate.results import RunResult, ScoredRun
from trifold.evaluate.verdict_sentences import cautions, conclusion, of_one_run, open_questions
from trifold.evaluate.weighing import ComparedPair, Contender, compare_pairs, contend, weigh
from trifold.statistics.intervals import Interval
from trifold.statistics.metrics import as_shown


@dataclass(frozen=True)
class Verdict:
    """What to ship and why.

    Attributes:
        ship: Name of the method.
        best: Name of the method with the highest score on the test rows.
        guess: Whether `ship` is not shown to be within the tolerance, or not to be above the majority baseline.
        undecided: Whether it is a guess, or a cheaper method may well be good enough.
        expected: The score to expect of `ship` on other rows, what choosing it flatters taken out; `None` for one
            method alone.
        contenders: The methods, cheapest first, but for the one to ship where it is the best.
        pairs: All pairs of methods, in the order of the scores.
        sentences: The verdict in plain words.
        majority: The majority baseline beside the methods; `None` where it is not known.
    """

    ship: str
    best: str
    guess: bool
    undecided: bool
    expected: Interval | None
    contenders: tuple[Contender, ...]
    pairs: tuple[ComparedPair, ...]
    sentences: tuple[str, ...]
    majority: Majority | None = None


def decide(
    results: Sequence[ScoredRun],
    score: str,
    tolerance_points: float,
    majority: RunResult | None = None,
    *,
    missing: bool = False,
) -> Verdict:
    """Choose the method to ship.

    Args:
        results: At least one; all on the same test rows in the same order.
        score: Name of the metric that decides.
        tolerance_points: What a cheaper method may lose, in points (hundredths).
        majority: The majority baseline on the same rows, which is never shipped.
        missing: Whether methods that were asked for are missing, so that nothing is said of any other method there is.
    """
    results = sorted(results, key=lambda result: (result.milliseconds_per_text, result.name))
    known = beside_majority(results, majority, score)
    if len(results) == 1:
        only = results[0].name
        said = (*of_one_run(results[0], score), *majority_sentences(known, results, score))
        return Verdict(only, only, False, False, None, (), (), said, known)
    case = weigh(results, score, tolerance_points)
    choice = case.choice
    none = none_is_above(known, results, score, results[choice.best].name)
    doubtful = doubt(known, score, case.ship.name)
    concluded = conclusion(case, doubtful, missing=missing)
    beside = majority_sentences(known, results, score, but=case.ship.name if doubtful else None)
    guess = case.guess or doubtful is not None
    left_out = {choice.chosen} & {choice.best}
    contenders = {number: contend(case, number) for number in range(len(results)) if number not in left_out}
    # A method that costs more than the one to ship is of no interest once that one is shown to be good enough.
    of_interest = [case.guess or not dearer for dearer in case.costs.dearer[:, choice.chosen]]
    still_open = [
        one
        for number, one in contenders.items()
        if number != choice.chosen and of_interest[number] and not one.within and not one.worse
    ]
    return Verdict(
        ship=case.ship.name,
        best=results[choice.best].name,
        guess=guess,
        undecided=bool(still_open) or guess,
        expected=as_shown(score, case.choice.expected),
        contenders=tuple(contenders.values()),
        pairs=compare_pairs(case),
        sentences=(
            *([none] if none else (*concluded, *beside)),
            *open_questions(case, list(contenders.values()), still_open),
            *cautions(results[0], score),
        ),
        majority=known,
    )
