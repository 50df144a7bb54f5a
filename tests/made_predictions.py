"""Truths and probabilities as a model might give them, for tests of figures on them."""

import numpy as np


def predictions(rows, classes, seed=0, sharpness=2.0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, rows)
    logits = rng.normal(size=(rows, classes)) + sharpness * np.eye(classes)[truth]
    probabilities = np.exp(logits)
    return truth, probabilities / probabilities.sum(axis=1, keepdims=True)


def several(rows=300, classes=6, seed=0):
    """Truth and probabilities of a task whose rows may have several labels, the later ones rarer."""
    rng = np.random.default_rng(seed)
    truth = rng.random((rows, classes)) < np.linspace(0.5, 0.05, classes)
    return truth, 1 / (1 + np.exp(-(rng.normal(size=truth.shape) + 3.0 * truth - 1.5)))
