"""The majority baseline: what is reached by giving every text the same answer, which costs nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trifold.evaluate.results import RunResult, ScoredRun, lead_over, metrics_as_dict, score_runs
from trifold.evaluate.verdict_sentences import listed
from trifold.evaluate.weighing import more_rows
from trifold.statistics.intervals import Interval
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
        leads: How far each of `not_above` is ahead of it, all comparisons counted.
        rows_to_tell: Further test rows that would show each of `not_above` with a higher score to be above it, where so
            many could be labelled.
    """

    answer: str
    score: float
    below: tuple[str, ...]
    not_above: tuple[str, ...]
    leads: Mapping[str, Interval]
    rows_to_tell: Mapping[str, int]


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
        leads={name: lead for name, lead in leads.items() if lead.low <= 0},
        rows_to_tell={
            result.name: more
            for result in results
            if leads[result.name].low <= 0 < leads[result.name].value
            and (more := _rows_to_tell(result, majority, score, leads[result.name].value, z))
        },
    )


def _rows_to_tell(result: ScoredRun, majority: RunResult, score: str, lead: float, z: float) -> int | None:
    error = float(score_runs([result, majority], score).lead_standard_errors()[0, 1])
    return more_rows(lead, error, z, len(result.rows))


def majority_sentences(
    known: Majority | None, results: Sequence[ScoredRun], score: str, *, but: str | None = None
) -> tuple[str, ...]:
    """Which methods are below the baseline, or not shown to be above it, in words; nothing where all are above.

    Args:
        known: The baseline beside the methods.
        results: The methods.
        score: Name of the metric that decides.
        but: A method of which it was said already.
    """
    if known is None:
        return ()
    constant = _constant(known, score)
    told: dict[str, list[str]] = {
        f"Shown to be below {constant}": [],
        f"Below {constant} on these rows": [],
        f"Not shown to be above {constant}": [],
    }
    shown_below, below, open_ = told.values()
    for one in results:
        if one.name in known.leads and one.name != but:
            lead = known.leads[one.name]
            group = shown_below if lead.high < 0 else below if lead.value < 0 else open_
            group.append(f"{one.name} ({shown(score, one.figure(score).value)})")
    return tuple(f"{what}: {listed(names)}." for what, names in told.items() if names)


def not_above_majority(result: RunResult) -> str | None:
    """The sentence on a run by itself that is below the baseline, or not shown to be above it; `None` of others."""
    score = result.record.score_name
    known = beside_majority([result], majority_run(result), score)
    return next(iter(majority_sentences(known, [result], score)), None)


def doubt(known: Majority | None, score: str, ship: str) -> str | None:
    """What comes before all else of a method to ship that is not shown to be above the baseline; `None` of others."""
    if known is None or ship not in known.leads:
        return None
    more = known.rows_to_tell.get(ship)
    tell = f"about {more:,} more test rows" if more else "no practical number of test rows"
    said = f"Ship {ship}, as a best guess: it is not shown to be better than {_constant(known, score)}"
    if known.leads[ship].value < 0:
        return f"{said}, and below that on these rows."
    return f"{said}; {tell} would tell{' (--test-file)' if more else ''}."


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
