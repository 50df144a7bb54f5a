"""Parquet files, read and written through pyarrow, a few thousand rows at a time."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from trifold.data.csv_file import as_cell
from trifold.data.limits import require_columns
from trifold.data.table import ResultTable, Row, Table, unwritable
from trifold.errors import DataError, first_line
from trifold.types import BadRow, Record

_BATCH_ROWS = 2_048
# Pages are read as they are needed: memory stays bounded however large the file's row groups are.
_STREAMED = {"pre_buffer": False, "buffer_size": 1 << 20}
# Arrow writes all digits of a time; of 12:00:00.500000+0200, "12:00:00.5+0200" is left.
_TRAILING_ZEROS = r"\.0*(Z|[+-]\d{4})?$|(\.\d*[1-9])0+(Z|[+-]\d{4})?$"


def open_parquet(path: Path) -> Table:
    """Open a Parquet file and read the names of its columns.

    Raises:
        DataError: If the file is damaged, or has no or too many columns, or two of one name.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path, **_STREAMED) as file:
            names = tuple(str(name) for name in file.schema_arrow.names)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is a damaged Parquet file ({first_line(error)}): write it again") from None
    require_columns(len(names), path)
    if len(set(names)) < len(names) or not names:
        raise DataError(f"{path} names a column twice or none: give each column a name of its own")
    return Table(path, names, "Parquet", _rows)


def _rows(table: Table) -> Iterator[Record | BadRow]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    line = 1
    try:
        with ParquetFile(table.path, **_STREAMED) as file:
            for batch in file.iter_batches(_BATCH_ROWS, use_threads=False):
                for values in zip(*map(_values, batch.columns), strict=True):
                    line += 1
                    reason = unwritable(list(values))
                    record = Record(line, dict(zip(table.columns, values, strict=True)))
                    yield BadRow(line, reason, {}) if reason else record
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{table.path} is damaged after row {line - 1} ({first_line(error)}): write it again") from None
    except (ValueError, OverflowError, KeyError) as error:
        raise DataError(
            f"{table.path} holds a value after row {line - 1} that cannot be read ({error}): "
            "keep the columns of the texts and labels"
        ) from None


def _values(column: Any) -> list[object]:
    """The values of a column as Python objects; times and durations as text, since Python's types have fewer digits."""
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_timestamp(column.type) or pa.types.is_duration(column.type):
        column = compute.replace_substring_regex(column.cast(pa.string()), _TRAILING_ZEROS, r"\2\1\3")
    values: list[object] = column.to_pylist(maps_as_pydicts="strict")
    return values


def write_parquet(path: Path, table: ResultTable, rows: Iterable[Row]) -> None:
    """Write rows with the types that their columns have.

    A column of the source that holds values of several types is text, with lists and objects as JSON.

    Args:
        path: Where to.
        table: The columns; its source is read beforehand where its values may be other than text.
        rows: Column to value.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    added = {
        name: kinds[kind] if isinstance(kind, type) else pa.list_(pa.float32(), kind.width)
        for name, kind in table.added.items()
    }
    schema = pa.schema({**types_of(table.source), **added})
    stream = iter(rows)
    with ParquetWriter(path, schema) as writer:
        while batch := list(islice(stream, _BATCH_ROWS)):
            found = [as_array([row.get(field.name) for row in batch], field.type) for field in schema]
            writer.write_batch(pa.RecordBatch.from_arrays(found, schema=schema))


def types_of(source: Table) -> dict[str, Any]:
    """The Arrow type of each column of a file, which is read for that where its values may be other than text."""
    import pyarrow as pa

    found = dict.fromkeys(source.columns, pa.null() if source.typed else pa.string())
    rows = source.rows() if source.typed else iter(())
    while batch := list(islice(rows, _BATCH_ROWS)):
        for name, known in found.items():
            found[name] = _joined(known, [row.values.get(name) for row in batch])
    return {name: pa.string() if pa.types.is_null(one) else one for name, one in found.items()}


def _joined(known: Any, values: Sequence[object]) -> Any:
    """A type that holds what a known one does and more values besides; text where no other does."""
    import pyarrow as pa

    try:
        both = [pa.schema([("", known)]), pa.schema([("", pa.array(values).type)])]
        return pa.unify_schemas(both, promote_options="permissive").field(0).type
    except (pa.ArrowException, OverflowError):
        return pa.string()


def as_array(values: Sequence[object], kind: Any) -> Any:
    """Values as an Arrow array of a type; of text, lists and objects as JSON."""
    import pyarrow as pa

    if pa.types.is_string(kind):
        values = [None if value is None else as_cell(value) for value in values]
    elif pa.types.is_floating(kind):
        values = [None if value is None else float(str(value)) for value in values]
    return pa.array(values, kind)
