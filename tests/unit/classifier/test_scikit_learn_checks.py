"""scikit-learn's own checks of an estimator, and which of them cannot hold for one that reads texts."""

# ruff: noqa: N803 - X, as scikit-learn calls it

from typing import Any

import numpy as np
from sklearn.utils.estimator_checks import parametrize_with_checks

from trifold import TextClassifier

# Check to the reason why it cannot hold.
_WIDTH = "the texts are one column, however many words they have"
_NUMBERS = "what is no text is refused in words of its own"
_SPARSE = "a sparse matrix holds no texts"
CANNOT_HOLD = {
    "check_n_features_in_after_fitting": _WIDTH,
    "check_n_features_in": _WIDTH,
    "check_classifiers_train": _WIDTH,
    "check_fit2d_predict1d": _WIDTH,
    "check_fit1d": _WIDTH,
    "check_complex_data": _NUMBERS,
    "check_dtype_object": _NUMBERS,
    "check_estimators_empty_data_messages": _NUMBERS,
    "check_estimators_nan_inf": _NUMBERS,
    "check_estimator_sparse_tag": _SPARSE,
    "check_estimator_sparse_array": _SPARSE,
    "check_estimator_sparse_matrix": _SPARSE,
    "check_classifiers_one_label": "labels that are floats are refused, and one class is no task",
    "check_classifiers_regression_target": "labels that are floats are refused, in words of its own",
    "check_classifiers_multilabel_representation_invariance": "lists of labels a row are labels, not an indicator",
    "check_supervised_y_2d": "labels in one column of a table are taken without a warning",
    "check_class_weight_classifiers": "class_weight is none or balanced",
    "check_fit2d_1sample": "ten rows are the least, and that is said in words of its own",
    "check_requires_y_none": "labels that are missing are told in words of its own",
}


class OnNumbers(TextClassifier):
    """`TextClassifier` on the rows of numbers that the checks give: every number becomes a word of the row's text.

    scikit-learn leaves estimators of texts out of its checks, so it is told that this one takes numbers.
    """

    def fit(self, X: Any, y: Any) -> "OnNumbers":
        super().fit(as_texts(X), y)
        return self

    def predict(self, X: Any) -> np.ndarray:
        return super().predict(as_texts(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        return super().predict_proba(as_texts(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        return super().score(as_texts(X), y, sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.one_d_array, tags.input_tags.string = True, False, False
        return tags


def as_texts(rows: Any) -> list[str]:
    """Numbers that are close become one word."""
    return [" ".join(f"column{place}is{value:.0f}" for place, value in enumerate(row)) for row in np.asarray(rows)]


@parametrize_with_checks([OnNumbers("tfidf")], expected_failed_checks=lambda _: CANNOT_HOLD)
def test_every_check_that_can_hold_does(estimator: Any, check: Any) -> None:
    check(estimator)
