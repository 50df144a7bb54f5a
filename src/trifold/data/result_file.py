"""The rows of a file with columns added, streamed into the format that the result's name ends in."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

from trifold.data.csv_file import write_rows
from trifold.data.settings import ResultSettings
from trifold.data.table import ResultTable, Row, VectorOf
from trifold.errors import SettingsError, require
from trifold.schema import finite

CSV, JSON_LINES, PARQUET = ".csv", ".jsonl", ".parquet"
_DELIMITERS = {CSV: ",", ".tsv": "\t"}
_WORKBOOK = ".xlsx"
_FORMATS = (*_DELIMITERS, JSON_LINES, ".ndjson", PARQUET, _WORKBOOK)
# How a cell of text shows the value of an added column.
_IN_WORDS: dict[type, Callable[[object], str]] = {float: "{:.6f}".format, bool: lambda value: str(value).lower()}


def result_format(result: ResultSettings, *, json: bool = False) -> str:
    """The ending that says how a result is written.

    Args:
        result: Where to; a device or pipe without an ending that says otherwise gets CSV.
        json: Whether standard output gets JSON lines instead of CSV.

    Raises:
        SettingsError: If the name has no ending that is written, what writes it is not installed, or `excel_safe` is
            given for a format that no spreadsheet opens by itself.
    """
    output = result.output
    require(output is not None or not result.force, "--force without --output", "name the file")
    found = (JSON_LINES if json else CSV) if output is None else output.suffix.lower()
    if output is not None and found not in _FORMATS:
        if not os.path.exists(output) or os.path.isfile(output):
            raise SettingsError(
                f"--output {output} is in no format that is written: name a file that ends in {', '.join(_FORMATS)}"
            )
        found = CSV
    if found == _WORKBOOK and find_spec("openpyxl") is None:
        raise SettingsError(f"writing {output} needs openpyxl: pip install 'trifold[excel]', or name a .csv file")
    for_spreadsheets = found in (*_DELIMITERS, _WORKBOOK)
    require(for_spreadsheets or not result.excel_safe, f"--excel-safe with {found}", "it is for .csv, .tsv and .xlsx")
    return found


def write_result(
    path: Path, written_as: str, table: ResultTable, rows: Iterable[Row], *, excel_safe: bool = False
) -> None:
    """Write rows, each as soon as it comes.

    Args:
        path: Where to.
        written_as: The format, as `result_format` names it.
        table: The columns.
        rows: Column to value, in the order of the file.
        excel_safe: As in `ResultSettings`.

    Raises:
        DataError: If a workbook cannot hold so many rows or columns.
    """
    if written_as == PARQUET:
        from trifold.data.parquet import write_parquet

        write_parquet(path, table, rows)
    elif written_as == _WORKBOOK:
        from trifold.data.workbook import write_workbook

        write_workbook(path, table, rows, excel_safe=excel_safe)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            write_text(file, written_as, table, rows, excel_safe=excel_safe)


def write_text(
    file: TextIO, written_as: str, table: ResultTable, rows: Iterable[Row], *, excel_safe: bool = False
) -> None:
    """`write_result` for the formats that are text, into a stream opened with `newline=""`."""
    if written_as in _DELIMITERS:
        cells = _in_words(rows, table.added)
        write_rows(file, table.columns, cells, excel_safe=excel_safe, delimiter=_DELIMITERS[written_as])
        return
    for row in rows:
        values = finite({name: row.get(name) for name in table.columns})
        file.write(json.dumps(values, ensure_ascii=False, default=str) + "\n")


def _in_words(rows: Iterable[Row], added: Mapping[str, type | VectorOf]) -> Iterator[Row]:
    """The rows with the values of added columns as text where CSV has no type for them."""
    shown = {name: _IN_WORDS[kind] for name, kind in added.items() if isinstance(kind, type) and kind in _IN_WORDS}
    for row in rows:
        yield {**row, **{name: show(row[name]) for name, show in shown.items() if row.get(name) is not None}}
