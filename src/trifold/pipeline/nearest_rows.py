"""The training rows that are nearest to a text, as examples of what a run learned from."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trifold.documents.nearest import nearest
from trifold.events import say
from trifold.explanations.explanation import NearRow
from trifold.inference.run import Run
from trifold.models.settings import ComputeSettings
from trifold.pipeline.recorded_run import reopen_task
from trifold.types import Examples, single_texts

if TYPE_CHECKING:
    from trifold.pipeline.run_encoder import RunEncoder

# Of more training rows so many are looked at; they are in random order.
_MOST_ROWS = 20_000
# Texts that are compared with all of these at once: 40 MB of scores.
_QUERIES_AT_ONCE = 256
_WAY_OUT = "the nearest training rows are not shown"


class TrainingRows:
    """The rows that a run learned from, as vectors: TF-IDF's own, or those of the run's encoder or its backbone.

    Args:
        run: The run.
        compute: How its encoder runs.

    Raises:
        DataError: If the run's data file is gone, or is another one by now.
        BackboneError: If the run has neither vectors nor an encoder.
    """

    def __init__(self, run: Run, compute: ComputeSettings) -> None:
        train = reopen_task(run, _WAY_OUT).split.train
        self._rows = train.take(range(min(len(train), _MOST_ROWS)))
        if len(train) > _MOST_ROWS:
            say(f"note: the nearest rows are those of {_MOST_ROWS:,} of the {len(train):,} training rows")
        self._predictor = run.predictor
        self._encoding = None if run.predictor.vectors([]) is not None else _encoding(run, compute)
        self._texts = single_texts(self._rows.texts)
        self._vectors = self._of(self._texts, kept=True)

    def nearest(self, texts: Sequence[str], count: int) -> list[list[NearRow]]:
        """The nearest rows of each text, the nearest first.

        Args:
            texts: Any number.
            count: How many of each.
        """
        return [
            [_near(self._rows, place, score) for place, score in zip(places.tolist(), scores.tolist(), strict=True)]
            for start in range(0, len(texts), _QUERIES_AT_ONCE)
            for places, scores in self._found(texts[start : start + _QUERIES_AT_ONCE], count)
        ]

    def _found(self, texts: Sequence[str], count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        queries = self._of(texts, kept=False)
        if self._encoding is None:
            scores = (queries @ self._vectors.T).toarray()
            places = np.argsort(-scores, axis=1, kind="stable")[:, :count]
            return zip(places, np.take_along_axis(scores, places, axis=1), strict=True)
        known = nearest(queries, self._vectors, min(count, len(self._rows)))
        return zip(known.positions, known.scores, strict=True)

    def _of(self, texts: Sequence[str], *, kept: bool) -> Any:
        return self._predictor.vectors(texts) if self._encoding is None else self._encoding.vectors(texts, kept=kept)


def _encoding(run: Run, compute: ComputeSettings) -> "RunEncoder":
    # TF-IDF never waits for PyTorch.
    from trifold.pipeline.run_encoder import RunEncoder

    return RunEncoder(run, compute)


def _near(rows: Examples, place: int, score: float) -> NearRow:
    return NearRow(rows.rows[place], rows.lines[place], rows.labels[place], score, str(rows.texts[place]))
