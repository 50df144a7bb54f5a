"""Excel workbooks (.xlsx), read and written through openpyxl, a row at a time."""

import math
import re
import warnings
import zipfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path
from typing import Any

from trifold.data import limits
from trifold.data.csv_file import as_cell, without_formula
from trifold.data.csv_records import EMPTY_ROW
from trifold.data.header import find_header
from trifold.data.source import require_file
from trifold.data.table import ResultTable, Row, Table, unwritable
from trifold.errors import DataError, first_line
from trifold.events import say, say_once
from trifold.formatting import counted
from trifold.types import BadRow, Record

# Rows by which it is told whether the first one names the columns.
_SAMPLE_ROWS = 200
_MOST_ROWS, _MOST_COLUMNS, _MOST_CHARACTERS = 1_048_576, 16_384, 32_767
# Excel counts in floating point and shows fifteen digits.
_LARGEST_NUMBER = 10**15
# What XML has no way to write.
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def is_workbook(path: Path) -> bool:
    """Whether a file is a workbook as Excel has written it since 2007, by its content.

    Raises:
        DataError: As `require_file`.
    """
    require_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def open_workbook(path: Path, header: bool | None = None, known: Collection[str] = ()) -> Table:
    """Find out what the columns of the first sheet are called, by its first row that is not empty.

    Args:
        path: The file.
        header: Whether that row names the columns; found out where `None`.
        known: Names of columns that are asked for.

    Raises:
        DataError: If openpyxl is not installed, or the workbook is damaged, too large, or empty.
    """
    if find_spec("openpyxl") is None:
        raise DataError(
            f"{path} is a workbook, which openpyxl reads: pip install 'trifold[excel]', or save it as CSV (UTF-8)"
        )
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > limits.MAX_WORKBOOK_BYTES:
            raise DataError(
                f"{path} unpacks to more than {limits.MAX_WORKBOOK_BYTES:,} bytes, too many for a workbook: save it "
                "as CSV (UTF-8)"
            )
    with _sheet(path) as sheet:
        sample = list(islice(_filled(sheet), _SAMPLE_ROWS))
        title, others = sheet.title, len(sheet.parent.sheetnames) - 1
    if not sample:
        raise DataError(f"{path} is empty in its first sheet, {title!r}: put a header line and rows there")
    line, first = sample[0]
    rows = [[as_cell(value) for value in cells] for _, cells in sample]
    below = [row + [""] * (len(first) - len(row)) for row in rows[1:] if len(row) <= len(first)]
    found = find_header(path, rows[0], below, header, known)
    described = f"Excel workbook, sheet {title!r}" + (f", the first of {others + 1}" if others else "")
    described += "" if found.named else ", no header"
    return Table(path, found.names, described, partial(_rows, header=line if found.named else 0), found.note)


def _rows(table: Table, header: int) -> Iterator[Record | BadRow]:
    width, last = len(table.columns), header
    with _sheet(table.path) as sheet:
        for line, cells in _filled(sheet):
            if line <= header:
                continue
            for empty in range(last + 1, line) if last else ():
                yield BadRow(empty, EMPTY_ROW, {})
            last = line
            values = dict(zip(table.columns, cells + [None] * (width - len(cells)), strict=False))
            reason = unwritable(list(values.values()))
            if len(cells) > width:
                reason = f"it has {len(cells)} fields where the first row has {width}"
            yield BadRow(line, reason, values) if reason else Record(line, values)


def _filled(sheet: Any) -> Iterator[tuple[int, list[object]]]:
    """Number and cells of every row with something in it, without empty cells at its end; dates are text.

    A stray cell below more than `limits.MAX_EMPTY_ROWS` empty rows is no row of the table: that it is left out is said.
    """
    last = 0
    for line, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        cells: list[object] = [
            value if value is None or isinstance(value, str | int | float) else str(value) for value in row
        ]
        while cells and (cells[-1] is None or cells[-1] == ""):
            cells.pop()
        if not cells:
            continue
        empty = line - last - 1
        if last and empty > limits.MAX_EMPTY_ROWS:
            say_once(
                f"note: the sheet {sheet.title!r} is read up to row {last:,}: {empty:,} empty rows follow, "
                f"and what stands below, from row {line:,} on, is left out"
            )
            return
        last = line
        yield line, cells


@contextmanager
def _sheet(path: Path) -> Iterator[Any]:
    """The first sheet, open for reading a row at a time."""
    import openpyxl

    with path.open("rb") as file:
        try:
            with warnings.catch_warnings():
                # On styles and rules of input, which are no data.
                warnings.simplefilter("ignore", UserWarning)
                book = openpyxl.load_workbook(file, read_only=True, data_only=True)
                yield book.worksheets[0]
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError, IndexError, SyntaxError, EOFError) as error:
            raise DataError(
                f"{path} is a damaged workbook ({first_line(error)}): save it again, or as CSV (UTF-8)"
            ) from None


def write_workbook(path: Path, table: ResultTable, rows: Iterable[Row], *, excel_safe: bool = False) -> None:
    """Write rows into one sheet; text is never a formula there. What a cell cannot hold is cut, and said.

    Args:
        path: Where to.
        table: The columns.
        rows: Column to value.
        excel_safe: As in `ResultSettings`.

    Raises:
        DataError: If there are more rows or columns than a sheet has.
    """
    import openpyxl

    if len(table.columns) > _MOST_COLUMNS:
        raise DataError(f"a workbook has {_MOST_COLUMNS:,} columns at most: write a .csv or .parquet file")
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("rows")
    try:
        changed = _append(sheet, table, rows, excel_safe=excel_safe)
    except BaseException:
        # Left open, it would print a traceback of its own when it is taken apart.
        with suppress(Exception):
            sheet.close()
        raise
    book.save(path)
    if changed:
        say(
            f"note: {counted(changed, 'row')} had texts of more than {_MOST_CHARACTERS:,} characters or control "
            "characters, which a workbook cannot hold: what it cannot was left out; a .csv or .parquet file keeps all"
        )


def _append(sheet: Any, table: ResultTable, rows: Iterable[Row], *, excel_safe: bool) -> int:
    """Write the header and the rows; the number of rows of which something was left out."""
    changed, names = 0, {name: name for name in table.columns}
    for number, row in enumerate(chain([names], rows), start=1):
        if number > _MOST_ROWS:
            raise DataError(f"a workbook has {_MOST_ROWS:,} rows at most: write a .csv or .parquet file")
        values = [_storable(row.get(name)) for name in table.columns]
        kept = [_UNWRITABLE.sub("", value[:_MOST_CHARACTERS]) if isinstance(value, str) else value for value in values]
        changed += kept != values
        sheet.append([_cell(sheet, value, excel_safe=excel_safe) for value in kept])
    return changed


def _storable(value: object) -> object:
    """A value as one of the types that a cell has."""
    whole = isinstance(value, int) and abs(value) < _LARGEST_NUMBER
    if value is None or whole or (isinstance(value, float) and math.isfinite(value)):
        return value
    return as_cell(value)


def _cell(sheet: Any, value: object, *, excel_safe: bool) -> object:
    if not isinstance(value, str) or not value:
        return value
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, without_formula(value) if excel_safe else value)
    cell.data_type = "s"
    return cell
