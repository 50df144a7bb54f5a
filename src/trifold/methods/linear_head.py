"""A linear head on fixed vectors: the head itself, and the data that a head is trained and chosen on."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from trifold.artifact.arrays import Arrays
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
        """The head whose logits are this one's divided by `temperature`."""
        return LinearHead(self.weight / np.float32(temperature), self.bias / np.float32(temperature))

    def arrays(self) -> dict[str, np.ndarray]:
        """Its arrays by name, for saving."""
        return {"weight": self.weight, "bias": self.bias}

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray]) -> "LinearHead":
        """The head from what `arrays` returned."""
        return cls(arrays["weight"], arrays["bias"])

    @classmethod
    def saved(cls, arrays: Arrays, features: int, classes: int) -> "LinearHead":
        """The head from a file.

        Raises:
            ArtifactError: If the file does not hold a linear head from `features` features to `classes` classes.
        """
        return cls(arrays.of_shape("weight", features, classes), arrays.of_shape("bias", classes))

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weight `(in, out)` and bias `(out,)` of each linear layer; between two layers comes a ReLU."""
        return [(self.weight, self.bias)]

    def parameters(self) -> int:
        """Number of trainable parameters."""
        return int(self.weight.size + self.bias.size)


@dataclass(frozen=True)
class HeadData:
    """Features and classes that a head is trained and chosen on.

    Attributes:
        train: `(rows, features)`, dense or sparse.
        train_classes: `(rows,)` class numbers, at least two of them distinct; or where a row may have several labels
            `(rows, classes)` bool.
        validation: `(validation rows, features)`, used for choosing only.
        validation_classes: The classes of the validation rows, in the form of `train_classes`.
        classes: Number of classes of the task. A class without a training row gets a very low logit.
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
        """`row_weights` of the training rows."""
        return row_weights(self.train_classes, self.class_weight)

    @cached_property
    def validation_weights(self) -> np.ndarray:
        """`row_weights` of the validation rows."""
        return row_weights(self.validation_classes, self.class_weight)
