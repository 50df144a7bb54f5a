"""Workbooks: where their tables end."""

from pathlib import Path

import pytest

from trifold.data.csv_records import EMPTY_ROW
from trifold.data.open_file import open_table
from trifold.types import BadRow, Record

openpyxl = pytest.importorskip("openpyxl")


def workbook(path: Path, cells: dict[int, tuple[str, str]]) -> Path:
    """A workbook with these cells in the rows of these numbers, under a header."""
    book = openpyxl.Workbook()
    for line, values in ({1: ("text", "label")} | cells).items():
        for column, value in enumerate(values, start=1):
            book.active.cell(line, column, value)
    book.save(path)
    return path


def test_a_stray_cell_in_the_last_possible_row_is_no_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = workbook(tmp_path / "a.xlsx", {2: ("fine", "a"), 4: ("dull", "b"), 1_048_576: ("x", "")})
    rows = list(open_table(path).rows())
    assert [(type(row), row.line) for row in rows] == [(Record, 2), (BadRow, 3), (Record, 4)]
    assert "is read up to row 4: 1,048,571 empty rows follow, and what stands below, from" in capsys.readouterr().err


def test_empty_rows_inside_a_table_are_reported(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", {2: ("fine", "a"), 1_000: ("dull", "b")})
    rows = list(open_table(path).rows())
    assert [row.reason for row in rows if isinstance(row, BadRow)] == [EMPTY_ROW] * 997
    assert rows[-1].line == 1_000
