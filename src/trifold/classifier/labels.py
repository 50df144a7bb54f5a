"""Texts and labels as scikit-learn's users hand them over, and labels handed back in the type that they had."""

from typing import Any

import numpy as np

from trifold.data.in_memory import targets_of, texts_of
from trifold.errors import DataError
from trifold.tasks.labels import LabelMap
from trifold.types import Examples


def as_examples(texts: Any, labels: Any) -> tuple[Examples, Any]:
    """Texts with their labels as rows, and the NumPy type of the labels.

    Raises:
        DataError: If the two differ in length, a text is empty, or a label is missing.
    """
    kept = texts_of(texts)
    targets, kind = targets_of(labels)
    if len(kept) != len(targets):
        raise DataError(f"there are {len(kept)} texts and {len(targets)} labels: give one label per text")
    return Examples(tuple(range(len(kept))), tuple(kept), targets), kind


def as_classes(labels: LabelMap, kind: Any = None) -> np.ndarray:
    """The labels as an array of the type in which they were given, where NumPy has it.

    Args:
        labels: Every label of the task.
        kind: That type, or its name; anything else is ignored.
    """
    several = len({type(name) for name in labels.names}) > 1
    try:
        found = np.array(labels.names, dtype=object if several else kind)
    except (TypeError, ValueError, OverflowError):
        found = np.array(labels.names)
    return found if found.tolist() == list(labels.names) else np.array(labels.names)
