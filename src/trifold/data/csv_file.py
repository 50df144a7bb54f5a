"""Write CSV so that a reader gets back exactly the cells that were written.

Python's own writer leaves a lone carriage return unquoted before 3.11.9, which makes two rows of one, and a row of
nothing but spaces, which readers skip. So quoting is done here, after RFC 4180; reading stays with the csv module.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

# Beyond what the format asks for: outer white space, which some readers strip, a byte order mark, and what some take
# for the beginning of a comment.
_QUOTED = {delimiter: re.compile(rf'["{delimiter}\r\n]|\A[\s\ufeff#]|\s\Z') for delimiter in ",\t"}
# What a spreadsheet takes for a formula; a plain number is none.
# Source: OWASP, "CSV Injection"; the last four are the wide forms of East Asian writing.
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def write_rows(
    file: TextIO,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, object]],
    *,
    excel_safe: bool = False,
    delimiter: str = ",",
) -> None:
    """Write a header and rows, each row as soon as it is available.

    Args:
        file: Opened with `newline=""`.
        columns: Column names in order.
        rows: Values by column; a value that is `None` or missing is an empty cell, lists and dictionaries become JSON.
        excel_safe: Whether an apostrophe is put before cells that a spreadsheet would run as a formula.
        delimiter: A comma or a tab.
    """
    file.write(_line(columns, delimiter, excel_safe=excel_safe))
    for row in rows:
        file.write(_line([row.get(name) for name in columns], delimiter, excel_safe=excel_safe))


def save_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV file in UTF-8."""
    with path.open("w", newline="", encoding="utf-8") as file:
        write_rows(file, columns, rows)


def _line(values: Sequence[object], delimiter: str, *, excel_safe: bool) -> str:
    cells = [_cell(as_cell(value), delimiter, excel_safe=excel_safe) for value in values]
    # A line without a character is no row to many a reader.
    return (delimiter.join(cells) or '""') + "\n"


def _cell(text: str, delimiter: str, *, excel_safe: bool) -> str:
    text = without_formula(text) if excel_safe else text
    return '"' + text.replace('"', '""') + '"' if _QUOTED[delimiter].search(text) else text


def without_formula(text: str) -> str:
    """The text behind an apostrophe if a spreadsheet would take it for a formula."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def as_cell(value: object) -> str:
    """A value as the text of a cell."""
    if value is None:
        return ""
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
