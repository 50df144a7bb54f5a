import numpy as np
import pytest

from trifold.statistics.bootstrap import mean_interval


def test_the_interval_of_many_cases_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(0.3, 1.0, size=500)
    found = mean_interval(values)
    half = 1.96 * values.std() / 500**0.5
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.01)
    assert found.high == pytest.approx(values.mean() + half, abs=0.01)


def test_equal_cases_leave_no_doubt_and_the_same_cases_give_the_same_interval() -> None:
    assert mean_interval(np.full(7, 0.25)) == mean_interval(np.full(7, 0.25))
    assert (mean_interval(np.full(7, 0.25)).low, mean_interval(np.full(7, 0.25)).high) == (0.25, 0.25)
