"""Which metric decides between methods on a task."""

from collections.abc import Mapping

import numpy as np

from trifold.errors import SettingsError, nearest_name
from trifold.statistics.metric import LABEL_TITLES, split_name
from trifold.statistics.metrics import main_score
from trifold.statistics.row_influence import has_label
from trifold.tasks.labels import LabelMap
from trifold.types import Label

_MOST_NAMED = 8


def choose_metric(asked: str | None, labels: LabelMap, label_rows: Mapping[Label, int]) -> str:
    """The name of the metric that decides: what is asked for, or else the task's own.

    Args:
        asked: `--metric`; `None` where nothing is asked for.
        labels: Of the task.
        label_rows: Label to the number of rows that have it.

    Raises:
        SettingsError: If the metric is of a label that there is not, or does not apply to the task.
    """
    if asked is None:
        return main_score(list(label_rows.values()), multi_label=labels.multi_label)
    kind, label = split_name(asked)
    if label is not None and label not in labels.by_text:
        known = tuple(labels.by_text)
        like = nearest_name(label, known)
        more = f" and {len(known) - _MOST_NAMED:,} more" if len(known) > _MOST_NAMED else ""
        raise SettingsError(
            f"--metric {asked} is of a label that there is not: {f'did you mean {like}? ' if like else ''}"
            f"the labels are {', '.join(known[:_MOST_NAMED])}{more}"
        )
    if kind == "mcc" and labels.multi_label:
        raise SettingsError("--metric mcc is for rows with one label each: take micro_f1, macro_f1 or samples_f1")
    if kind == "samples_f1" and not labels.multi_label:
        raise SettingsError("--metric samples_f1 is for rows that may have several labels: take accuracy or macro_f1")
    return asked


def missing_for(score: str, labels: LabelMap, truth: np.ndarray) -> str | None:
    """What rows lack without which a metric has no value on them, as a clause; `None` where it has one.

    Args:
        score: Name of the metric.
        labels: Of the task.
        truth: Of the rows, `(rows,)` class numbers or `(rows, classes)` bool.
    """
    column = label_column(score, labels)
    if column is not None:
        return None if has_label(truth, column).any() else f"none of them has the label {split_name(score)[1]}"
    if score not in ("roc_auc", "average_precision", "mcc"):
        return None
    rows = truth.sum(axis=0) if truth.ndim == 2 else np.bincount(truth, minlength=len(labels))
    return None if ((rows > 0) & (rows < len(truth))).any() else "no label is on some of them and not on others"


def label_column(score: str, labels: LabelMap) -> int | None:
    """The class number of the label that a metric is of; `None` where it is of all of them."""
    kind, label = split_name(score)
    return labels.numbers[labels.by_text[label]] if kind in LABEL_TITLES and label is not None else None
