import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp

from trifold.statistics.intervals import mean_interval, wilson
from trifold.statistics.paired import lead_upper_bound, lead_z

Z = 1.959963984540054


@pytest.mark.parametrize(("right", "rows"), [(10, 10), (0, 7), (1, 400), (45, 50), (4_321, 5_000)])
def test_the_interval_of_a_share_is_scipys(right, rows):
    expected = binomtest(right, rows).proportion_ci(method="wilson")
    low, high = wilson(right / rows, rows)
    assert (low, high) == pytest.approx((expected.low, expected.high))


def test_arrays_of_shares_are_one_call():
    low, high = wilson(np.array([[0.5], [1.0]]), np.array([10, 100]))
    assert low.shape == high.shape == (2, 2)
    assert (high[1] == 1).all()


def lead_interval(won, lost, rows):
    return float(-lead_upper_bound(lost, won, rows, Z)), float(lead_upper_bound(won, lost, rows, Z))


def test_the_interval_of_a_lead_is_the_published_one():
    # Fagerland, Lydersen and Laake 2014, "Recommended tests and confidence intervals for paired binomial proportions":
    # airway hyper-responsiveness of 21 children, 1 and 7 discordant pairs.
    assert lead_interval(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize(("won", "lost", "rows"), [(0, 0, 50), (1, 0, 400), (12, 3, 60), (5, 5, 10), (10, 0, 10)])
def test_the_ends_of_a_lead_are_where_the_statistic_says(won, lost, rows):
    low, high = lead_interval(won, lost, rows)
    assert low <= (won - lost) / rows <= high
    if high < 1 - 1e-9:
        assert lead_z(won, lost, rows, high) == pytest.approx(-Z, abs=1e-6)
    if low > -1 + 1e-9:
        assert lead_z(won, lost, rows, low) == pytest.approx(Z, abs=1e-6)


def test_agreement_on_fifty_rows_leaves_seven_points_open():
    assert lead_interval(0, 0, 50) == pytest.approx((-0.0713, 0.0713), abs=1e-4)


def test_the_interval_of_a_mean_is_scipys():
    values = np.random.default_rng(1).beta(2, 3, size=40)
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    found = mean_interval(values)
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), expected.low, expected.high))


@pytest.mark.parametrize("rows", [1, 7, 300])
def test_equal_figures_have_the_interval_of_a_share(rows):
    for value in (0.0, 1.0):
        low, high = wilson(value, rows)
        found = mean_interval(np.full(rows, value))
        assert (found.value, found.low, found.high) == pytest.approx((value, float(low), float(high)))
    found = mean_interval(np.full(rows, 0.1 + 0.2))
    assert 0 < found.low < found.value < found.high < 1


def test_equal_systems_have_the_interval_of_agreement():
    found = mean_interval(np.zeros(50), lowest=-1)
    assert (found.low, found.high) == pytest.approx(lead_interval(0, 0, 50))


def test_no_interval_leaves_the_range_of_its_figures():
    found = mean_interval(np.array([1.0, 1.0, 0.9]))
    assert (found.low > 0.7, found.high) == (True, 1.0)
