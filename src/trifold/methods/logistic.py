"""Logistic regression whose strength is chosen on validation; the linear head of `tfidf` and `features`."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from trifold.metrics import mean_log_loss
from trifold.tasks.labels import row_weights


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
        train_classes: `(rows,)`, at least two distinct.
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
        """How much each training row counts, `(rows,)` float32."""
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
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=300, tol=tolerance, warm_start=True)
    best: Chosen | None = None
    rises = 0
    for strength in strengths:
        model.set_params(C=strength)
        with warnings.catch_warnings():
            # A head that is not quite at its optimum is still judged on validation like any other.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(data.train, data.train_classes, data.train_weights)
        head = _head(model, data.classes)
        loss = mean_log_loss(head.logits(data.validation), data.validation_classes, weights=data.validation_weights)
        if best is None or loss < best.validation_loss:
            best, rises = Chosen(head, strength, loss), 0
        else:
            rises += 1
            if rises == 2:
                break
    assert best is not None
    return best


def _head(model: Any, classes: int) -> LinearHead:
    """scikit-learn gives two classes one row of weights; spread it so that every head has a column per class."""
    known = model.classes_
    weight = np.zeros((model.coef_.shape[1], classes), dtype=np.float32)
    bias = np.full(classes, -30.0, dtype=np.float32)
    if len(known) == 2:
        weight[:, known[1]] = model.coef_[0]
        bias[known] = (0.0, model.intercept_[0])
    else:
        weight[:, known] = model.coef_.T
        bias[known] = model.intercept_
    return LinearHead(weight, bias)
