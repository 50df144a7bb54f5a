"""How relevant passages are to a query, by a cross-encoder: a run of our own, or a model that was trained elsewhere."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.special import expit

from trifold.artifact.hub_runs import run_on_hub
from trifold.artifact.run_record import RUN
from trifold.documents.search.hybrid import Reranker
from trifold.errors import SettingsError
from trifold.inference.predict import score_texts
from trifold.inference.run import load_run
from trifold.models.pair_judging import yes_class
from trifold.models.settings import ComputeSettings
from trifold.types import TextPair

_WAY_OUT = (
    "give a run that was trained on pairs of queries and passages, labelled 1 where the passage is relevant and 0 "
    "where it is not: trifold finetune PAIRS.csv --task pairs --text-column query,passage"
)


def open_reranker(name: Path, compute: ComputeSettings | None = None) -> Reranker:
    """A function from pairs of query and passage to how probable it is that each passage is relevant.

    Args:
        name: Run folder of a classifier of pairs of which one class is called relevant, 1, true, yes, match or
            positive, or else entailment; or folder or hub id of a reranker.
        compute: How it is run.

    Raises:
        SettingsError: If the run reads single texts, or has other classes.
        ArtifactError: If the run is damaged.
        LlmError: If there is no such model, or it judges no pairs.
    """
    published = run_on_hub(str(name), offline=compute is not None and compute.offline)
    if published is None and not _is_run(name):
        from trifold.llm.local_reranker import open_reranking_model

        model = open_reranking_model(str(name), compute or ComputeSettings(), "--rerank ")
        return lambda pairs: np.asarray(expit(model.log_odds(pairs)))
    opened = load_run(published or name, compute)
    if not opened.record.get("pairs"):
        raise SettingsError(f"--rerank {name} is a run that reads single texts: {_WAY_OUT}")
    labels = opened.predictor.labels
    yes = None if labels.multi_label else yes_class(labels.names)
    if yes is None or len(labels) < 2:
        known = ", ".join(map(str, labels.names[:8]))
        raise SettingsError(f"--rerank {name} tells apart {known}, of which none is relevance: {_WAY_OUT}")

    def relevance(pairs: Sequence[TextPair]) -> np.ndarray:
        ordered = [TextPair(pair.second, pair.first) for pair in pairs] if yes.entails else list(pairs)
        logits = score_texts(opened.predictor, ordered, "reranking").logits
        return np.asarray(expit(yes.log_odds(logits)))

    return relevance


def _is_run(name: Path) -> bool:
    """Whether this names a run or a comparison; of a folder that is neither, `load_run` tells what it lacks."""
    return (name / RUN).is_file() or (os.path.isdir(name) and not (name / "config.json").is_file())
