"""Parquet files, through pyarrow, a few thousand rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trifold.data.limits import require_columns
from trifold.data.table import Table, unwritable
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
