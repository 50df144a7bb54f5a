"""`features`: which vectors a head reads is chosen on some rows, and what it knows is learned from all of them."""

import numpy as np
import pytest

from trifold.methods.feature_selection import FeatureSelection, PooledData, choose_selection
from trifold.methods.features import calibrated_losses
from trifold.methods.linear_head import LinearHead
from trifold.methods.logistic import fit_path
from trifold.methods.mlp import MlpHead
from trifold.models.pooling import POOLINGS, Pooled
from trifold.statistics.calibration import mean_log_loss

LAYERS = 2
TELLING = (1, "mean")


def parts(rows: int) -> PooledData:
    """Two classes, told apart by one pooled vector alone."""
    rng = np.random.default_rng(0)
    classes = rng.integers(2, size=rows + 200)
    vectors = rng.normal(size=(rows + 200, LAYERS + 1, len(POOLINGS), 4)).astype(np.float32)
    vectors[:, TELLING[0], POOLINGS.index(TELLING[1])] += 1.5 * classes[:, None]
    pooled = Pooled(vectors, tuple(range(LAYERS + 1)))
    return PooledData(
        pooled.rows(slice(rows)), classes[:rows], pooled.rows(slice(rows, None)), classes[rows:], 2, "none"
    )


@pytest.mark.parametrize("compared", [100, 400])
def test_the_join_is_chosen_on_some_rows_and_the_head_learned_from_all(compared: int) -> None:
    given = parts(400)
    selection, chosen = choose_selection(given, LAYERS, compared_rows=compared)
    assert TELLING in selection.layer_poolings
    same = FeatureSelection.of(selection.layer_poolings, given.train)
    np.testing.assert_array_equal(selection.mean, same.mean)
    np.testing.assert_array_equal(selection.scale, same.scale)
    alone = fit_path(given.head_data(same), (chosen.c,), 1e-4)
    np.testing.assert_allclose(chosen.head.weight, alone.head.weight, atol=2e-3)
    assert chosen.validation_loss == pytest.approx(alone.validation_loss, abs=1e-3)
    assert chosen.validation_loss < 0.4


def test_rows_sorted_by_label_are_compared_with_every_class_among_them() -> None:
    classes = np.repeat(np.arange(6), (900, 900, 900, 900, 398, 2))
    vectors = np.arange(4_000, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, len(POOLINGS), 1), np.float32)
    given = PooledData(Pooled(vectors, (0,)), classes, Pooled(vectors[:6], (0,)), np.arange(6), 6, "none")
    few = given.sampled(1_000)
    counts = np.bincount(few.train_classes, minlength=6)
    assert (counts > 0).all()
    assert counts[:4].min() > 150
    assert 1_000 <= len(few.train_classes) <= 1_006
    np.testing.assert_array_equal(classes[few.train.vectors[:, 0, 0, 0].astype(int)], few.train_classes)
    assert given.sampled(4_000) is given


def test_of_several_labels_a_row_none_goes_missing_either() -> None:
    classes = np.zeros((500, 3), dtype=bool)
    classes[:250, 0], classes[499, 1], classes[3, 2] = True, True, True
    pooled = Pooled(np.zeros((500, 1, len(POOLINGS), 2), np.float32), (0,))
    few = PooledData(pooled, classes, pooled, classes, 3, "none").sampled(50)
    assert few.train_classes.any(axis=0).all()


def test_no_candidate_fitted_with_every_c_on_all_rows_is_better_than_the_chosen_one() -> None:
    given = parts(400)
    _, chosen = choose_selection(given, LAYERS)
    candidates = [[TELLING], *([(layer, pooling) for layer in range(LAYERS + 1)] for pooling in POOLINGS)]
    for candidate in candidates:
        data = given.head_data(FeatureSelection.of(candidate, given.train))
        alone = fit_path(data, (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0), 1e-4)
        assert chosen.validation_loss <= alone.validation_loss + 1e-3


def test_heads_are_compared_as_sure_as_they_will_be() -> None:
    given = parts(400)
    selection, chosen = choose_selection(given, LAYERS)
    data, good = given.head_data(selection), chosen.head
    half = np.where(np.arange(len(good.weight)) % 2, 0.3, 1.0)[:, None].astype(np.float32)
    worse = LinearHead(good.weight * half, good.bias)
    both = 8 * np.eye(2, dtype=np.float32)
    too_sure = MlpHead(
        np.concatenate([good.weight, -good.weight], axis=1),
        np.concatenate([good.bias, -good.bias]),
        np.concatenate([both, -both]),
        np.zeros(2, np.float32),
    )
    np.testing.assert_allclose(too_sure.logits(data.validation), 8 * good.logits(data.validation), atol=1e-4)
    raw = [mean_log_loss(head.logits(data.validation), data.validation_classes) for head in (too_sure, worse)]
    assert raw[0] > raw[1], "as it is, it would lose"
    losses = calibrated_losses({"logistic": worse, "mlp": too_sure}, data)
    assert losses["mlp"] == pytest.approx(chosen.validation_loss, abs=0.01)
    assert losses["mlp"] < losses["logistic"]
