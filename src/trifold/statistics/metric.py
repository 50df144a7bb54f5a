"""The metrics by which methods can be ranked: their names, and how their figures are written.

A metric's name is what `--metric` takes and `leaderboard.csv` holds: `accuracy`, or `f1:LABEL` of one label.
"""

from trifold.formatting import percent, points

# Name to what people read.
TITLES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "samples_f1": "samples-F1",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "mcc": "MCC",
    "log_loss": "log loss",
}
# Of scores, which are no labels: `--metric` does not take them.
CORRELATION_TITLES = {"spearman": "Spearman correlation", "pearson": "Pearson correlation"}
# Of one label, whose name follows after a colon.
LABEL_TITLES = {"f1": "F1", "recall": "recall", "precision": "precision"}
ALLOWED = (*TITLES, *(f"{kind}:LABEL" for kind in LABEL_TITLES))
NEED_PROBABILITIES = frozenset({"roc_auc", "average_precision", "log_loss"})
# Written as they are; all others are written as percentages.
_PLAIN = frozenset({"mcc", "log_loss", *CORRELATION_TITLES})


def split_name(score: str) -> tuple[str, str | None]:
    """The kind of a metric, and the label that it is of: `("f1", "spam")`, or `("accuracy", None)`."""
    kind, colon, label = score.partition(":")
    return kind, label if colon else None


def is_metric(score: str) -> bool:
    """Whether a name is that of a metric, whatever its label is."""
    kind, label = split_name(score)
    return kind in (TITLES if label is None else LABEL_TITLES) and label != ""


def title(score: str) -> str:
    """A metric's name as people read it: `macro-F1`, `recall of spam`."""
    kind, label = split_name(score)
    return (TITLES | CORRELATION_TITLES)[kind] if label is None else f"{LABEL_TITLES[kind]} of {label}"


def lower_is_better(score: str) -> bool:
    """Whether the lowest figure is the best one."""
    return score == "log_loss"


def shown(score: str, value: float, *, unit: bool = True) -> str:
    """A figure of a metric as people read it: `87.0 %`, and of metrics that are no shares `0.352`."""
    if score in _PLAIN:
        return f"{value:.3f}"
    return percent(value) if unit else points(value)


def is_share(score: str) -> bool:
    """Whether figures of a metric are shares, written as percentages."""
    return score not in _PLAIN
