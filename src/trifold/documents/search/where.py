"""Which documents meet a condition: the tests of its tree, computed by Arrow on whole columns."""

from collections.abc import Callable, Sequence
from typing import Any

from trifold.documents.search.conditions import Condition, Test, Value
from trifold.errors import SettingsError, did_you_mean

# Text that is a number, to be compared with one.
_NUMBER = r"^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$"
# From the name of a column to its values, an Arrow array.
ColumnReader = Callable[[str], Any]


def matching(condition: Condition, read: ColumnReader, columns: Sequence[str]) -> Any:
    """Which rows meet a condition, an Arrow array of booleans without nulls; a missing value meets no test but `null`.

    Args:
        condition: As `parse_condition` returns it.
        read: Reads a column.
        columns: Names of all that there are.

    Raises:
        SettingsError: If there is no such column, or its values cannot be compared so.
    """
    from pyarrow import compute

    if isinstance(condition, Test):
        if condition.column not in columns:
            guess = did_you_mean(condition.column, columns)
            shown = ", ".join(map(repr, columns[:20]))
            raise SettingsError(f"--where names a column {condition.column!r}{guess}: the documents have {shown}")
        return compute.fill_null(_test(condition, read(condition.column)), fill_value=False)
    parts = [matching(part, read, columns) for part in condition.parts]
    if condition.kind == "not":
        return compute.invert(parts[0])
    found = parts[0]
    for part in parts[1:]:
        found = (compute.and_ if condition.kind == "and" else compute.or_)(found, part)
    return found


def _test(test: Test, column: Any) -> Any:
    from pyarrow import compute

    if test.kind == "null":
        empty = compute.is_null(column)
        # A cell of a CSV that holds nothing.
        return compute.or_kleene(empty, compute.equal(column, "")) if _is_text(column.type) else empty
    if test.kind == "contains":
        return compute.match_substring(_as_text(test, column), str(test.values[0]), ignore_case=True)
    found = None
    for value in test.values:
        one = _compared(test, column, value)
        found = one if found is None else compute.or_kleene(found, one)
    return found


def _compared(test: Test, column: Any, value: Value) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    kind = column.type
    if isinstance(value, bool):
        if _is_text(kind):
            column, value = compute.utf8_lower(column), str(value).lower()
        elif not pa.types.is_boolean(kind):
            raise _incomparable(test, kind, value)
    elif isinstance(value, int | float):
        if _is_text(kind):
            column = compute.if_else(compute.match_substring_regex(column, _NUMBER), column, None)
            column, value = compute.cast(compute.utf8_trim_whitespace(column), pa.float64()), float(value)
        elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
            raise _incomparable(test, kind, value)
        elif isinstance(value, float) or not -(1 << 63) <= value < 1 << 63:
            column, value = compute.cast(column, pa.float64()), float(value)
    elif not _is_text(kind):
        column = _as_text(test, column)
    compare = getattr(compute, "equal" if test.kind == "in" else test.kind)
    return compare(column, pa.scalar(value))


def _as_text(test: Test, column: Any) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    kind = column.type
    if _is_text(kind):
        return column
    if pa.types.is_temporal(kind):
        return compute.cast(column, pa.string())
    raise _incomparable(test, kind, str(test.values[0]))


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _incomparable(test: Test, kind: Any, value: Value) -> SettingsError:
    what = f"the text {value!r}" if isinstance(value, str) else str(value).lower()
    return SettingsError(
        f"--where compares {test.column!r}, whose values are {kind}, with {what}: numbers stand without quotes, "
        "texts in single quotes"
    )
