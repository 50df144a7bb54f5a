"""Logistic regression whose regularisation is chosen on validation; the linear head of `tfidf` and `features`.

Sparse features go to scikit-learn, one model per label where a row may have several. Dense features, or rows with one
label out of a thousand, go to our own descent over all labels at once (`logistic_lbfgs.py`). It finds the same optimum,
its matmuls serve all labels, and it holds the logits of some rows at a time, so that memory does not grow with
rows times classes. It also saves the second that importing scikit-learn takes (docs/decisions/0015).

The inverse regularisation strength is called C, as in scikit-learn: the larger, the weaker the regularisation.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trifold.methods.linear_head import HeadData, LinearHead
from trifold.methods.logistic_lbfgs import ABSENT_LOGIT, AllLabelsLogistic, TwoClassLogistic, for_all_classes
from trifold.runtime import single_threaded_scipy
from trifold.statistics.calibration import mean_log_loss

_MAX_ITERATIONS = 300
# From this number of rows times classes on, their logits are not all held in memory at once.
MAX_LOGITS = 16_000_000
# From this number of weights on, scikit-learn, which remembers ten steps in float64, would take gigabytes.
_MAX_WEIGHTS = 3_000_000


@dataclass(frozen=True)
class FittedHead:
    """The best head along a path of values of C.

    Attributes:
        head: The head.
        c: Its inverse regularisation strength.
        validation_loss: Its mean log loss on validation.
    """

    head: LinearHead
    c: float
    validation_loss: float


def fit_path(data: HeadData, c_values: Sequence[float], tolerance: float) -> FittedHead:
    """Fit a head for each C, each fit starting from the one before, and keep that with the lowest validation loss.

    The path ends early after the loss has risen twice, since it has one minimum.

    Args:
        data: What to train and to choose on.
        c_values: Inverse regularisation strengths, ascending.
        tolerance: Gradient at which a fit stops. Sparse TF-IDF needs 1e-5, or the fit stops far too early.
    """
    fit = _fitter(data, tolerance)
    best: FittedHead | None = None
    rises = 0
    for c in c_values:
        head = fit(c)
        loss = mean_log_loss(head.logits(data.validation), data.validation_classes, weights=data.validation_weights)
        if best is None or loss < best.validation_loss:
            best, rises = FittedHead(head, c, loss), 0
        else:
            rises += 1
            if rises == 2:
                break
    assert best is not None
    return best


def _fitter(data: HeadData, tolerance: float) -> Callable[[float], LinearHead]:
    """A function from C to the fitted head, by the fastest way for these data."""
    dense = isinstance(data.train, np.ndarray)
    if data.train_classes.ndim == 2:
        return AllLabelsLogistic(data, tolerance) if dense else _OneVersusRest(data, tolerance)
    known = np.unique(data.train_classes)
    if dense and len(known) == 2:
        return TwoClassLogistic(data, tolerance, known)
    rows, terms = data.train.shape
    too_many = rows * data.classes > MAX_LOGITS or terms * data.classes > _MAX_WEIGHTS
    return AllLabelsLogistic(data, tolerance) if dense or too_many else _ScikitLearn(data, tolerance)


class _ScikitLearn:
    """scikit-learn's logistic regression, each fit starting from the one before."""

    def __init__(self, data: HeadData, tolerance: float, weights: np.ndarray | None = None) -> None:
        from sklearn.linear_model import LogisticRegression

        self._data = data
        self._weights = data.train_weights if weights is None else weights
        self._model = LogisticRegression(max_iter=_MAX_ITERATIONS, tol=tolerance, warm_start=True)

    def __call__(self, c: float) -> LinearHead:
        from sklearn.exceptions import ConvergenceWarning

        data, model = self._data, self._model
        model.set_params(C=c)
        with single_threaded_scipy(), warnings.catch_warnings():
            # A head short of its optimum is judged on validation like any other.
            warnings.simplefilter("ignore", ConvergenceWarning)
            # `trifold check` tells the user about many labels on few rows.
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            model.fit(data.train, data.train_classes, self._weights)
        return for_all_classes(model.classes_, model.coef_.T, model.intercept_, data.classes)


class _OneVersusRest:
    """For each label scikit-learn's logistic regression on whether a row has the label."""

    def __init__(self, data: HeadData, tolerance: float) -> None:
        self._data = data
        counts = data.train_classes.sum(axis=0)
        self._on_all_rows, on_no_row = counts == len(data.train_classes), counts == 0
        self._parts = {
            label: _ScikitLearn(
                replace(data, train_classes=data.train_classes[:, label].astype(np.int64), classes=2),
                tolerance,
                data.train_weights[:, label],
            )
            for label in np.flatnonzero(~(self._on_all_rows | on_no_row))
        }

    def __call__(self, c: float) -> LinearHead:
        weight = np.zeros((self._data.train.shape[1], self._data.classes), dtype=np.float32)
        bias = np.where(self._on_all_rows, -ABSENT_LOGIT, ABSENT_LOGIT).astype(np.float32)
        for label, part in self._parts.items():
            head = part(c)
            weight[:, label] = head.weight[:, 1]
            bias[label] = head.bias[1]
        return LinearHead(weight, bias)
