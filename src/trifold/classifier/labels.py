"""Texts and labels as scikit-learn's users hand them over, and labels handed back in the form that they had."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trifold.data.in_memory import column_names, targets_of, texts_or_pairs_of
from trifold.errors import DataError
from trifold.tasks.labels import LabelMap
from trifold.types import Examples, Label, Target, Text, parts_of


@dataclass(frozen=True)
class LabelForm:
    """The form in which labels were given, and in which predictions come back.

    Attributes:
        kind: NumPy's type, or its name, of one label a row; `None` where that follows from the labels.
        columns: Of an indicator matrix, the label of each column; `None` where labels were given themselves.
    """

    kind: Any = None
    columns: tuple[Label, ...] | None = None

    def classes(self, labels: LabelMap) -> np.ndarray:
        """The labels in the order of the columns of probabilities, in the type in which they were given."""
        names = list(labels.names) if self.columns is None else list(self.columns)
        several = len({type(name) for name in names}) > 1
        try:
            found = np.array(names, dtype=object if several else self.kind)
        except (TypeError, ValueError, OverflowError):
            found = np.array(names)
        return found if found.tolist() == names else np.array(names)

    def spread(self, values: np.ndarray, labels: LabelMap) -> np.ndarray:
        """Values of each label that the model knows as those of every class; 0 where no row had the label."""
        if self.columns is None or self.columns == labels.names:
            return values
        found = np.zeros((len(values), len(self.columns)), dtype=values.dtype)
        found[:, [self.columns.index(name) for name in labels.names]] = values
        return found


def feature_names(texts: Any) -> np.ndarray | None:
    """The names of the columns of texts, as scikit-learn keeps them; `None` where there are none that are strings."""
    names = column_names(texts)
    return np.array(names, dtype=object) if names and all(isinstance(name, str) for name in names) else None


def require_form(given: Any, texts: Sequence[Text], fitted: np.ndarray | None, columns: int) -> None:
    """Refuse texts that come in another form than those of `fit`.

    Args:
        given: As the user has them.
        texts: As they were read.
        fitted: Names of the columns that `fit` was given; `None` where it was given no table.
        columns: 2 where `fit` was given pairs of texts, 1 where it was given single ones.

    Raises:
        DataError: If they do.
    """
    if texts and len(parts_of(texts[0])) != columns:
        kinds = {1: "single texts", 2: "pairs of texts"}
        raise DataError(f"fit was given {kinds[columns]}, and these are {kinds[3 - columns]}: give the same kind")
    names = feature_names(given)
    if names is not None and fitted is not None and list(names) != list(fitted):
        found, known = (" and ".join(map(repr, some)) for some in (names, fitted))
        raise DataError(f"the texts come in the column {found}, and fit had {known}: rename it")


def as_examples(texts: Any, labels: Any, columns: Sequence[Label] | None = None) -> tuple[Examples, LabelForm]:
    """Texts with their labels as rows, and the form of the labels.

    Args:
        texts: As `texts_or_pairs_of` takes them.
        labels: As `targets_of` takes them, or an indicator matrix: `(rows, labels)` of 0 and 1, in lists, of NumPy or
            SciPy, or a table whose columns are called like the labels.
        columns: What the columns of a matrix without names stand for; their numbers where `None`.

    Raises:
        DataError: If the two differ in length, a text is empty, or a label is missing.
    """
    kept = texts_or_pairs_of(texts)
    labels = list(labels) if isinstance(labels, Iterator) else labels
    matrix = _indicator(labels, columns)
    if matrix is None:
        targets, kind = targets_of(labels)
        _require_other_texts(kept, targets)
        form = LabelForm(kind)
    else:
        names = _names(labels, matrix.shape[1], columns)
        targets, _ = targets_of([tuple(names[number] for number in np.flatnonzero(row)) for row in matrix])
        form = LabelForm(None, names)
    if len(kept) != len(targets):
        raise DataError(f"there are {len(kept)} texts and {len(targets)} labels: give one label per text")
    return Examples(tuple(range(len(kept))), tuple(kept), targets), form


def _require_other_texts(texts: Sequence[Text], labels: Sequence[Target]) -> None:
    """Refuse pairs of which one text is the label, as a table of a column of texts and one of labels gives them."""
    parts = [parts_of(text) for text in texts]
    if len(parts) == len(labels) and any(list(side) == list(labels) for side in zip(*parts, strict=True)):
        raise DataError(
            "two columns are read as pairs of texts, and one of them is the labels: give the column of texts alone, "
            "such as frame['text']"
        )


def _indicator(labels: Any, columns: Sequence[Label] | None) -> np.ndarray | None:
    """An indicator matrix as `(rows, labels)`; `None` for labels in any other form."""
    dense = labels.toarray() if hasattr(labels, "toarray") else labels
    if not hasattr(dense, "__array__"):
        return _nested_indicator(dense, columns)
    matrix = np.asarray(dense)
    if matrix.ndim != 2 or matrix.shape[1] < 2:
        return _nested_indicator(matrix.ravel(), columns)
    if matrix.dtype.kind not in "biufO" or not np.isin(matrix, (0, 1)).all():
        named = ", ".join(map(repr, column_names(labels) or [])) or f"{matrix.shape[1]} columns"
        raise DataError(
            f"the labels come in several columns ({named}) of other values than 0 and 1: give one column of labels, or "
            "an indicator matrix"
        )
    return matrix.astype(bool)


def _nested_indicator(rows: Any, columns: Sequence[Label] | None) -> np.ndarray | None:
    """An indicator matrix whose rows are lists of 0 and 1; `None` for labels in any other form.

    Raises:
        DataError: If the rows may as well be the labels 0 and 1 themselves, and `columns` does not tell.
    """
    if not isinstance(rows, Sequence | np.ndarray) or not all(isinstance(row, list | tuple) for row in rows):
        return None
    widths = {len(row) for row in rows}
    if len(widths) != 1 or min(widths) < 2:
        return None
    if not all(isinstance(one, int | np.integer | np.bool_) and one in (0, 1) for row in rows for one in row):
        return None
    # Labels are listed once each, so a row that repeats one is no list of labels.
    if columns is None and all(len(set(row)) == len(row) for row in rows):
        raise DataError(
            "every row of the labels lists 0 and 1, which may be an indicator matrix or the labels themselves: "
            "give a matrix as np.array(y), or each row's labels as a set"
        )
    return np.array(list(rows), dtype=bool)


def _names(labels: Any, count: int, columns: Sequence[Label] | None) -> tuple[Label, ...]:
    named = column_names(labels)
    # One column may hold a list a row.
    if named is None or len(named) != count:
        named = list(columns) if columns is not None and len(columns) == count else None
    names = [name.item() if isinstance(name, np.generic) else name for name in named or range(count)]
    if len(set(names)) < count:
        raise DataError("two columns of the indicator matrix have one name: give each label its own")
    return tuple(names)
