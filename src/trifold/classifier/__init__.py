"""Any method behind scikit-learn's estimator interface."""

from trifold.classifier.estimator import TextClassifier

__all__ = ["TextClassifier"]
