"""What the report says of one method: how well it finds each class, how it learned, where it errs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from trifold.evaluate.confusion import (
    MOST_MATRIX_CLASSES,
    ConfusedPair,
    count_confusions,
    depths,
    most_confused,
)
from trifold.evaluate.plot_style import as_svg
from trifold.evaluate.plots import coverage_figure, curves_figure, kept_epoch, reliability_figure
from trifold.evaluate.results import ERROR_TEXTS, WORST_ERRORS, RunResult, read_csv
from trifold.explanations.explanation import Explanation
from trifold.explanations.marks import Piece, pieces
from trifold.explanations.saved import read_explanations
from trifold.formatting import shortened
from trifold.statistics.accuracy import correct_rows
from trifold.statistics.metric import shown
from trifold.statistics.metrics import ClassMetrics, class_metrics
from trifold.train.history import HISTORY
from trifold.types import Label, labels_of

# The surest mistakes, whose words are sought; and those that stand in the page, to be filtered there.
SHOWN_ERRORS = 8
_LISTED_ERRORS = 100
_ERROR_CHARACTERS = 600
_SHOWN_PAIRS = 10
_SHOWN_CHOICES = 12
_CHOICE_CHARACTERS = 600


@dataclass(frozen=True)
class ClassRow:
    """How well one class is found.

    Attributes:
        label: Its name.
        figures: On the test rows.
        said: Rows that are predicted to have it.
    """

    label: Label
    figures: ClassMetrics
    said: int


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix.

    Attributes:
        names: Of the classes, in their order.
        counts: Rows of each true class that went to each predicted class.
        depths: How deeply each cell is coloured, from 0 to 1.
    """

    names: Sequence[Label]
    counts: Sequence[Sequence[int]]
    depths: Sequence[Sequence[float]]


@dataclass(frozen=True)
class ShownError:
    """A mistake.

    Attributes:
        row: What `errors.csv` holds of it.
        text: The text, shortened.
        true: Numbers of its true labels among the classes; a number beyond them where it has none.
        said: Numbers of the labels that were given.
        explanation: Which words decided; `None` where that was not sought.
        pieces: The text cut into words, where it was.
    """

    row: Mapping[str, str]
    text: str
    true: Sequence[int]
    said: Sequence[int]
    explanation: Explanation | None
    pieces: Sequence[Piece]


@dataclass(frozen=True)
class LabelChoice:
    """A label by which mistakes can be filtered.

    Attributes:
        number: Of its class.
        name: What is shown.
        rows: Mistakes that have it.
    """

    number: int
    name: str
    rows: int


@dataclass(frozen=True)
class MethodSection:
    """What the report shows of one method.

    Attributes:
        result: The run.
        figure: Of the metric that decides, in words.
        choices: What was chosen on validation.
        classes: How well each class is found, the worst first.
        matrix: Where each row has one label and there are few of them.
        pairs: The commonest mistakes, where each row has one label and there are many of them.
        curves: SVG, or nothing where no step was taken.
        kept_epoch: The epoch whose weights were kept, where there are curves.
        reliability: SVG.
        coverage: SVG.
        errors: The surest mistakes.
        error_choices: `true` and `said` to the labels by which these can be filtered.
        error_count: All mistakes.
        listed_errors: As many of them as `errors.csv` holds.
    """

    result: RunResult
    figure: str
    choices: Mapping[str, str]
    classes: Sequence[ClassRow]
    matrix: Matrix | None
    pairs: Sequence[ConfusedPair]
    curves: str
    kept_epoch: float | None
    reliability: str
    coverage: str
    errors: Sequence[ShownError]
    error_choices: Mapping[str, Sequence[LabelChoice]]
    error_count: int
    listed_errors: int


def describe_method(result: RunResult) -> MethodSection:
    """Read a run folder's files and draw its figures."""
    name, labels, score = result.name, result.labels, result.record.score_name
    history = list(read_csv(result.folder / HISTORY)) if (result.folder / HISTORY).exists() else []
    right = correct_rows(result.truth, result.predicted)
    errors, error_choices = _errors(result)
    single, few = not labels.multi_label, len(labels) <= MOST_MATRIX_CLASSES
    return MethodSection(
        result=result,
        figure=shown(score, result.figure(score).value),
        choices={name.replace("_", " "): _in_words(value) for name, value in result.record.choices.items()},
        classes=describe_classes(result),
        matrix=_matrix(result) if single and few else None,
        pairs=most_confused(result.truth, result.predicted, labels, _SHOWN_PAIRS) if single and not few else (),
        curves=as_svg(curves_figure(history), f"{name}: loss over the epochs") if history else "",
        kept_epoch=kept_epoch(history) if history else None,
        reliability=as_svg(
            reliability_figure(right, result.confidence), f"{name}: how often it is right by confidence"
        ),
        coverage=as_svg(coverage_figure(right, result.confidence), f"{name}: accuracy by the share of texts answered"),
        errors=errors,
        error_choices=error_choices,
        error_count=int((~right).sum()),
        listed_errors=min(WORST_ERRORS, int((~right).sum())),
    )


def describe_classes(result: RunResult) -> list[ClassRow]:
    """How well each class is found that a test row has or is predicted to have, the lowest F1 first."""
    classes, predicted = len(result.labels), result.predicted
    said = predicted.sum(axis=0) if predicted.ndim == 2 else np.bincount(predicted, minlength=classes)
    figures = class_metrics(result.truth, predicted, classes)
    rows = [ClassRow(*known) for known in zip(result.labels.names, figures, said.tolist(), strict=True)]
    there = [row for row in rows if row.said or row.figures.support]
    return sorted(there, key=lambda row: (row.figures.f1, -row.figures.support))


def _errors(result: RunResult) -> tuple[list[ShownError], dict[str, list[LabelChoice]]]:
    """The surest mistakes, the first of them with their words, and the labels by which they are told apart."""
    explained = read_explanations(result.folder)
    places = {label: place for place, label in enumerate((*result.labels.names, None))}
    shown = []
    for row in islice(read_csv(result.folder / "errors.csv"), _LISTED_ERRORS):
        saved = explained.get(int(row["row"]))
        found = saved.explanation(row["text"]) if saved else None
        text = "\n".join(_cut(row[name]) for name in ERROR_TEXTS if name in row)
        marked = pieces(found, _ERROR_CHARACTERS) if found else ()
        true, said = ([places[one] for one in _labels(result, row[column])] for column in ("label", "prediction"))
        shown.append(ShownError(row, text, true, said, found, marked))
    names = list(places)
    return shown, {
        "true": _choices(names, [one.true for one in shown]),
        "said": _choices(names, [one.said for one in shown]),
    }


def _choices(names: Sequence[Label | None], mistakes: Sequence[Sequence[int]]) -> list[LabelChoice]:
    """The labels that some of the mistakes have, in class order."""
    counts = Counter(place for places in mistakes for place in places)
    return [
        LabelChoice(place, "no label" if names[place] is None else str(names[place]), rows)
        for place, rows in sorted(counts.items())
    ]


def _labels(result: RunResult, cell: str) -> Sequence[Label | None]:
    """The labels in a cell of `errors.csv`; `None` alone where there is none."""
    return labels_of(result.labels.parse(cell)) or (None,)


def _matrix(result: RunResult) -> Matrix:
    counts = count_confusions(result.truth, result.predicted, len(result.labels))
    return Matrix(result.labels.names, counts.tolist(), depths(counts).round(3).tolist())


def _in_words(value: object) -> str:
    if isinstance(value, dict):
        shown = [f"{name} {_in_words(item)}" for name, item in list(value.items())[:_SHOWN_CHOICES]]
        more = [f"and {len(value) - _SHOWN_CHOICES:,} more"] if len(value) > _SHOWN_CHOICES else []
        return ", ".join([*shown, *more])
    if isinstance(value, list | tuple):
        return shortened(", ".join(map(str, value)), _CHOICE_CHARACTERS)
    return f"{value:.4g}" if isinstance(value, float) else shortened(str(value), _CHOICE_CHARACTERS)


def _cut(text: str) -> str:
    return text if len(text) <= _ERROR_CHARACTERS else text[:_ERROR_CHARACTERS].rsplit(" ", 1)[0] + " …"
