"""What is made of the states of a forward pass: a run's labels, its logits, or vectors."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trifold.inference.predict import as_predictions
from trifold.methods.contract import Predictor, Scores


class Head(ABC):
    """What reads the states of a pass; several may read those of one.

    Args:
        name: Of the run.
        finish: From the states of some texts to `(texts, …)` float32; of pooled states from a `Pooled`. Not called
            where texts are read as they are.
        layers: Whose pooled states it reads, if any.
    """

    def __init__(self, name: str, finish: Callable[[Any], np.ndarray], layers: tuple[int, ...] = ()) -> None:
        self.name, self.finish, self.layers = name, finish, layers

    @abstractmethod
    def results(self, found: np.ndarray, truncated: np.ndarray) -> Sequence[Any]:
        """The results for some texts.

        Args:
            found: `(texts, …)`, what `finish`, or the predictor, gives.
            truncated: `(texts,)` bool.
        """


class LabelHead(Head):
    """A run's predictions.

    Args:
        name: As for `Head`.
        finish: As for `Head`.
        layers: As for `Head`.
        predictor: The run's.
    """

    def __init__(
        self, name: str, finish: Callable[[Any], np.ndarray], layers: tuple[int, ...], predictor: Predictor
    ) -> None:
        super().__init__(name, finish, layers)
        self._predictor = predictor

    def results(self, found: np.ndarray, truncated: np.ndarray) -> Sequence[Any]:
        """See `Head.results`: a `Prediction` for each text."""
        return as_predictions(self._predictor, Scores(found, truncated))


class ArrayHead(Head):
    """The arrays themselves: a run's logits, or an encoder's vectors."""

    def results(self, found: np.ndarray, truncated: np.ndarray) -> Sequence[Any]:  # noqa: ARG002 - see `Head`
        """See `Head.results`: an array for each text."""
        # Copies, or each would keep those of its whole batch in memory.
        return [row.copy() for row in found]
