"""From which probability on a row gets a label."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from trifold.statistics.thresholds import F1Weights, common_threshold, expected_truth, label_thresholds


def skewed(rows: int, seed: int = 0, classes: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Truth of labels from common to rare, and calibrated probabilities that know little of them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(np.linspace(-1, -5, classes), 1.5, (rows, classes))
    probabilities = 1 / (1 + np.exp(-logits))
    return rng.random(probabilities.shape) < probabilities, probabilities


def best_of_each(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """For each label alone, the threshold with the highest F1 on these rows."""
    order = np.argsort(-probabilities, axis=0)
    hits = np.take_along_axis(truth, order, 0).cumsum(axis=0)
    f1 = 2 * hits / (np.arange(1, len(truth) + 1)[:, None] + truth.sum(axis=0))
    return np.take_along_axis(np.take_along_axis(probabilities, order, 0), f1.argmax(axis=0)[None], 0)[0]


def figures(truth: np.ndarray, given: np.ndarray) -> dict[str, float]:
    return {name: f1_score(truth, given, average=name, zero_division=0) for name in ("macro", "micro", "samples")} | {
        "exact match": float((truth == given).all(axis=1).mean())
    }


def test_rare_labels_do_not_rule_where_validation_rows_are_few() -> None:
    chosen, alone = [], []
    for seed in range(3):
        truth, probabilities = skewed(150, seed)
        fresh, fresh_probabilities = skewed(2_000, 100 + seed)
        chosen.append(figures(fresh, fresh_probabilities >= np.array(label_thresholds(probabilities, truth))))
        alone.append(figures(fresh, fresh_probabilities >= best_of_each(probabilities, truth)))
    for name in chosen[0]:
        assert np.mean([one[name] for one in chosen]) > np.mean([one[name] for one in alone]), name


def test_a_label_that_no_row_has_gets_a_threshold_by_its_probabilities() -> None:
    truth, probabilities = skewed(200)
    truth[:, 11] = False
    thresholds = label_thresholds(probabilities, truth)
    assert all(0.01 <= one <= 0.99 for one in thresholds)
    assert (probabilities[:, 11] >= thresholds[11]).mean() < 0.1


def test_with_many_rows_nothing_near_them_is_better() -> None:
    truth, probabilities = skewed(20_000, classes=4)
    expected = expected_truth(probabilities, truth)
    chosen = np.array(label_thresholds(probabilities, truth))

    def reached(thresholds: np.ndarray) -> float:
        given = probabilities >= thresholds
        hits, sizes = 2 * expected * given, expected + given
        rows = hits.sum(1) / sizes.sum(1)
        return float((hits.sum(0) / sizes.sum(0)).mean() + hits.sum() / sizes.sum() + rows.mean())

    for label in range(4):
        for step in (-0.05, -0.01, 0.01, 0.05):
            moved = chosen.copy()
            moved[label] += step
            assert reached(chosen) >= reached(moved) - 1e-12


def test_what_is_expected_of_a_label_goes_from_its_probabilities_to_its_rows() -> None:
    truth = np.zeros((300, 2), dtype=bool)
    truth[:100, 0] = True
    expected = expected_truth(np.full((300, 2), 0.2), truth)
    assert expected[0, 0] == pytest.approx(0.6)
    assert expected[299, 0] == pytest.approx(0.1)
    assert expected[0, 1] == pytest.approx(0.2)


def test_thresholds_go_by_the_weights() -> None:
    truth, probabilities = skewed(2_000, classes=8)
    by_macro = np.array(label_thresholds(probabilities, truth, F1Weights(macro=1, micro=0, samples=0)))
    by_micro = np.array(label_thresholds(probabilities, truth, F1Weights(macro=0, micro=1, samples=0)))
    reached = {
        name: [f1_score(truth, probabilities >= t, average=name) for t in (by_macro, by_micro)]
        for name in ("macro", "micro")
    }
    assert reached["macro"][0] > reached["macro"][1]
    assert reached["micro"][1] > reached["micro"][0]
    # For micro-F1 one threshold for all is best where probabilities are calibrated: half of what it reaches.
    assert by_micro == pytest.approx(reached["micro"][1] / 2, abs=0.06)


def test_the_common_threshold_is_the_best_of_all_hundredths() -> None:
    truth, probabilities = skewed(3_000, classes=5)
    found = common_threshold(probabilities, truth, F1Weights(macro=0, micro=1, samples=0))
    grid = np.arange(1, 100) / 100
    given = [probabilities >= threshold for threshold in grid]
    best = max(2 * (truth & one).sum() / (truth.sum() + one.sum()) for one in given)
    reached = f1_score(truth, probabilities >= found, average="micro")
    assert reached == pytest.approx(best, abs=0.01)
