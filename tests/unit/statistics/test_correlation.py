"""Correlations against scipy's, their influences against rows left out, their intervals against what samples show."""

import numpy as np
import pytest
from scipy import stats

from trifold.statistics.correlation import CORRELATIONS, CorrelationScores, correlation_interval, measure_similarity
from trifold.statistics.metrics import lead

REFERENCE = {"spearman": lambda x, y: stats.spearmanr(x, y).statistic, "pearson": lambda x, y: stats.pearsonr(x, y)[0]}


def pairs(rows, seed, noise=0.5, ties=True):
    """True scores from 0 to 5, as people give them, and scores that follow them with more noise in the middle."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 5, rows)
    spread = noise * (0.4 + truth * (5 - truth) / 5)
    scores = truth + spread * rng.normal(size=rows)
    return (np.round(truth * 5) / 5 if ties else truth), scores


@pytest.mark.parametrize("kind", CORRELATIONS)
@pytest.mark.parametrize("ties", [False, True])
def test_values_are_scipys(kind, ties):
    truth, scores = pairs(200, 0, ties=ties)
    found = correlation_interval(kind, truth, scores)
    assert found.value == pytest.approx(REFERENCE[kind](truth, scores), abs=1e-12)
    assert found.low < found.value < found.high


@pytest.mark.parametrize("kind", CORRELATIONS)
def test_influences_are_what_more_weight_for_a_row_adds(kind):
    truth, scores = pairs(150, 1)
    value, influences = CORRELATIONS[kind](truth, scores)
    assert influences.mean() == pytest.approx(0, abs=1e-12)
    # A row that stands in the data once more has its weight grown by one part in the number of rows.
    for row in (0, 7, 33):
        more = [
            CORRELATIONS[kind](*(np.concatenate([np.tile(one, 400), one[row : row + 1]]) for one in (truth, scores)))[0]
        ]
        assert (more[0] - value) * 400 * 150 == pytest.approx(influences[row], abs=2e-3)


@pytest.mark.parametrize("kind", CORRELATIONS)
def test_constant_scores_have_no_correlation_and_an_interval(kind):
    truth, scores = pairs(50, 0)
    for one, other in ((truth, np.zeros(50)), (np.zeros(50), scores)):
        found = correlation_interval(kind, one, other)
        assert found.value == 0
        assert -1 < found.low < 0 < found.high < 1


def test_a_perfect_order_of_few_rows_has_an_interval_of_some_width():
    found = correlation_interval("spearman", np.arange(10.0), np.arange(10.0))
    assert found.value == pytest.approx(1)
    assert 0.5 < found.low < 0.95


@pytest.mark.parametrize("kind", CORRELATIONS)
@pytest.mark.parametrize("rows", [40, 300])
def test_intervals_hold_the_true_correlation_as_often_as_they_say(kind, rows):
    truth, scores = pairs(200_000, 2)
    true = REFERENCE[kind](truth, scores)
    drawn = [correlation_interval(kind, *pairs(rows, seed)) for seed in range(600)]
    held = np.mean([one.low <= true <= one.high for one in drawn])
    assert 0.92 <= held <= 0.98


def test_the_interval_of_a_lead_holds_the_true_lead_as_often_as_it_says():
    def two(rows, seed):
        truth, first = pairs(rows, seed)
        return truth, first, first + np.random.default_rng([seed, 1]).normal(size=rows)

    truth, first, second = two(200_000, 3)
    true = REFERENCE["spearman"](truth, first) - REFERENCE["spearman"](truth, second)
    held = []
    for seed in range(400):
        truth, first, second = two(250, seed)
        found = lead(CorrelationScores("spearman", truth, [first, second]))
        held.append(found.low <= true <= found.high)
    # An assumed row where the two differ makes it a little wide, as for every other metric.
    assert 0.94 <= np.mean(held) <= 0.99


def test_standard_errors_of_a_lead_are_those_of_rows_drawn_anew():
    truth, first = pairs(400, 4)
    second = first + np.random.default_rng(5).normal(size=400)
    errors = CorrelationScores("spearman", truth, [first, second]).lead_standard_errors()
    rng, leads = np.random.default_rng(6), []
    for _ in range(300):
        rows = rng.integers(0, 400, 400)
        leads.append(REFERENCE["spearman"](truth[rows], first[rows]) - REFERENCE["spearman"](truth[rows], second[rows]))
    assert errors[0, 1] == pytest.approx(np.std(leads), rel=0.12)
    assert errors[0, 0] == 0


def test_the_mean_error_is_on_the_scale_of_the_truth():
    truth, scores = pairs(100, 0)
    found = measure_similarity(truth, scores / 5, scores)
    assert found.rows == 100
    assert found.spearman == correlation_interval("spearman", truth, scores)
    assert found.mean_absolute_error == pytest.approx(np.abs(truth - scores).mean())
