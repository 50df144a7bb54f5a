"""What is written as CSV is what Python's csv module, DuckDB and our own reader get back."""

import csv
import io
from itertools import pairwise

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trifold.data.csv_file import save_rows, write_rows
from trifold.data.open_file import open_table
from trifold.evaluate.results import read_csv

# Our own reader refuses NUL, no encoding has halves of pairs, and DuckDB takes no other control characters from a CSV.
_TEXTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("\r\n\t,;\"|\\ '=+-@\ufeff\u2028\x85")
)
_TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(_TEXTS, min_size=width, max_size=width), min_size=1)
)


def written(columns, rows, **options):
    file = io.StringIO()
    write_rows(file, columns, (dict(zip(columns, row, strict=True)) for row in rows), **options)
    return file.getvalue()


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_TABLES)
def test_any_table_of_strings_is_read_back_as_it_was(tmp_path, rows):
    columns = [f"column {number}" for number in range(len(rows[0]))]
    path = tmp_path / "table.csv"
    save_rows(path, columns, [dict(zip(columns, row, strict=True)) for row in rows])
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file, strict=True)) == [columns, *rows]
    assert [list(row.values()) for row in read_csv(path)] == rows
    assert [list(row.values.values()) for row in open_table(path, columns=1).rows()] == rows
    found = duckdb.sql(
        f"SELECT * FROM read_csv('{path}', header=true, all_varchar=true, delim=',', quote='\"', escape='\"')"
    ).fetchall()
    assert [["" if value is None else value for value in row] for row in found] == rows


@pytest.mark.parametrize("text", ["a\rb", "\r", "a\r\nb", "a\nb", " ", "\t", "\ufeffa", "", 'say "so"', "a,b"])
def test_a_text_alone_in_its_row_is_one_row(tmp_path, text):
    path = tmp_path / "one.csv"
    save_rows(path, ["text"], [{"text": text}, {"text": "next"}])
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["text"], [text], ["next"]]
    assert [row.values["text"] for row in open_table(path, columns=1).rows()] == [text, "next"]


def test_plain_texts_and_numbers_stand_without_quotes():
    assert written(["a b", "c"], [["it's | plain; 1.5", -2], [None, 0.25]]) == "a b,c\nit's | plain; 1.5,-2\n,0.25\n"


def test_lists_and_objects_of_a_file_are_written_as_json():
    assert written(["tags", "about"], [[["a", "é"], {"n": None}]]) == 'tags,about\n"[""a"", ""é""]","{""n"": null}"\n'


@pytest.mark.parametrize(
    "formula", ["=1+1", "+1+cmd|' /C calc'!A0", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", '=""']
)
def test_excel_safe_puts_an_apostrophe_before_what_a_spreadsheet_would_compute(formula):
    (cell,) = list(csv.reader(io.StringIO(written(["text"], [[formula]], excel_safe=True), newline="")))[1]
    assert cell == f"'{formula}"
    assert list(csv.reader(io.StringIO(written(["text"], [[formula]]), newline="")))[1] == [formula]


@pytest.mark.parametrize("harmless", ["-1", "+2.5", "a=b", "", "'=1", 0.5, -3])
def test_excel_safe_leaves_numbers_and_other_texts_alone(harmless):
    assert written(["text", "n"], [[harmless, 1]], excel_safe=True) == written(["text", "n"], [[harmless, 1]])


def test_excel_safe_is_for_names_of_columns_too():
    assert written(["=a"], [], excel_safe=True) == "'=a\n"


def test_rows_are_written_as_they_come(tmp_path):
    file = io.StringIO()
    lengths = [len(file.getvalue())]

    def rows():
        for number in range(3):
            lengths.append(len(file.getvalue()))
            yield {"n": number}

    write_rows(file, ["n"], rows())
    assert all(before < after for before, after in pairwise(lengths))
