"""Logistic regression whose strength is chosen on validation; the linear head of `tfidf` and `features`.

scikit-learn's where features are sparse, one model a label where a row may have several. Where they are dense, or a row
has one label of thousands, a descent of our own over all labels: the same optimum, reached with matrix products that
serve all of them and with the logits of some rows at a time, so that memory does not grow with rows times classes; and
scikit-learn, whose import takes a second, is not needed (docs/decisions/0015).
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit, log_softmax

from trifold.artifact.arrays import Arrays
from trifold.runtime import single_threaded_scipy
from trifold.statistics.calibration import chance_logits, mean_log_loss
from trifold.tasks.labels import row_weights

_MOST_ITERATIONS = 300
# Of a descent over all labels at once, which starts from the strength before: what comes after gains nothing.
_MOST_BLOCKWISE_ITERATIONS = 100
# Rows times classes from which on their logits are not all held at once.
_MOST_LOGITS = 16_000_000
# The logit of a class that training lacks.
_NEVER = -30.0


@dataclass(frozen=True)
class LinearHead:
    """Logits from features by one matrix.

    Attributes:
        weight: `(features, classes)` float32.
        bias: `(classes,)` float32.
    """

    weight: np.ndarray
    bias: np.ndarray

    def logits(self, features: Any) -> np.ndarray:
        """`(rows, features)`, dense or sparse, to `(rows, classes)` float32."""
        result: np.ndarray = np.asarray(features @ self.weight + self.bias, dtype=np.float32)
        return result

    def cooled(self, temperature: float) -> "LinearHead":
        """The head whose logits are these, divided by `temperature`."""
        return LinearHead(self.weight / np.float32(temperature), self.bias / np.float32(temperature))

    def arrays(self) -> dict[str, np.ndarray]:
        """For saving."""
        return {"weight": self.weight, "bias": self.bias}

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray]) -> "LinearHead":
        """The inverse of `arrays`."""
        return cls(arrays["weight"], arrays["bias"])

    @classmethod
    def saved(cls, arrays: Arrays, features: int, classes: int) -> "LinearHead":
        """The same from a file.

        Raises:
            ArtifactError: If the arrays are not those of a head from so many features to so many classes.
        """
        return cls(arrays.of_shape("weight", features, classes), arrays.of_shape("bias", classes))

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weight `(in, out)` and bias of each linear step; between two of them stands a ReLU."""
        return [(self.weight, self.bias)]

    def parameters(self) -> int:
        """Numbers learned."""
        return int(self.weight.size + self.bias.size)


@dataclass(frozen=True)
class Chosen:
    """The best head along a path of strengths.

    Attributes:
        head: It.
        strength: Its inverse regularisation, scikit-learn's C.
        validation_loss: Its mean log loss on validation.
    """

    head: LinearHead
    strength: float
    validation_loss: float


@dataclass(frozen=True)
class Sample:
    """What a head learns from and is chosen on.

    Attributes:
        train: `(rows, features)`, dense or sparse.
        train_classes: `(rows,)`, at least two distinct; or `(rows, classes)` bool.
        validation: Likewise, for choosing only.
        validation_classes: Likewise.
        classes: Number of classes of the task; one that training lacks gets a very low logit.
        class_weight: As in `row_weights`.
    """

    train: Any
    train_classes: np.ndarray
    validation: Any
    validation_classes: np.ndarray
    classes: int
    class_weight: str = "none"

    @cached_property
    def train_weights(self) -> np.ndarray:
        """As `row_weights` of the training part."""
        return row_weights(self.train_classes, self.class_weight)

    @cached_property
    def validation_weights(self) -> np.ndarray:
        """Likewise for validation."""
        return row_weights(self.validation_classes, self.class_weight)


def fit_path(data: Sample, strengths: Sequence[float], tolerance: float) -> Chosen:
    """Fit for each strength, weakest first, each starting from the one before; keep the lowest validation loss.

    The path ends early once the loss has risen twice: it has one valley.

    Args:
        data: What to learn from and choose on.
        strengths: scikit-learn's C, ascending.
        tolerance: Of the gradient, where fitting stops. Sparse TF-IDF needs 1e-5, or it is cut off far too early.
    """
    fit = _fitter(data, tolerance)
    best: Chosen | None = None
    rises = 0
    for strength in strengths:
        head = fit(strength)
        loss = mean_log_loss(head.logits(data.validation), data.validation_classes, weights=data.validation_weights)
        if best is None or loss < best.validation_loss:
            best, rises = Chosen(head, strength, loss), 0
        else:
            rises += 1
            if rises == 2:
                break
    assert best is not None
    return best


def _fitter(data: Sample, tolerance: float) -> Callable[[float], LinearHead]:
    """From a strength to the head, by the quickest way for such data."""
    dense = isinstance(data.train, np.ndarray)
    if data.train_classes.ndim == 2:
        return _Blockwise(data, tolerance) if dense else _LabelByLabel(data, tolerance)
    known = np.unique(data.train_classes)
    if dense and len(known) == 2:
        return _TwoClasses(data, tolerance, known)
    too_many = len(data.train_classes) * data.classes > _MOST_LOGITS
    return _Blockwise(data, tolerance) if dense or too_many else _Whole(data, tolerance)


class _Whole:
    """scikit-learn's logistic regression, each fit starting from the one before."""

    def __init__(self, data: Sample, tolerance: float, weights: np.ndarray | None = None) -> None:
        from sklearn.linear_model import LogisticRegression

        self._data = data
        self._weights = data.train_weights if weights is None else weights
        self._model = LogisticRegression(max_iter=_MOST_ITERATIONS, tol=tolerance, warm_start=True)

    def __call__(self, strength: float) -> LinearHead:
        from sklearn.exceptions import ConvergenceWarning

        data, model = self._data, self._model
        model.set_params(C=strength)
        with single_threaded_scipy(), warnings.catch_warnings():
            # A head that is not quite at its optimum is still judged on validation like any other.
            warnings.simplefilter("ignore", ConvergenceWarning)
            # Many labels on few rows are warned of by `check`, in words.
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            model.fit(data.train, data.train_classes, self._weights)
        return _spread(model.classes_, model.coef_.T, model.intercept_, data.classes)


def _spread(known: np.ndarray, weight: np.ndarray, bias: np.ndarray, classes: int) -> LinearHead:
    """Two classes have one column of weights, and some may be missing: give every class a column.

    Args:
        known: Numbers of the classes that were learned, ascending.
        weight: `(features, known)`, or `(features, 1)` of the second of two.
        bias: `(known,)`, or `(1,)`.
        classes: Of the task.
    """
    whole = np.zeros((len(weight), classes), dtype=np.float32)
    biases = np.full(classes, _NEVER, dtype=np.float32)
    if len(known) == 2:
        whole[:, known[1]] = weight[:, 0]
        biases[known] = (0.0, bias[0])
    else:
        whole[:, known] = weight
        biases[known] = bias
    return LinearHead(whole, biases)


class _LabelByLabel:
    """For each label scikit-learn's logistic regression on whether a row has it."""

    def __init__(self, data: Sample, tolerance: float) -> None:
        self._data = data
        having = data.train_classes.sum(axis=0)
        self._always, self._never = having == len(data.train_classes), having == 0
        self._parts = {
            label: _Whole(
                replace(data, train_classes=data.train_classes[:, label].astype(np.int64), classes=2),
                tolerance,
                data.train_weights[:, label],
            )
            for label in np.flatnonzero(~(self._always | self._never))
        }

    def __call__(self, strength: float) -> LinearHead:
        weight = np.zeros((self._data.train.shape[1], self._data.classes), dtype=np.float32)
        bias = np.where(self._always, -_NEVER, _NEVER).astype(np.float32)
        for label, part in self._parts.items():
            head = part(strength)
            weight[:, label] = head.weight[:, 1]
            bias[label] = head.bias[1]
        return LinearHead(weight, bias)


class _Blockwise:
    """Logistic regression over all labels in one descent, each fit starting from the one before.

    A softmax where a row has one label, a sigmoid a label where it may have several. The objective is scikit-learn's,
    `strength * sum(weights * losses) + |weight|² / 2`.
    """

    def __init__(self, data: Sample, tolerance: float, weights: np.ndarray | None = None) -> None:
        self._data = data
        self._weights = data.train_weights if weights is None else weights
        self._rows = len(data.train_classes)
        self._shape = (data.train.shape[1] + 1, data.classes)
        self._solution = np.zeros(self._shape)
        # Started at the labels' shares, or the first steps would go into the intercepts alone.
        self._solution[-1] = chance_logits(data.train_classes, self._weights, data.classes)
        several = data.train_classes.ndim == 2
        counts = data.train_classes.sum(0) if several else np.bincount(data.train_classes, minlength=data.classes)
        self._absent = counts == 0
        self._tolerance = tolerance

    def __call__(self, strength: float) -> LinearHead:
        from scipy.optimize import minimize

        # Divided by strength and rows, so that the tolerance means the same for all of them.
        scale = 1.0 / (strength * self._rows)
        with single_threaded_scipy():
            found = minimize(
                self._objective,
                self._solution.ravel(),
                (scale,),
                method="L-BFGS-B",
                jac=True,
                options={"maxiter": _MOST_BLOCKWISE_ITERATIONS, "gtol": self._tolerance, "ftol": 1e-9, "maxcor": 5},
            )
        self._solution = found.x.reshape(self._shape)
        head = LinearHead(self._solution[:-1].astype(np.float32), self._solution[-1].astype(np.float32))
        head.weight[:, self._absent], head.bias[self._absent] = 0.0, _NEVER
        return head

    def _objective(self, flat: np.ndarray, scale: float) -> tuple[float, np.ndarray]:
        solution = flat.reshape(self._shape)
        weight, bias = solution[:-1].astype(np.float32), solution[-1].astype(np.float32)
        gradient = np.zeros(self._shape)
        loss = 0.0
        step = max(1, _MOST_LOGITS // (4 * self._shape[1]))
        for start in range(0, self._rows, step):
            block = slice(start, start + step)
            features = self._data.train[block]
            losses, slopes = _loss(features @ weight + bias, self._data.train_classes[block], self._weights[block])
            loss += losses / self._rows
            gradient[:-1] += features.T @ (slopes / np.float32(self._rows))
            gradient[-1] += slopes.sum(axis=0, dtype=np.float64) / self._rows
        gradient[:-1] += scale * solution[:-1]
        return loss + 0.5 * scale * float((solution[:-1] ** 2).sum()), gradient.ravel()


class _TwoClasses:
    """One of two classes as a label that a row has or has not: a column of weights serves both."""

    def __init__(self, data: Sample, tolerance: float, known: np.ndarray) -> None:
        self._known, self._classes = known, data.classes
        having = (data.train_classes == known[1])[:, None]
        one = replace(data, train_classes=having, classes=1)
        self._fit = _Blockwise(one, tolerance, data.train_weights[:, None])

    def __call__(self, strength: float) -> LinearHead:
        found = self._fit(strength)
        return _spread(self._known, found.weight, found.bias, self._classes)


def _loss(logits: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """The weighted sum of the losses, and its slope in every logit, `(rows, classes)` float32."""
    if truth.ndim == 2:
        signs = np.where(truth, np.float32(1), np.float32(-1))
        margins = signs * logits
        return float((weights * np.logaddexp(0, -margins)).sum(dtype=np.float64)), -signs * weights * expit(-margins)
    rows = np.arange(len(truth))
    logs = log_softmax(logits, axis=1)
    slopes = np.exp(logs)
    slopes[rows, truth] -= 1
    return -float((weights * logs[rows, truth]).sum(dtype=np.float64)), slopes * weights[:, None]
