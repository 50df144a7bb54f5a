"""Labels as the user wrote them on one side, class numbers on the other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from trifold.errors import DataError
from trifold.types import Label


def row_weights(classes: np.ndarray, class_weight: str) -> np.ndarray:
    """How much each row counts in a loss, `(rows,)` float32 with a mean of 1.

    Args:
        classes: `(rows,)` class numbers.
        class_weight: `none` counts all rows alike, `balanced` all classes that occur.
    """
    if class_weight == "none":
        return np.ones(len(classes), dtype=np.float32)
    found, inverse, counts = np.unique(classes, return_inverse=True, return_counts=True)
    weights: np.ndarray = (len(classes) / (len(found) * counts)).astype(np.float32)
    return weights[inverse]


@dataclass(frozen=True)
class LabelMap:
    """The ordered label set of a task. It is stored with the model, so labels stay strings or integers end to end.

    Attributes:
        names: Labels in class order.
    """

    names: tuple[Label, ...]

    @classmethod
    def of(cls, labels: Iterable[Label]) -> "LabelMap":
        """The sorted set of `labels`: numbers by value, strings by character."""
        return cls(tuple(sorted(set(labels), key=lambda label: (isinstance(label, str), label))))

    @classmethod
    def saved(cls, settings: Mapping[str, Any]) -> "LabelMap":
        """The label set in a saved model's settings, in its class order."""
        return cls(tuple(settings["labels"]))

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def numbers(self) -> dict[Label, int]:
        """Label to class number."""
        return {name: number for number, name in enumerate(self.names)}

    def encode(self, labels: Sequence[Label]) -> np.ndarray:
        """Class numbers, int64 of shape `(rows,)`.

        Raises:
            DataError: If a label is not in the set.
        """
        try:
            return np.array([self.numbers[label] for label in labels], dtype=np.int64)
        except KeyError as error:
            known = ", ".join(repr(name) for name in self.names[:8])
            raise DataError(f"the label {error.args[0]!r} is unknown to the model: it knows {known}") from None

    def decode(self, classes: np.ndarray) -> list[Label]:
        """Labels of class numbers of shape `(rows,)`."""
        return [self.names[number] for number in classes.tolist()]
