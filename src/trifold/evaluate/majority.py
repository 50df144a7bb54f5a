"""The majority baseline: what is reached by giving every text the same answer, which costs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trifold.evaluate.results import RunResult, ScoredRun, lead_over, metrics_as_dict
from trifold.statistics.metric import shown, split_name, title
from trifold.statistics.metrics import measure
from trifold.statistics.selection import quantile
from trifold.tasks.labels import as_text

MAJORITY = "majority"


@dataclass(frozen=True)
class Majority:
    """The majority baseline beside the methods.

    Attributes:
        answer: What it says of every text.
        score: By the metric that decides.
        below: Names of the methods whose score is not higher.
        not_above: Names of the methods that are not shown to be above it, those below among them.
    """

    answer: str
    score: float
    below: tuple[str, ...]
    not_above: tuple[str, ...]


def majority_run(like: RunResult) -> RunResult | None:
    """What a run would be that gives the same answer to every test row; `None` where the run does not say which.

    Args:
        like: A run on the same data.
    """
    known = like.record.get("majority")
    if known is None or len(known["label_rows"]) != len(like.labels):
        return None
    answer, label_rows = known["labels"], known["label_rows"]
    rows, labels = len(like.rows), like.labels
    counts, total = np.maximum(np.array(label_rows, dtype=float), 0.5), like.record.data.parts["training"]
    shares = np.minimum(counts, total - 0.5) / total if labels.multi_label else counts / counts.sum()
    predicted = labels.encode([tuple(answer) if labels.multi_label else answer[0]]).repeat(rows, axis=0)
    probabilities = np.broadcast_to(shares, (rows, len(labels)))
    free = like.record.but(
        *("teacher", "exported"),
        method=MAJORITY,
        choices={},
        backbone=None,
        trainable_parameters=0,
        train_seconds=0.0,
        train_seconds_from_cache=0.0,
        ms_per_text=0.0,
        ms_per_text_range=(0.0, 0.0),
        size_bytes=0,
        peak_memory_bytes=0,
    )
    return RunResult(
        folder=Path(),
        name=MAJORITY,
        method=MAJORITY,
        labels=labels,
        rows=like.rows,
        truth=like.truth,
        predicted=predicted,
        confidence=labels.confidence(probabilities, predicted),
        metrics=metrics_as_dict(measure(like.truth, predicted, probabilities), labels),
        record=free,
        given=probabilities,
    )


def beside_majority(results: Sequence[ScoredRun], majority: RunResult | None, score: str) -> Majority | None:
    """Which runs are above the majority baseline, as far as their test rows show it; all comparisons are counted.

    Args:
        results: The runs.
        majority: The baseline; `None` where it is not known.
        score: Name of the metric that decides.
    """
    if majority is None:
        return None
    z = quantile(0.025 / len(results))
    leads = {result.name: lead_over(score, result, majority, z) for result in results}
    return Majority(
        answer=as_text(majority.labels.decode(majority.predicted[:1])[0]) or "no label",
        score=majority.figure(score).value,
        below=tuple(name for name, lead in leads.items() if lead.value <= 0),
        not_above=tuple(name for name, lead in leads.items() if lead.low <= 0),
    )


def majority_sentences(known: Majority | None, results: Sequence[ScoredRun], score: str) -> tuple[str, ...]:
    """Which methods are not shown to be above the baseline, in words; nothing where all are."""
    if known is None or not known.not_above:
        return ()
    told = [f"{one.name} ({shown(score, one.figure(score).value)})" for one in results if one.name in known.not_above]
    listed = told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
    return (f"Not shown to be above {_constant(known, score)}: {listed}.",)


def none_is_above(known: Majority | None, results: Sequence[ScoredRun], score: str, best: str) -> str | None:
    """The sentence that stands for the verdict where no method has a higher score than the baseline."""
    if known is None or len(known.below) < len(results):
        return None
    return (
        f"Ship none of these: {_constant(known, score)} needs no model, and no method has a better score "
        f"on these rows; the best of them is {best}."
    )


def _constant(known: Majority, score: str) -> str:
    """The baseline in words, with its score."""
    by_shares = split_name(score)[0] == "log_loss"
    what = (
        "giving every text the labels' shares of the training rows" if by_shares else f"always answering {known.answer}"
    )
    return f"{what} ({shown(score, known.score)} {title(score)})"
