"""Metrics of a trained model on labelled rows it has not seen."""

from dataclasses import dataclass, replace
from pathlib import Path

from trifold.artifact.run_record import DataRecord
from trifold.data.examples import LoadedData, adopt_labels, as_multi_label, load_examples
from trifold.data.hub import local_file, offline_data
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.settings import LabelledSettings
from trifold.errors import DataError
from trifold.events import say
from trifold.hashing import file_sha256
from trifold.inference.predict import score_texts
from trifold.inference.run import Run, load_run
from trifold.llm.settings import LlmSettings
from trifold.models.settings import ComputeSettings
from trifold.statistics.accuracy import correct_rows
from trifold.statistics.metrics import Metrics, measure
from trifold.types import BadRow


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
        answered: When unsure texts are declined; `None` where no limit was given.
        truncated: Texts that were too long to be read whole.
        bad_rows: Rows that could not be used.
    """

    metrics: Metrics
    answered: Answered | None
    truncated: int
    bad_rows: tuple[BadRow, ...]


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
    _say_where_learned(chosen, data)
    examples = loaded.examples
    truth = labels.encode(examples.labels)
    scores = score_texts(predictor, examples.texts)
    probabilities = labels.probabilities(scores.logits)
    predicted = labels.decide(probabilities)
    answered = None
    if reject_below:
        sure = labels.confidence(probabilities, predicted) >= reject_below
        right = correct_rows(truth, predicted)
        answered = Answered(float(sure.mean()), float(right[sure].mean()) if sure.any() else None)
    metrics = measure(truth, predicted, probabilities)
    return Evaluation(metrics, answered, int(scores.truncated.sum()), loaded.bad_rows)


def _say_where_learned(run: Run, data: Path) -> None:
    """Figures on the rows that a run learned from are too good, and look like any others."""
    learned_from: DataRecord | None = run.record.get("data")
    if learned_from and learned_from.get("sha256") == file_sha256(local_file(data)):
        elsewhere = " or --test-file rows" if learned_from.get("test_file") else ""
        say(
            f"note: {data} is the file that {run.folder} learned from, so these figures are too good: those on rows it "
            f"has not seen stand in {run.folder / 'metrics.json'}; give other rows{elsewhere} to measure it anew"
        )


def load_for(run: Run, data: Path, reading: LabelledSettings) -> LoadedData:
    """Read a labelled file for a run: the columns that it was trained on, with labels as it spells them.

    Raises:
        DataError: If it cannot be read, holds no usable row, or rows with several labels where the model gives one.
    """
    own, labels = RecordedColumns.recorded(run.record.as_json()), run.predictor.labels
    loaded = load_examples(data, reading, own)
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
