"""Labels as the user wrote them on one side, numbers and probabilities on the other.

The one place that knows how a task with one label a row differs from one with several: arrays of the former are
`(rows,)` class numbers, of the latter `(rows, classes)` bools, and every function on them goes by their dimensions.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from trifold.data.label_matching import known_labels
from trifold.errors import ArtifactError, DataError, SettingsError
from trifold.types import SEPARATOR, Label, Target, labels_of


def row_weights(targets: np.ndarray, class_weight: str) -> np.ndarray:
    """How much each row, or each of its labels, counts in a loss; float32 of the shape of `targets`.

    Args:
        targets: `(rows,)` class numbers, which all count alike; or `(rows, classes)` bool.
        class_weight: `none` counts all labels alike. `balanced` lets the rows that have a label count as much as those
            that lack it.
    """
    if class_weight == "none" or targets.ndim == 1:
        return np.ones(targets.shape, dtype=np.float32)
    having = np.clip(targets.sum(axis=0), 1, len(targets) - 1)
    counts = np.where(targets, having, len(targets) - having)
    result: np.ndarray = (len(targets) / (2 * counts)).astype(np.float32)
    return result


def as_text(target: Target) -> str:
    """A row's label or labels as one string, the latter in their order with `|` between."""
    return SEPARATOR.join(str(label) for label in labels_of(target))


@dataclass(frozen=True)
class LabelMap:
    """The ordered label set of a task. It is stored with the model, so labels stay strings or integers end to end.

    Attributes:
        names: Labels in class order.
        multi_label: Whether a row may have any number of them.
        thresholds: Of each label, the probability from which on a row gets it; only where `multi_label`, and 0.5 each
            as long as they are not chosen.
    """

    names: tuple[Label, ...]
    multi_label: bool = False
    thresholds: tuple[float, ...] = ()

    @classmethod
    def of(cls, targets: Iterable[Target]) -> "LabelMap":
        """The sorted set of all labels: numbers by value, strings by character."""
        rows = list(targets)
        found = {label for target in rows for label in labels_of(target)}
        names = tuple(sorted(found, key=lambda label: (isinstance(label, str), label)))
        return cls(names, any(isinstance(target, tuple) for target in rows))

    @classmethod
    def saved(cls, settings: Mapping[str, Any]) -> "LabelMap":
        """The inverse of `described`.

        Raises:
            ArtifactError: If there are other thresholds than labels.
        """
        names, thresholds = tuple(settings["labels"]), tuple(settings.get("thresholds") or ())
        if len(thresholds) not in (0, len(names)):
            raise ArtifactError(
                f"the model has {len(names)} labels and {len(thresholds)} thresholds: train again, or restore it"
            )
        return cls(names, bool(settings.get("multi_label")), thresholds)

    def described(self) -> dict[str, object]:
        """What a saved model's settings say of its labels."""
        names: dict[str, object] = {"labels": list(self.names)}
        return {**names, "multi_label": True, "thresholds": list(self.thresholds)} if self.multi_label else names

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def numbers(self) -> dict[Label, int]:
        """Label to class number."""
        return {name: number for number, name in enumerate(self.names)}

    def encode(self, targets: Sequence[Target]) -> np.ndarray:
        """Class numbers, `(rows,)` int64; where rows may have several labels, `(rows, classes)` bool.

        Raises:
            DataError: If a label is not in the set.
        """
        try:
            if not self.multi_label:
                return np.array([self.numbers[label] for label in targets], dtype=np.int64)  # type: ignore[index]
            encoded = np.zeros((len(targets), len(self)), dtype=bool)
            for row, target in enumerate(targets):
                encoded[row, [self.numbers[label] for label in labels_of(target)]] = True
            return encoded
        except KeyError as error:
            known = ", ".join(repr(name) for name in self.names[:8])
            raise DataError(f"the label {error.args[0]!r} is unknown to the model: it knows {known}") from None

    def decode(self, encoded: np.ndarray) -> list[Target]:
        """The inverse of `encode`."""
        if self.multi_label:
            return [tuple(self.names[number] for number in np.flatnonzero(row)) for row in encoded]
        return [self.names[number] for number in encoded.tolist()]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """`(rows, classes)` float64: each row sums to 1, unless rows may have several labels."""
        precise = logits.astype(np.float64)
        result: np.ndarray = expit(precise) if self.multi_label else softmax(precise, axis=1)
        return result

    def parse(self, text: str) -> Target:
        """The inverse of `as_text` for labels of this set.

        Raises:
            KeyError: If it holds a label that is not in the set.
        """
        if self.multi_label:
            return tuple(self.by_text[part] for part in text.split(SEPARATOR) if part)
        return self.by_text[text]

    @cached_property
    def by_text(self) -> dict[str, Label]:
        """A label as text to the label."""
        return {str(name): name for name in self.names}

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """What is predicted, in the shape of `encode`: the likeliest class, or every label above its threshold."""
        if self.multi_label:
            return np.asarray(probabilities >= np.array(self.thresholds or (0.5,)))
        return np.asarray(probabilities.argmax(axis=1))

    def confidence(self, probabilities: np.ndarray, decided: np.ndarray) -> np.ndarray:
        """The probability that a row's prediction is right as a whole, `(rows,)`.

        Several labels are taken to be right independently of each other.
        """
        if self.multi_label:
            return np.asarray(np.where(decided, probabilities, 1.0 - probabilities).prod(axis=1))
        return np.asarray(probabilities[np.arange(len(decided)), decided])


def describe_labels(labels: LabelMap, given: dict[str, str]) -> list[str]:
    """What each label means in words: its description, or its own name.

    Raises:
        SettingsError: If a description is for no label.
    """
    meant = {name: labels.by_text[name] for name in given if name in labels.by_text}
    meant |= {str(name): label for name, label in known_labels(given.keys() - meant, labels.names).items()}
    unknown = [name for name in given if name not in meant]
    if unknown:
        known = ", ".join(str(label) for label in labels.names[:8])
        raise SettingsError(f"--label-description is given for {unknown[0]!r}, which is no label: there are {known}")
    described = {str(label): given[name] for name, label in meant.items()}
    return [described.get(str(label), re.sub(r"[_\s]+", " ", str(label)).strip()) for label in labels.names]
