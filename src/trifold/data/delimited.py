"""Delimited text (CSV, TSV and the like) as a table."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from io import TextIOWrapper
from itertools import islice
from pathlib import Path

from trifold.data.csv_records import RawRecord, bounded_lines, fitted, split_records
from trifold.data.dialect import Dialect, find_dialect
from trifold.data.header import find_header
from trifold.data.source import open_source
from trifold.data.table import Table
from trifold.errors import DataError
from trifold.types import BadRow, Record

# Rows by which it is told whether the first one names the columns.
_SAMPLE_RECORDS = 200


def open_delimited(
    path: Path, encoding: str | None, columns: int, header: bool | None = None, known: Collection[str] = ()
) -> Table:
    """Open a delimited text file: find its dialect and the names of its columns.

    Args:
        path: The file.
        encoding: A Python codec name; found out if `None`.
        columns: As in `find_dialect`.
        header: Whether the first row names the columns; found out if `None`.
        known: Names of columns that are asked for.

    Raises:
        DataError: If the file is empty or binary, or its first line cannot be a header.
    """
    dialect = find_dialect(path, encoding, columns, header, known)
    with _records(path, dialect) as records:
        sample = list(islice(records, _SAMPLE_RECORDS))
    headless = header is False or not dialect.quoted
    whole = [record for record in sample if isinstance(record, RawRecord)]
    first = next(iter(whole if headless else sample), None)
    if not isinstance(first, RawRecord) or (_damage(first.fields) and not headless):
        raise DataError(f"the header line of {path} cannot be read: its first line must name the columns")
    width = len(first.fields)
    others = [record.fields for record in whole if record is not first and len(record.fields) == width]
    found = find_header(path, first.fields, others, header, known, lines=not dialect.quoted)
    described = dialect.describe(header=found.named)
    rows = partial(_rows, dialect=dialect, header=first if found.named else None)
    return Table(path, found.names, described, rows, found.note, typed=False)


@contextmanager
def _records(path: Path, dialect: Dialect) -> Iterator[Iterator[RawRecord | BadRow]]:
    """Open the file and give its records, the header first."""
    wide = dialect.encoding.startswith(("utf-16", "utf-32"))
    errors = "replace" if wide else "surrogateescape"
    with open_source(path) as file, TextIOWrapper(file, dialect.encoding, errors, newline="") as text:
        lines = islice(bounded_lines(text), dialect.lines_above, None)
        yield _decoded(split_records(lines, dialect.python(), dialect.lines_above + 1), path, dialect.encoding)


def _rows(table: Table, dialect: Dialect, header: RawRecord | None) -> Iterator[Record | BadRow]:
    names = header.fields if header else list(table.columns)
    with _records(table.path, dialect) as records:
        for record in records:
            if header and record.line <= header.line:
                continue
            if isinstance(record, BadRow):
                yield record
                continue
            fields = fitted(record.fields, names)
            values: dict[str, object] = dict(zip(table.columns, fields or record.fields, strict=False))
            reason = _unfit(record.fields, fields, header.fields if header else None, len(names))
            yield BadRow(record.line, reason, _writable(values)) if reason else Record(record.line, values)


def _unfit(fields: list[str], fitted_fields: list[str] | None, header: list[str] | None, width: int) -> str | None:
    if fitted_fields is None:
        return f"it has {len(fields)} fields where the {'header' if header else 'first row'} has {width}"
    return "it repeats the header" if fields == header else _damage(fields)


def _decoded(records: Iterator[RawRecord | BadRow], path: Path, encoding: str) -> Iterator[RawRecord | BadRow]:
    """The records, with a decoding error as a DataError: UTF-7, HZ and a few more cannot go on after one."""
    try:
        yield from records
    except UnicodeError as error:
        raise DataError(f"{path} cannot be read as {encoding} ({error}): name another --encoding") from None


def _damage(fields: list[str]) -> str | None:
    """Why a row is unusable: it has a NUL, or bytes that its encoding does not know; `None` if it is usable."""
    for field in fields:
        if "\x00" in field:
            return "it holds a NUL byte"
        if not field.isascii() and any("\ud800" <= character <= "\udfff" for character in field):
            return "it holds bytes that are not in the file's encoding"
    return None


def _writable(values: dict[str, object]) -> dict[str, object]:
    """The values with undecodable bytes and NUL replaced, so that the row can still be written out and shown."""
    return {
        key: str(value).encode("utf-8", "replace").decode().replace("\x00", "\ufffd") for key, value in values.items()
    }
