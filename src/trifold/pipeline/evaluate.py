"""Metrics of a trained model on labelled rows it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trifold.artifact.data_record import DataRecord
from trifold.artifact.learned_texts import read_learned_texts, text_hashes
from trifold.artifact.metrics_file import METRICS
from trifold.artifact.run_record import TestedRecord
from trifold.data.examples import LoadedData, adopt_labels, as_multi_label, load_examples
from trifold.data.hub import local_file, offline_data
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.settings import LabelledSettings
from trifold.errors import DataError
from trifold.events import say
from trifold.formatting import counted
from trifold.hashing import file_sha256
from trifold.inference.predict import score_texts
from trifold.inference.run import Run, load_run
from trifold.llm.settings import LlmSettings
from trifold.methods.catalogue import method_entry
from trifold.models.settings import ComputeSettings
from trifold.statistics.accuracy import correct_rows
from trifold.statistics.metrics import Metrics, measure
from trifold.tasks.labels import LabelMap
from trifold.types import BadRow, Text


@dataclass(frozen=True)
class Answered:
    """What declining the unsure texts costs and brings.

    Attributes:
        share: Share of the texts that are still answered.
        accuracy: On those; `None` where none is.
    """

    share: float
    accuracy: float | None


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes:
        metrics: On the usable rows.
        labels: Of the model, in class order.
        answered: When unsure texts are declined; `None` where no limit was given.
        truncated: Texts that were too long to be read whole.
        bad_rows: Rows that could not be used.
        learned_from: Rows whose text the run has learned from; `None` where it does not say from which.
        others: Metrics on the other rows, where there are some of both.
        exportable: Whether the run can be written as a graph.
    """

    metrics: Metrics
    labels: LabelMap
    answered: Answered | None
    truncated: int
    bad_rows: tuple[BadRow, ...]
    learned_from: int | None = None
    others: Metrics | None = None
    exportable: bool = False


def evaluate(
    run: Path,
    data: Path,
    reading: LabelledSettings,
    compute: ComputeSettings,
    reject_below: float = 0.0,
    llm: LlmSettings | None = None,
) -> Evaluation:
    """Score a labelled file with a run.

    Raises:
        TrifoldError: If the run or the data cannot be used, or a label is unknown to the model.
    """
    chosen = load_run(run, compute, llm)
    predictor, labels = chosen.predictor, chosen.predictor.labels
    with offline_data(compute.offline):
        loaded = load_for(chosen, data, reading)
    examples = loaded.examples
    known = known_texts(chosen.folder, chosen.record, data, examples.texts)
    truth = labels.encode(examples.labels)
    scores = score_texts(predictor, examples.texts)
    probabilities = labels.probabilities(scores.logits)
    predicted = labels.decide(probabilities)
    answered = None
    if reject_below:
        sure = labels.confidence(probabilities, predicted) >= reject_below
        right = correct_rows(truth, predicted)
        answered = Answered(float(sure.mean()), float(right[sure].mean()) if sure.any() else None)
    metrics, others = measure(truth, predicted, probabilities), None
    if known is not None and 0 < known.sum() < len(known):
        others = measure(truth[~known], predicted[~known], probabilities[~known])
    count = None if known is None else int(known.sum())
    truncated = int(scores.truncated.sum())
    return Evaluation(metrics, labels, answered, truncated, loaded.bad_rows, count, others, _is_exportable(chosen))


def _is_exportable(run: Run) -> bool:
    """Whether `export` takes a run; only one that reads pairs is asked itself, which costs time."""
    network = method_entry(run.record.method).needs_backbone and not run.record.exported
    return bool(network and (not run.reads_pairs or run.predictor.exportable()))


def known_texts(folder: Path, record: TestedRecord, data: Path, texts: Sequence[Text]) -> np.ndarray | None:
    """Which texts the run has learned from, `(texts,)` bool, and say so: figures on them are too good.

    `None` where the run does not say from which; then only its whole data file is told.
    """
    learned = read_learned_texts(folder)
    if learned is None:
        _say_where_learned(folder, record, data)
        return None
    known = np.isin(text_hashes(texts), learned)
    rows, count = counted(len(known), "row"), int(known.sum())
    if count == len(known):
        say(
            f"note: {folder} has learned from all of these {rows}, so these figures are too good: those on rows it "
            f"has not seen stand in {folder / METRICS}; give other rows to measure it anew"
        )
    elif count:
        say(
            f"note: {folder} has learned from {count:,} of these {rows}, so the figures on all rows are too good; "
            f"those on the other {len(known) - count:,} stand beside them"
        )
    return known


def _say_where_learned(folder: Path, record: TestedRecord, data: Path) -> None:
    """Figures on the rows that a run learned from are too good, and look like any others."""
    learned_from: DataRecord | None = record.get("data")
    if learned_from and learned_from.get("sha256") == file_sha256(local_file(data)):
        elsewhere = " or --test-file rows" if learned_from.get("test_file") else ""
        say(
            f"note: {data} is the file that {folder} learned from, so these figures are too good: those on rows it "
            f"has not seen stand in {folder / METRICS}; give other rows{elsewhere} to measure it anew"
        )


def load_for(run: Run, data: Path, reading: LabelledSettings) -> LoadedData:
    """Read a labelled file for a run: the columns that it was trained on, with labels as it spells them.

    Raises:
        DataError: If it cannot be read, holds no usable row, or rows with several labels where the model gives one.
    """
    own, labels = RecordedColumns.recorded(run.record.as_json()), run.predictor.labels
    loaded = load_examples(data, reading, own)
    if loaded.note:
        say(f"note: {loaded.note}")
    examples = loaded.examples
    if not len(examples):
        raise DataError(f"{data} has no usable row: give rows with a text and a label")
    if labels.multi_label:
        examples = as_multi_label(examples)
    elif examples.multi_label:
        raise DataError(
            f'{data} has rows with several labels, and the model gives one: is "|" part of their names? '
            'Then give --label-separator ""'
        )
    merge = own.settle(reading).merge_labels
    return replace(loaded, examples=adopt_labels(examples, labels.names, merge=merge))
