"""Parquet files, through DuckDB, a few thousand rows at a time."""

import glob
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trifold.data.limits import require_columns
from trifold.data.table import Table, unwritable
from trifold.errors import DataError, first_line
from trifold.types import BadRow, Record

_BATCH_ROWS = 2_048
# Without the option, a folder named like `year=2024` would add a column; unescaped, `[1]` in a name is a pattern.
_FROM = "FROM read_parquet(?, hive_partitioning=false)"
# DuckDB would fetch extensions from its server.
_OFFLINE = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
# To become Python's own these need a library for time zones, or hold dates that Python lacks.
_AS_TEXT = ("TIMESTAMP", "INTERVAL")


def open_parquet(path: Path) -> Table:
    """Read the names of the columns.

    Raises:
        DataError: If the file is damaged, or has no or too many columns, or two of one name.
    """
    import duckdb

    pattern = [glob.escape(str(path))]
    try:
        with duckdb.connect(config=_OFFLINE) as connection:
            schema = connection.execute("SELECT name, num_children FROM parquet_schema(?)", pattern).fetchall()
            names = _top_level(schema)
            require_columns(len(names), path)
            described = connection.execute(f"SELECT * {_FROM} LIMIT 0", pattern).description or []
    except duckdb.Error as error:
        raise DataError(f"{path} is a damaged Parquet file ({first_line(error)}): write it again") from None
    if len(set(names)) < len(names) or len(names) != len(described):
        raise DataError(f"{path} names a column twice or none: give each column a name of its own")
    chosen = ", ".join(_expression(column[0], str(column[1])) for column in described)

    def rows(table: Table) -> Iterator[Record | BadRow]:
        return _rows(table, f"SELECT {chosen} {_FROM}")

    return Table(path, tuple(names), "Parquet", rows)


def _top_level(schema: list[tuple[str, int | None]]) -> list[str]:
    """Names of the columns in Parquet's schema, a tree in depth-first order below a root."""
    names: list[str] = []
    inside = 0
    for name, children in schema[1:]:
        if inside == 0:
            names.append(name)
        else:
            inside -= 1
        inside += children or 0
    return names


def _expression(name: str, kind: str) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    return f"CAST({quoted} AS VARCHAR)" if kind.startswith(_AS_TEXT) else quoted


def _rows(table: Table, query: str) -> Iterator[Record | BadRow]:
    import duckdb

    line = 1
    with duckdb.connect(config=_OFFLINE) as connection:
        try:
            cursor: Any = connection.execute(query, [glob.escape(str(table.path))])
            while batch := cursor.fetchmany(_BATCH_ROWS):
                for values in batch:
                    line += 1
                    record = dict(zip(table.columns, values, strict=True))
                    reason = unwritable(list(values))
                    yield BadRow(line, reason, {}) if reason else Record(line, record)
        except duckdb.Error as error:
            raise DataError(
                f"{table.path} is damaged after row {line - 1} ({first_line(error)}): write it again"
            ) from None
        except (ValueError, OverflowError, ImportError) as error:
            raise DataError(
                f"{table.path} holds a value after row {line - 1} that cannot be read ({error}): "
                "keep the columns of the texts and labels"
            ) from None
