"""Texts, pairs of texts and labels as a Python program holds them: lists, arrays, tables; all else is refused."""

import math
from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np

from trifold.data.columns import unusable_text
from trifold.errors import DataError
from trifold.types import Label, Target, Text, TextPair

_SHOWN = 60
_SHOWN_COLUMNS = 12
_PARTS = ("first", "second")


def texts_of(given: Any) -> list[str]:
    """The texts in a list, a tuple, an iterator, a NumPy or Arrow array, a Series, or a table of one column.

    Raises:
        DataError: If the container has another shape or no order, or an item cannot be used as a text.
    """
    return [_string(text, f"text number {number}") for number, text in enumerate(_values(given, "texts", "text"))]


def texts_or_pairs_of(given: Any) -> list[Text]:
    """Single texts as for `texts_of`; or pairs of texts, as tuples of two, an array or a table of two columns.

    Raises:
        DataError: As `texts_of`; also if some are pairs and some are not, or one of two columns holds no text.
    """
    rows = _two_columns(given) or _values(given, "texts", "text")
    found = [_text(one, f"text number {number}") for number, one in enumerate(rows)]
    if len({type(text) for text in found}) > 1:
        raise DataError("some of the texts are pairs and some are not: give one kind")
    return found


def _text(given: object, name: str) -> Text:
    """A text, or a pair of texts, that can be used."""
    if isinstance(given, TextPair):
        given = (given.first, given.second)
    if isinstance(given, list | tuple) and len(given) == 2:
        first, second = (
            _string(part, f"the {which} part of {name}") for which, part in zip(_PARTS, given, strict=True)
        )
        return TextPair(first, second)
    return _string(given, name)


def _string(text: object, name: str) -> str:
    if not isinstance(text, str):
        way_out = "decode it first" if isinstance(text, bytes) else "every text must be a string"
        raise DataError(f"{name} is {_shown(text)}: {way_out}")
    reason = unusable_text(text)
    if reason:
        raise DataError(f"{name} is {_shown(text)} ({reason}): give at least one word")
    if not _can_be_written(text):
        raise DataError(f"{name} holds half a character (a lone surrogate): correct it or leave it out")
    return str(text)


def targets_of(given: Any) -> tuple[tuple[Target, ...], np.dtype[Any] | None]:
    """The label, or the labels, of each row.

    Args:
        given: One label a row, of strings, of integers or of booleans; or a list, tuple or set of them a row, which
            makes the task multi-label. In any container that `texts_of` takes.

    Returns:
        The targets as plain Python values, and the NumPy type of `given` if it has one label a row; `None` for strings,
        whose NumPy type depends on their length.

    Raises:
        DataError: If they have another shape, or are of several types.
    """
    rows = _values(given, "labels", "label")
    _require_present(rows)
    if any(isinstance(row, list | tuple | Set) for row in rows):
        targets: tuple[Target, ...] = tuple(
            tuple(dict.fromkeys(_label(one, number) for one in row))
            if isinstance(row, list | tuple | Set)
            else (_label(row, number),)
            for number, row in enumerate(rows)
        )
        _require_one_type([label for row in targets if isinstance(row, tuple) for label in row])
        return targets, None
    labels = tuple(_label(row, number) for number, row in enumerate(rows))
    _require_one_type(labels)
    kind = np.asarray(given).dtype if hasattr(given, "__array__") else None
    return labels, kind if kind is not None and kind.kind in "iubO" else None


def column_names(given: Any) -> list[Any] | None:
    """The names of a table's columns, be it of pandas, Polars or Arrow; `None` for anything else."""
    # What Arrow calls `columns` are the columns themselves.
    names = getattr(given, "column_names", None) or getattr(given, "columns", None)
    return None if names is None or not hasattr(given, "__getitem__") else list(names)


def _two_columns(given: Any) -> list[tuple[Any, ...]] | None:
    """The rows of a table or an array of two columns; `None` for anything else."""
    names = column_names(given)
    if names is not None and len(names) == 2:
        columns = {name: _values(given[name], "texts", "text") for name in names}
        _require_texts(columns, "frame[{!r}]")
        return list(zip(*columns.values(), strict=True))
    array: np.ndarray = np.asarray(given) if names is None and hasattr(given, "__array__") else np.zeros(0)
    if array.ndim != 2 or array.shape[1] != 2:
        return None
    _require_texts(dict(enumerate(array.T.tolist())), "array[:, {!r}]")
    return list(map(tuple, array))


def _require_texts(columns: Mapping[Any, list[Any]], spelt: str) -> None:
    """Refuse a table of two columns one of which holds labels, say, and no text at all.

    Args:
        columns: Name or number to values.
        spelt: How one column is taken in Python, with `{!r}` for its name.
    """
    others = [name for name, values in columns.items() if values and not any(isinstance(one, str) for one in values)]
    if len(others) == 1:
        texts = spelt.format(next(name for name in columns if name not in others))
        raise DataError(
            f"two columns ({', '.join(map(repr, columns))}) are read as pairs of texts, and {others[0]!r} holds no "
            f"text: for single texts give one column, such as {texts}, and labels by themselves"
        )


def _values(given: Any, what: str, one: str) -> list[Any]:
    """The items of a container of one dimension, or of a table's only column."""
    way_out = f"give a list of {what}, or one column of a table, such as frame[{one!r}]"
    columns = column_names(given)
    if columns is not None and len(columns) != 1:
        named = ", ".join(map(repr, columns[:_SHOWN_COLUMNS])) or "none"
        raise DataError(f"the {what} come in a table of {len(columns)} columns ({named}): {way_out}")
    if columns is not None:
        given = given[columns[0]]
    if isinstance(given, str | bytes):
        raise DataError(f"one string was given where a list of {what} is expected: put it into a list")
    if isinstance(given, Mapping) or not (isinstance(given, Iterable) or hasattr(given, "__array__")):
        raise DataError(f"a {type(given).__name__} was given where a list of {what} is expected: {way_out}")
    if isinstance(given, Set):
        raise DataError(f"the {what} come in a {type(given).__name__}, which has no order: {way_out}")
    if not hasattr(given, "__array__"):
        return list(given)
    array = np.asarray(given)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"the {what} come in the shape {array.shape}, one row for each is wanted: {way_out}")
    return list(array)


def _require_present(rows: Iterable[object]) -> None:
    # Before anything else: one NaN in a column of pandas turns its whole numbers into fractions.
    for number, row in enumerate(rows):
        for given in row if isinstance(row, list | tuple | Set) else (row,):
            if given is None or (isinstance(given, float | np.floating) and math.isnan(given)):
                raise DataError(
                    f"label number {number} is missing ({_shown(given)}): leave the row out, or give it a label"
                )


def _label(given: object, number: int) -> Label:
    # NumPy's own scalars become Python's, so that labels are saved and compared as what they look like.
    label = given.item() if isinstance(given, np.generic) else given
    if not isinstance(label, str | int):
        raise DataError(
            f"label number {number} is {_shown(given)}, neither a string nor an integer nor a boolean: convert the "
            "labels first"
        )
    if isinstance(label, int) and abs(label) >= 1 << 63:
        raise DataError(
            f"label number {number} is {_shown(given)}, a whole number of more than 64 bits: make it a string"
        )
    if isinstance(label, str) and not _can_be_written(label):
        raise DataError(f"label number {number} holds half a character (a lone surrogate): correct it")
    return label


def _require_one_type(labels: Iterable[Label]) -> None:
    kinds = sorted({type(label).__name__ for label in labels})
    if len(kinds) > 1:
        raise DataError(f"the labels are of several types ({', '.join(kinds)}): make them all strings, or all integers")


def _can_be_written(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    words = repr(value)
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}…"
