"""A trained model of similarities, measured on scored pairs it has not seen."""

from dataclasses import dataclass, replace
from pathlib import Path

from trifold.data.examples import load_examples
from trifold.data.hub import offline_data
from trifold.data.scored_pairs import as_scored
from trifold.data.settings import LabelledSettings
from trifold.errors import DataError
from trifold.events import say
from trifold.inference.similarity import load_similarity_run
from trifold.models.settings import ComputeSettings
from trifold.pipeline.evaluate import known_texts
from trifold.pipeline.similarity_finetuning import similarities_of
from trifold.statistics.correlation import SimilarityMetrics, measure_similarity
from trifold.types import BadRow


@dataclass(frozen=True)
class SimilarityEvaluation:
    """What `evaluate` found of a run of `--task similarity`.

    Attributes:
        metrics: On the usable rows.
        truncated: Pairs with a text that was too long to be read whole.
        bad_rows: Rows that could not be used.
        learned_from: Rows whose pair the run has learned from; `None` where it does not say from which.
        others: Metrics on the other rows, where there are some of both.
    """

    metrics: SimilarityMetrics
    truncated: int
    bad_rows: tuple[BadRow, ...]
    learned_from: int | None = None
    others: SimilarityMetrics | None = None


def evaluate_similarity(
    run: Path, data: Path, reading: LabelledSettings, compute: ComputeSettings
) -> SimilarityEvaluation:
    """Score a file of scored pairs with a run.

    Raises:
        TrifoldError: If the run or the data cannot be used, or a score is no number.
    """
    chosen = load_similarity_run(run, compute)
    with offline_data(compute.offline):
        loaded = load_examples(data, replace(reading, label_separator=""), chosen.own_columns)
    if loaded.note:
        say(f"note: {loaded.note}")
    if not len(loaded.examples):
        raise DataError(f"{data} has no usable row: give rows with two texts and a score")
    pairs = as_scored(loaded.examples, str(loaded.columns.label))
    known = known_texts(chosen.folder, chosen.record, data, pairs.pairs)
    found = similarities_of(chosen.model, pairs.pairs, "scoring")
    metrics, others = measure_similarity(pairs.scores, found.cosines, found.scores), None
    if known is not None and 0 < known.sum() < len(known):
        others = measure_similarity(pairs.scores[~known], found.cosines[~known], found.scores[~known])
    count = None if known is None else int(known.sum())
    return SimilarityEvaluation(metrics, int(found.truncated.sum()), loaded.bad_rows, count, others)
