"""A run's predictor whose texts wait in the queue like everybody's: what explains it computes nothing by itself."""

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path

import numpy as np

from trifold.errors import SettingsError
from trifold.methods.contract import Predictor, Scores
from trifold.models.settings import ComputeSettings
from trifold.serve.requests import Request
from trifold.types import Text


class QueuedPredictor(Predictor):
    """Scores by way of the queue; for one thread, which waits meanwhile.

    Args:
        predictor: The run's.
        submit: Puts texts into the queue.

    Attributes:
        cancelled: Set where nobody waits for the results any more; the next score then fails.
    """

    def __init__(self, predictor: Predictor, submit: Callable[[Sequence[Text]], Request]) -> None:
        self.labels = predictor.labels
        self.cancelled = False
        self._predictor, self._submit = predictor, submit
        self._waits_for: Future[list[list[np.ndarray]]] | None = None

    def cancel(self) -> None:
        """Let no further text be scored."""
        self.cancelled = True
        if self._waits_for is not None:
            self._waits_for.cancel()

    def score(self, texts: Sequence[Text]) -> Scores:
        """See `Predictor.score`.

        Raises:
            CancelledError: If nobody waits any more.
            ServingError: If there is no answer.
        """
        if not texts:
            return Scores(np.zeros((0, len(self.labels)), dtype=np.float32), np.zeros(0, dtype=bool))
        if self.cancelled:
            raise CancelledError
        request = self._submit(texts)
        self._waits_for = request.future
        if self.cancelled:
            request.future.cancel()
        (logits,) = request.future.result()
        return Scores(np.stack(logits), np.array(request.truncated, dtype=bool))

    def read_spans(self, text: str) -> list[tuple[int, int]]:
        """See `Predictor.read_spans`."""
        return self._predictor.read_spans(text)

    def contributions(self, text: str, direction: np.ndarray) -> np.ndarray | None:
        """See `Predictor.contributions`."""
        return self._predictor.contributions(text, direction)

    def save(self, folder: Path) -> None:
        """See `Predictor.save`."""
        self._predictor.save(folder)

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> "QueuedPredictor":  # noqa: ARG003 - it has no folder
        """Refused: it is a face of another one.

        Raises:
            SettingsError: Always.
        """
        raise SettingsError("a predictor in a queue is not loaded: load the run")

    def divide_logits(self, temperature: float) -> None:
        """See `Predictor.divide_logits`."""
        self._predictor.divide_logits(temperature)

    def size_bytes(self) -> int:
        """See `Predictor.size_bytes`."""
        return self._predictor.size_bytes()
