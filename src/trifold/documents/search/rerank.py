"""How relevant passages are to a query, by a cross-encoder: a run of our own that reads both together."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trifold.errors import SettingsError
from trifold.inference.predict import score_texts
from trifold.inference.run import load_run
from trifold.models.settings import ComputeSettings
from trifold.types import TextPair

# What the class of relevant passages may be called.
_RELEVANT = ("relevant", "1", "true", "yes", "match", "positive")
_WAY_OUT = (
    "give a run that was trained on pairs of queries and passages, labelled 1 where the passage is relevant and 0 "
    "where it is not: trifold finetune PAIRS.csv --task pairs --text-column query,passage"
)


class Reranker:
    """A cross-encoder, opened.

    Args:
        run: Run folder of a classifier of pairs with two classes, of which one is called relevant, 1, true, yes, match
            or positive.
        compute: How it is run.

    Raises:
        SettingsError: If the run reads single texts, or has other classes.
        ArtifactError: If there is no such run, or it is damaged.
    """

    def __init__(self, run: Path, compute: ComputeSettings | None = None) -> None:
        opened = load_run(run, compute)
        if not opened.record.get("pairs"):
            raise SettingsError(f"--rerank {run} is a run that reads single texts: {_WAY_OUT}")
        labels = opened.predictor.labels
        relevant = [number for number, name in enumerate(labels.names) if str(name).strip().lower() in _RELEVANT]
        if labels.multi_label or len(labels) != 2 or len(relevant) != 1:
            known = ", ".join(map(str, labels.names[:8]))
            raise SettingsError(f"--rerank {run} tells apart {known}, of which none is relevance: {_WAY_OUT}")
        self._predictor, self._relevant = opened.predictor, relevant[0]

    def relevance(self, pairs: Sequence[TextPair]) -> np.ndarray:
        """How probable it is that each passage is relevant to its query, `(pairs,)` float64.

        Args:
            pairs: Query first, passage second; any number.
        """
        logits = score_texts(self._predictor, list(pairs), "reranking").logits
        found: np.ndarray = self._predictor.labels.probabilities(logits)[:, self._relevant]
        return found
