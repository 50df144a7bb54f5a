import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from trifold.artifact.run_record import FinetuneRecord
from trifold.evaluate.results import RunResult
from trifold.evaluate.verdict import decide
from trifold.statistics.metrics import score_interval
from trifold.tasks.labels import LabelMap

# What a verdict does not look at.
_UNUSED = {field.name: None for field in fields(FinetuneRecord)}


def run(method, milliseconds, right, span=None):
    """A run whose row i is predicted rightly where `right[i]`; the two classes alternate."""
    right = np.asarray(right, dtype=bool)
    truth = np.arange(len(right)) % 2
    predicted = np.where(right, truth, 1 - truth)
    metrics = {score: vars(score_interval(score, truth, predicted, 2)) for score in ("accuracy", "macro_f1")}
    labels = LabelMap((0, 1))
    return RunResult(
        folder=Path(method),
        name=method,
        method=method,
        labels=labels,
        rows=np.arange(len(right)),
        truth=truth,
        predicted=predicted,
        confidence=np.ones(len(right)),
        metrics=metrics,
        record=FinetuneRecord(**{**_UNUSED, "method": method, "ms_per_text": milliseconds, "ms_per_text_range": span}),
    )


def rows(*counts):
    """Rightness of the best and of another method: (both, best only, other only, neither) rows."""
    best = np.repeat([1, 1, 0, 0], counts)
    other = np.repeat([1, 0, 1, 0], counts)
    return best, other


def text(verdict):
    return " ".join(verdict.sentences)


NEAR = rows(900, 4, 3, 93)
WORSE = rows(750, 150, 5, 95)
UNSURE = rows(860, 50, 30, 60)


@pytest.mark.parametrize("score", ["accuracy", "macro_f1"])
def test_a_cheaper_method_within_the_tolerance_is_shipped(score):
    verdict = decide([run("slow", 10, NEAR[0]), run("fast", 0.5, NEAR[1])], score, 1.0)
    assert (verdict.ship, verdict.best, verdict.undecided) == ("fast", "slow", False)
    assert verdict.contenders[0].within
    assert (
        "Ship fast: at 0.5 ms a text instead of the 10 ms of slow, the best on these rows, it is shown to lose at most"
        in text(verdict)
    )
    assert "within the 1 allowed" in text(verdict)


def test_the_cheapest_of_several_within_the_tolerance_is_shipped():
    best, near = NEAR
    results = [
        run("slow", 10, best),
        run("middle", 5, near),
        run("fast", 1, near),
        run("poor", 0.1, best & (np.arange(1000) % 5 > 0)),
    ]
    verdict = decide(results, "accuracy", 1.0)
    assert (verdict.ship, verdict.undecided) == ("fast", False)
    assert [contender.method for contender in verdict.contenders] == ["poor", "fast", "middle", "slow"]
    assert [contender.worse for contender in verdict.contenders] == [True, False, False, False]


def test_the_best_is_shipped_where_no_cheaper_one_comes_near():
    verdict = decide([run("slow", 10, WORSE[0]), run("fast", 1, WORSE[1])], "accuracy", 1.0)
    assert (verdict.ship, verdict.best, verdict.undecided) == ("slow", "slow", False)
    assert verdict.contenders[0].worse
    assert "no cheaper method" in text(verdict)
    assert "it is shown to be better in accuracy than any other method" in text(verdict)


def test_a_best_that_is_also_the_cheapest_is_shipped_and_said_so():
    verdict = decide([run("slow", 10, NEAR[1]), run("fast", 1, NEAR[0])], "accuracy", 1.0)
    assert (verdict.ship, verdict.best, verdict.undecided) == ("fast", "fast", False)
    assert (
        "Ship fast: the best on these rows, at 1 ms a text, and no other is clearly cheaper; it is shown to lose"
        in text(verdict)
    )


def test_the_tolerance_decides():
    results = [run("slow", 10, WORSE[0]), run("fast", 1, WORSE[1])]
    assert [decide(results, "accuracy", points).ship for points in (1, 30)] == ["slow", "fast"]


def test_an_undecided_method_is_named_with_the_rows_that_would_tell():
    verdict = decide([run("slow", 10, UNSURE[0]), run("fast", 1, UNSURE[1])], "accuracy", 1.0)
    (contender,) = verdict.contenders
    assert (verdict.ship, verdict.undecided) == ("slow", True)
    assert not contender.within
    assert not contender.worse
    assert "shown to be better in accuracy than any other method" in text(verdict)
    assert "Undecided" not in text(verdict), "better it is; by how much is open"
    said = int(
        re.search(
            r"fast is not shown to lose more than 1 point: .* about ([\d,]+) more test rows would tell", text(verdict)
        )
        .group(1)
        .replace(",", "")
    )
    assert contender.rows_to_tell <= said <= 1.1 * contender.rows_to_tell


@pytest.mark.parametrize("tolerance", [1.0, 3.5])
def test_so_many_rows_settle_it_four_times_in_five(tolerance):
    counts = np.array([860, 50, 30, 60])
    best, other = rows(*counts)
    more = decide([run("slow", 10, best), run("fast", 1, other)], "accuracy", tolerance).contenders[0].rows_to_tell
    rng = np.random.default_rng(0)
    settled = 0
    for _ in range(100):
        best, other = rows(*rng.multinomial(counts.sum() + more, counts / counts.sum()))
        contender = decide([run("slow", 10, best), run("fast", 1, other)], "accuracy", tolerance).contenders[0]
        settled += contender.worse if tolerance == 1.0 else contender.within
    assert 65 <= settled <= 93


@pytest.mark.parametrize("tolerance", [2.0, 1.9])
def test_a_loss_at_the_tolerance_is_settled_by_no_number_of_rows_that_anyone_would_label(tolerance):
    verdict = decide([run("slow", 10, UNSURE[0]), run("fast", 1, UNSURE[1])], "accuracy", tolerance)
    assert verdict.contenders[0].rows_to_tell is None
    assert "no practical number of test rows would tell" in text(verdict)


def test_a_method_dearer_than_the_shipped_one_leaves_nothing_undecided():
    best, near = NEAR
    unsure = best.copy()
    unsure[:50], unsure[-30:] = 0, 1
    verdict = decide([run("slow", 10, best), run("middle", 5, unsure), run("fast", 1, near)], "accuracy", 2.5)
    assert (verdict.ship, verdict.undecided) == ("fast", False)
    assert "middle" not in text(verdict)


def test_a_method_cheaper_than_the_shipped_one_may_stay_undecided():
    best, near = NEAR
    unsure = best.copy()
    unsure[:50], unsure[-30:] = 0, 1
    verdict = decide([run("slow", 10, best), run("middle", 5, near), run("fast", 1, unsure)], "accuracy", 1.0)
    assert (verdict.ship, verdict.undecided) == ("middle", True)
    assert "Undecided on fast" in text(verdict)


def test_agreement_on_few_rows_shows_nothing():
    right = np.arange(50) % 10 > 0
    verdict = decide([run("slow", 10, right), run("fast", 1, right)], "accuracy", 1.0)
    assert (verdict.ship, verdict.guess, verdict.undecided) == ("fast", True, True)
    said = "Ship fast, as a best guess: it has the highest score, but 50 test rows do not show that it loses at most 1 point"
    assert said in text(verdict)
    # With no row where they differ, 3.84 / (rows + 3.84) is the smallest bound there is.
    assert "to show that of any method takes 390 test rows or more" in text(verdict)
    assert "Undecided on slow: it loses 0.0 points on these rows and may lose up to 7.2; about 340 more" in text(
        verdict
    )
    assert "fast and slow have equal scores" in text(verdict)


def test_what_is_shipped_does_not_hang_on_the_noise_of_timings():
    best, near = NEAR
    for first, second in ((1.0, 1.05), (1.05, 1.0)):
        verdict = decide([run("good", first, best), run("less", second, near)], "accuracy", 1.0)
        assert verdict.ship == "good"


def test_a_dearer_and_worse_method_is_not_shipped_because_it_lies_between_two_that_differ():
    middle = np.arange(4_000) < 3_600
    best, other = middle.copy(), middle.copy()
    best[:80], best[3_600:3_681] = False, True
    other[90:170], other[3_690:3_771] = False, True
    verdict = decide([run("middle", 5, middle), run("best", 1, best), run("other", 20, other)], "accuracy", 1.0)
    # It alone is shown to be within the tolerance of both.
    assert {one.method: one.within for one in verdict.contenders} == {"middle": True, "other": False}
    assert (verdict.ship, verdict.guess) == ("best", True)


def test_timings_that_overlap_do_not_make_a_method_cheaper():
    best, near = NEAR
    cheap = run("less", 1.0, near, (0.9, 2.1))
    assert decide([run("good", 2.0, best), cheap], "accuracy", 1.0).ship == "good"
    cheap = run("less", 1.0, near, (0.9, 1.1))
    assert decide([run("good", 2.0, best), cheap], "accuracy", 1.0).ship == "less"


def test_the_best_and_cheapest_is_a_guess_where_another_may_be_better():
    best, other = rows(152, 3, 2, 3)
    verdict = decide([run("tfidf", 0.1, best), run("full", 5, other)], "accuracy", 1.0)
    assert (verdict.ship, verdict.guess, verdict.undecided) == ("tfidf", True, True)
    assert "Undecided on full" in text(verdict)


def test_a_rare_class_makes_the_interval_of_macro_f1_rough_and_is_said_so():
    result = run("only", 1, NEAR[0])
    result.truth[:] = 0
    result.truth[:4] = 1
    assert "Intervals of macro-F1 are rough here: 1 has 4 test rows." in text(decide([result], "macro_f1", 1.0))


def test_one_method_alone_is_shipped_without_a_comparison():
    verdict = decide([run("only", 1, NEAR[0])], "accuracy", 1.0)
    assert (verdict.ship, verdict.best, verdict.undecided, verdict.contenders) == ("only", "only", False, ())
    assert "Only only was run: 90.4 % accuracy" in text(verdict)
    assert "on 1,000 test rows" in text(verdict)


def test_among_equally_good_methods_the_cheapest_is_best():
    right = NEAR[0]
    for order in ([("slow", 10), ("fast", 1)], [("fast", 1), ("slow", 10)]):
        verdict = decide([run(method, cost, right) for method, cost in order], "accuracy", 1.0)
        assert (verdict.ship, verdict.best, verdict.undecided) == ("fast", "fast", False)


def test_among_equally_cheap_methods_the_better_is_shipped():
    for order in ([("good", NEAR[0]), ("less", NEAR[1])], [("less", NEAR[1]), ("good", NEAR[0])]):
        verdict = decide([run(method, 1, right) for method, right in order], "accuracy", 1.0)
        assert (verdict.ship, verdict.undecided) == ("good", False)
        assert "instead of the" not in text(verdict)


def test_the_order_of_the_runs_does_not_matter():
    results = [run("slow", 10, UNSURE[0]), run("fast", 1, UNSURE[1]), run("middle", 5, NEAR[1])]
    assert decide(results, "accuracy", 1.0) == decide(results[::-1], "accuracy", 1.0)


def test_runs_on_other_rows_are_not_compared():
    with pytest.raises(AssertionError, match="same rows"):
        decide([run("slow", 10, NEAR[0]), run("fast", 1, NEAR[1][:500])], "accuracy", 1.0)
