"""The scale from cosines to scores keeps the order, the range and the data."""

import numpy as np
import pytest

from trifold.statistics.score_scale import ScoreScale


def made(rows=2_000, seed=0):
    rng = np.random.default_rng(seed)
    cosines = rng.uniform(0.1, 0.95, rows)
    return cosines, np.clip(5 * cosines**2 + 0.3 * rng.normal(size=rows), 0, 5)


def test_it_follows_the_data_and_keeps_their_order_and_range():
    cosines, scores = made()
    scale = ScoreScale.fit(cosines, scores, 0.0, 5.0)
    asked = np.linspace(-1, 1, 1_001)
    found = scale.scaled(asked)
    assert (np.diff(found) > 0).all()
    assert found[0] == 0
    assert found[-1] == 5
    assert scale.scaled(np.array([0.5])) == pytest.approx(1.25, abs=0.15)
    assert np.abs(scale.scaled(cosines) - scores).mean() < 0.3


@pytest.mark.parametrize("cosines", [np.full(30, 0.4), np.ones(30), np.array([0.2]), np.linspace(0.9, 0.1, 30)])
def test_it_rises_whatever_the_data(cosines):
    scale = ScoreScale.fit(cosines, np.linspace(1, 2, len(cosines)), 1.0, 2.0)
    found = scale.scaled(np.linspace(-1, 1, 101))
    assert (np.diff(found) > 0).all()
    assert (found >= 1).all()
    assert (found <= 2).all()
