"""From scores of words to logits: what each rule takes off, and that the best one is chosen."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from trifold.errors import DataError
from trifold.statistics.calibration import calibration_error, mean_log_loss
from trifold.statistics.score_calibration import (
    ScoreMap,
    affine,
    affine_loss,
    affine_of_each,
    by_length,
    choose_map,
    over_batch,
    without_text,
)

WORDS = 3


def biased_scores(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that know the class, but favour one word and are too sure of themselves."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, WORDS, rows)
    known = 1.5 * np.eye(WORDS)[truth] + rng.normal(size=(rows, WORDS))
    return 4.0 * known + np.array([9.0, 0.0, -3.0]), truth


def right(logits: np.ndarray, truth: np.ndarray) -> float:
    return float((logits.argmax(1) == truth).mean())


def test_the_plain_map_changes_nothing():
    scores, _ = biased_scores(20)
    np.testing.assert_array_equal(ScoreMap.plain(WORDS)(scores), scores)


def test_batch_calibration_finds_the_classes_without_a_label():
    scores, truth = biased_scores(2_000)
    assert right(scores, truth) < 0.55
    assert right(over_batch(scores)(scores), truth) > 0.75


def test_what_is_said_of_no_text_is_taken_off():
    silent = np.array([[9.0, 0.0, -3.0]])
    logits = without_text(silent)(silent)
    np.testing.assert_allclose(softmax(logits, axis=1), np.full((1, WORDS), 1 / WORDS), atol=1e-12)
    several = np.array([[9.0, 0.0, -3.0], [8.0, 1.0, -3.0]])
    mean = softmax(several, axis=1).mean(axis=0)
    np.testing.assert_allclose(without_text(several).bias, np.log(mean), atol=1e-12)


def test_long_words_are_compared_by_their_mean():
    logits = by_length([1, 3])(np.array([[-2.0, -4.5]]))
    np.testing.assert_allclose(logits, [[-2.0, -1.5]])


def test_the_affine_map_learns_weights_and_biases_and_says_how_sure_it_is():
    scores, truth = biased_scores(400)
    fresh, fresh_truth = biased_scores(4_000, seed=1)
    learned = affine(scores, truth)
    # What the process itself knows.
    known = (fresh - np.array([9.0, 0.0, -3.0])) / 4.0 * 1.5
    best = mean_log_loss(known, fresh_truth)
    assert mean_log_loss(learned(fresh), fresh_truth) < best + 0.01
    assert calibration_error(fresh_truth, softmax(learned(fresh), axis=1)) < 0.03


def test_the_affine_map_of_few_rows_and_a_missing_class_is_finite():
    scores, truth = biased_scores(12)
    truth[:] = np.minimum(truth, 1)
    logits = affine(scores, truth)(scores)
    assert np.isfinite(logits).all()
    assert np.isfinite(affine_loss(scores, truth))


def test_a_constant_added_to_a_text_changes_no_probability_of_the_affine_map():
    scores, truth = biased_scores(100)
    learned = affine(scores, truth)
    moved = scores + np.arange(100)[:, None]
    np.testing.assert_allclose(
        log_softmax(learned(moved), axis=1), log_softmax(learned(scores), axis=1), rtol=0, atol=1e-9
    )


def test_the_gradient_leads_to_the_minimum():
    """No step in any direction from the learned map lowers the loss that it minimises by more than rounding."""
    scores, truth = biased_scores(60)
    learned = affine(scores, truth)
    loss = mean_log_loss(learned(scores), truth)
    for scale in (0.9, 1.1):
        moved = ScoreMap(learned.lengths, learned.weight * scale, learned.bias * scale)
        assert mean_log_loss(moved(scores), truth) > loss - 1e-3


def test_the_best_map_is_chosen_by_validation_loss():
    scores, truth = biased_scores(300)
    maps = {"none": ScoreMap.plain(WORDS), "batch": over_batch(scores)}
    name, chosen, losses = choose_map(maps, scores, truth)
    assert set(losses) == {"none", "batch", "affine"}
    assert losses[name] == min(losses.values()) < losses["none"]
    assert right(chosen(scores), truth) > 0.7


@pytest.mark.parametrize("rows", [1, 9])
def test_few_rows_teach_no_affine_map(rows: int):
    scores, truth = biased_scores(rows)
    _, _, losses = choose_map({"none": ScoreMap.plain(WORDS)}, scores, truth)
    assert set(losses) == {"none"}


@pytest.mark.parametrize("rule", [over_batch, lambda none: affine(none, np.zeros(0, dtype=int)), lambda none: affine_of_each(none, none > 0), lambda none: choose_map({"none": ScoreMap.plain(3)}, none, np.zeros(0, dtype=int))])  # fmt: skip
def test_what_is_learned_of_texts_needs_some(rule: Callable[[np.ndarray], object]) -> None:
    with pytest.raises(
        DataError, match="there are none that the model has read: give more rows, or --calibration contex"
    ):
        rule(np.zeros((0, 3)))
