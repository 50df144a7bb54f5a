import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from trifold.methods import logistic, logistic_lbfgs
from trifold.methods.linear_head import HeadData
from trifold.methods.logistic import fit_path
from trifold.tasks.labels import row_weights


def several(rows=200, features=8, seed=0):
    """Vectors, and three labels that follow from them with some noise; a fourth that no row has."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(rows, features)).astype(np.float32)
    noise = rng.normal(size=(rows, 3))
    labels = np.column_stack([vectors[:, :3] + noise > np.array([0.0, 0.5, 1.5]), np.zeros(rows, dtype=bool)])
    return vectors, labels


@pytest.mark.parametrize("class_weight", ["none", "balanced"])
@pytest.mark.parametrize("form", [np.asarray, csr_array])
def test_labels_fitted_together_are_those_fitted_one_by_one(form, class_weight):
    vectors, labels = several()
    data = HeadData(form(vectors), labels, form(vectors), labels, 4, class_weight)
    head = fit_path(data, (0.3,), tolerance=1e-7).head
    weights = row_weights(labels, class_weight)
    for label in range(3):
        alone = LogisticRegression(C=0.3, tol=1e-7, max_iter=1_000)
        alone.fit(vectors, labels[:, label], weights[:, label])
        np.testing.assert_allclose(head.weight[:, label], alone.coef_[0], atol=2e-3)
        assert head.bias[label] == pytest.approx(alone.intercept_[0], abs=2e-3)
    assert (head.logits(vectors)[:, 3] < -20).all()


@pytest.mark.parametrize("class_weight", ["none", "balanced"])
@pytest.mark.parametrize("known", [(0, 1), (1, 3), (0, 2, 3)], ids=["two", "two of four", "three of four"])
def test_dense_vectors_have_the_optimum_of_scikit_learn(known, class_weight):
    vectors, labels = several(rows=300)
    truth = np.array(known)[labels[:, :2].sum(axis=1) % len(known)]
    classes = max(known) + 1
    head = fit_path(HeadData(vectors, truth, vectors, truth, classes, class_weight), (0.3,), tolerance=1e-7).head
    alone = LogisticRegression(C=0.3, tol=1e-7, max_iter=1_000)
    alone.fit(vectors, truth, row_weights(truth, class_weight))
    probabilities = softmax(head.logits(vectors), axis=1)
    np.testing.assert_allclose(probabilities[:, known], alone.predict_proba(vectors), atol=2e-3)
    missing = [c for c in range(classes) if c not in known]
    assert probabilities[:, missing].max(initial=0) < 1e-6


def test_the_c_is_that_with_the_lowest_validation_loss():
    vectors, labels = several()
    held_out, truth = several(seed=1)
    data = HeadData(vectors, labels, held_out, truth, 4)
    chosen = fit_path(data, (0.001, 0.1, 10.0), tolerance=1e-5)
    losses = [fit_path(data, (c,), tolerance=1e-5).validation_loss for c in (0.001, 0.1, 10.0)]
    assert chosen.validation_loss == pytest.approx(min(losses), rel=1e-3)


@pytest.mark.parametrize("class_weight", ["none", "balanced"])
def test_thousands_of_classes_have_the_optimum_of_scikit_learn(class_weight, monkeypatch):
    rng = np.random.default_rng(0)
    classes = rng.choice([0, 1, 3], 200, p=[0.6, 0.3, 0.1])
    vectors = (rng.normal(size=(200, 8)) + np.eye(8)[classes]).astype(np.float32)
    data = HeadData(vectors, classes, vectors, classes, 4, class_weight)
    usual = fit_path(data, (0.3,), tolerance=1e-7).head
    monkeypatch.setattr(logistic, "MAX_LOGITS", 100)
    monkeypatch.setattr(logistic_lbfgs, "MAX_LOGITS", 100)
    blockwise = fit_path(data, (0.3,), tolerance=1e-7).head
    np.testing.assert_allclose(blockwise.weight, usual.weight, atol=3e-3)
    probabilities = [softmax(head.logits(vectors), axis=1) for head in (usual, blockwise)]
    np.testing.assert_allclose(probabilities[0], probabilities[1], atol=3e-3)
    assert (blockwise.logits(vectors)[:, 2] < -20).all()
