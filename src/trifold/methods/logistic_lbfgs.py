"""Logistic regression over all labels in one descent (L-BFGS), with the logits of some rows in memory at a time."""

from dataclasses import replace

import numpy as np
from scipy.special import expit, log_softmax

from trifold.methods.linear_head import HeadData, LinearHead
from trifold.runtime import single_threaded_scipy
from trifold.statistics.calibration import prior_logits

# Logit of a class without a training row.
ABSENT_LOGIT = -30.0
# A fit starts from the one before; more iterations than this bring nothing.
_MAX_ITERATIONS = 100
# Logits (rows times classes) that are in memory at a time.
MAX_LOGITS = 4_000_000


class AllLabelsLogistic:
    """Logistic regression over all labels in one descent, each fit starting from the one before.

    Softmax where a row has one label; one sigmoid per label where it may have several. The objective is scikit-learn's:
    `C * sum(weights * losses) + |weight|² / 2`.

    Args:
        data: What to train on.
        tolerance: Gradient at which a fit stops.
        weights: `(rows,)`, or `(rows, classes)` where a row may have several labels; `data.train_weights` by default.
    """

    def __init__(self, data: HeadData, tolerance: float, weights: np.ndarray | None = None) -> None:
        self._data = data
        self._weights = data.train_weights if weights is None else weights
        self._rows = len(data.train_classes)
        self._shape = (data.train.shape[1] + 1, data.classes)
        self._solution = np.zeros(self._shape)
        # The intercepts start at the class priors, or the first steps would be spent on the intercepts alone.
        self._solution[-1] = prior_logits(data.train_classes, self._weights, data.classes)
        several = data.train_classes.ndim == 2
        counts = data.train_classes.sum(0) if several else np.bincount(data.train_classes, minlength=data.classes)
        self._absent = counts == 0
        self._tolerance = tolerance

    def __call__(self, c: float) -> LinearHead:
        """The head fitted with the inverse regularisation strength `c`."""
        from scipy.optimize import minimize

        # The objective divided by C and rows, so that the tolerance means the same for every C.
        scale = 1.0 / (c * self._rows)
        with single_threaded_scipy():
            found = minimize(
                self._objective,
                self._solution.ravel(),
                (scale,),
                method="L-BFGS-B",
                jac=True,
                options={"maxiter": _MAX_ITERATIONS, "gtol": self._tolerance, "ftol": 1e-9, "maxcor": 5},
            )
        self._solution = found.x.reshape(self._shape)
        head = LinearHead(self._solution[:-1].astype(np.float32), self._solution[-1].astype(np.float32))
        head.weight[:, self._absent], head.bias[self._absent] = 0.0, ABSENT_LOGIT
        return head

    def _objective(self, flat: np.ndarray, scale: float) -> tuple[float, np.ndarray]:
        solution = flat.reshape(self._shape)
        weight, bias = solution[:-1].astype(np.float32), solution[-1].astype(np.float32)
        gradient = np.zeros(self._shape)
        loss = 0.0
        step = max(1, MAX_LOGITS // self._shape[1])
        for start in range(0, self._rows, step):
            block = slice(start, start + step)
            features = self._data.train[block]
            losses, slopes = _loss_and_gradient(
                features @ weight + bias, self._data.train_classes[block], self._weights[block]
            )
            loss += losses / self._rows
            gradient[:-1] += features.T @ (slopes / np.float32(self._rows))
            gradient[-1] += slopes.sum(axis=0, dtype=np.float64) / self._rows
        gradient[:-1] += scale * solution[:-1]
        return loss + 0.5 * scale * float((solution[:-1] ** 2).sum()), gradient.ravel()


class TwoClassLogistic:
    """Two classes as one yes-or-no label, so that one column of weights serves both.

    Args:
        data: What to train on, with two distinct classes among the training rows.
        tolerance: Gradient at which a fit stops.
        known: `(2,)`, the two class numbers, ascending.
    """

    def __init__(self, data: HeadData, tolerance: float, known: np.ndarray) -> None:
        self._known, self._classes = known, data.classes
        is_second = (data.train_classes == known[1])[:, None]
        one_label = replace(data, train_classes=is_second, classes=1)
        self._fit = AllLabelsLogistic(one_label, tolerance, data.train_weights[:, None])

    def __call__(self, c: float) -> LinearHead:
        """The head fitted with the inverse regularisation strength `c`."""
        found = self._fit(c)
        return for_all_classes(self._known, found.weight, found.bias, self._classes)


def for_all_classes(known: np.ndarray, weight: np.ndarray, bias: np.ndarray, classes: int) -> LinearHead:
    """A head with a column for every class of the task, from one over the classes that occur in training.

    Args:
        known: Numbers of the classes that occur, ascending.
        weight: `(features, known)`; if two classes occur `(features, 1)`, the column of the second.
        bias: `(known,)`; if two classes occur `(1,)`.
        classes: Number of classes of the task; those that do not occur get the logit `ABSENT_LOGIT`.
    """
    all_weights = np.zeros((len(weight), classes), dtype=np.float32)
    biases = np.full(classes, ABSENT_LOGIT, dtype=np.float32)
    if len(known) == 2:
        all_weights[:, known[1]] = weight[:, 0]
        biases[known] = (0.0, bias[0])
    else:
        all_weights[:, known] = weight
        biases[known] = bias
    return LinearHead(all_weights, biases)


def _loss_and_gradient(logits: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """The weighted sum of the losses, and its derivative by every logit, `(rows, classes)` float32."""
    if truth.ndim == 2:
        signs = np.where(truth, np.float32(1), np.float32(-1))
        margins = signs * logits
        return float((weights * np.logaddexp(0, -margins)).sum(dtype=np.float64)), -signs * weights * expit(-margins)
    rows = np.arange(len(truth))
    logs = log_softmax(logits, axis=1)
    slopes = np.exp(logs)
    slopes[rows, truth] -= 1
    return -float((weights * logs[rows, truth]).sum(dtype=np.float64)), slopes * weights[:, None]
