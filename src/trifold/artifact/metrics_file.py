"""`metrics.json` of a run folder: the shapes that it is checked against when it is read back."""

from pathlib import Path
from typing import Literal, TypedDict

from trifold.schema import Count, Facts, read_facts
from trifold.types import Label

METRICS = "metrics.json"


class IntervalFacts(TypedDict, total=False):
    """A figure with its interval."""

    value: float
    low: float
    high: float


class ClassFacts(TypedDict, total=False):
    """How well one class is found."""

    label: Label | bool
    precision: float
    recall: float
    f1: float
    support: Count


class MetricsFacts(TypedDict, total=False):
    """`metrics.json` of a classifier; what earlier versions did not write, a run may lack."""

    accuracy: IntervalFacts
    macro_f1: IntervalFacts
    micro_f1: float
    samples_f1: float
    top5_accuracy: float
    mcc: float
    log_loss: float
    roc_auc: float
    average_precision: float
    classes: list[ClassFacts]
    calibration_error: float
    rows: Count


class MajorityFacts(TypedDict, total=False):
    """The majority baseline in `run.json`: `labels`, its answer, and `label_rows`, training rows of each label."""

    labels: list[Label | bool]
    label_rows: list[Count]


class LanguageModelFacts(TypedDict, total=False):
    """`metrics.json` of a language model."""

    objective: Literal["mlm", "clm"]
    accuracy: float
    loss: float
    perplexity: float
    pseudo_perplexity: float
    bits_per_byte: float
    pseudo_bits_per_byte: float
    unknown_share: float
    exact_match: float
    exact_match_rows: Count


class SimilarityFacts(TypedDict, total=False):
    """`metrics.json` of a run of `--task similarity`."""

    rows: Count
    spearman: IntervalFacts
    pearson: IntervalFacts
    mean_absolute_error: float


def read_metrics(folder: Path, shape: type = MetricsFacts) -> Facts:
    """`metrics.json` of a run folder, of a classifier or, in another shape, of another kind of run.

    Raises:
        ArtifactError: If it is missing or damaged.
    """
    return read_facts(folder / METRICS, shape)
