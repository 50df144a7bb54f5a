"""How relevant passages are to a query, by a cross-encoder: a run of our own that reads both together."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trifold.documents.search.hybrid import Reranker
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


def open_reranker(run: Path, compute: ComputeSettings | None = None) -> Reranker:
    """A function from pairs of query and passage to how probable it is that each passage is relevant.

    Args:
        run: Run folder of a classifier of pairs with two classes, of which one is called relevant, 1, true, yes, match
            or positive.
        compute: How it is run.

    Raises:
        SettingsError: If the run reads single texts, or has other classes.
        ArtifactError: If there is no such run, or it is damaged.
    """
    opened = load_run(run, compute)
    if not opened.record.get("pairs"):
        raise SettingsError(f"--rerank {run} is a run that reads single texts: {_WAY_OUT}")
    labels = opened.predictor.labels
    relevant = [number for number, name in enumerate(labels.names) if str(name).strip().lower() in _RELEVANT]
    if labels.multi_label or len(labels) != 2 or len(relevant) != 1:
        known = ", ".join(map(str, labels.names[:8]))
        raise SettingsError(f"--rerank {run} tells apart {known}, of which none is relevance: {_WAY_OUT}")

    def relevance(pairs: Sequence[TextPair]) -> np.ndarray:
        logits = score_texts(opened.predictor, list(pairs), "reranking").logits
        found: np.ndarray = labels.probabilities(logits)[:, relevant[0]]
        return found

    return relevance
