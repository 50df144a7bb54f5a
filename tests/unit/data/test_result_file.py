"""Results in every format: values keep their types where the format has any, and come back as they were."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trifold.data.open_file import open_table
from trifold.data.result_file import result_format, write_result
from trifold.data.settings import ResultSettings
from trifold.data.table import ResultTable
from trifold.errors import DataError, SettingsError
from trifold.types import Record

ADDED: dict[str, type] = {"prediction": int, "probability": float, "truncated": bool, "error": str}
GOOD = {"prediction": 5, "probability": 0.123456789, "truncated": False}
BAD = {"error": "line 4: the text is empty"}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes a source's rows with what is added to each."""

    def write(source: Path, name: str, *answers: dict[str, object], excel_safe: bool = False) -> Path:
        table = ResultTable(open_table(source, columns=1), ADDED)
        rows = [{**row.values, **answer} for row, answer in zip(table.source.rows(), answers, strict=True)]
        output = tmp_path / name
        how = result_format(ResultSettings(output=output, excel_safe=excel_safe))
        write_result(output, how, table, iter(rows), excel_safe=excel_safe)
        return output

    return write


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Rows with a value of every type, the last one of a text that is empty."""
    path = tmp_path / "source.jsonl"
    rows = [
        {"text": "=1+1", "n": 1, "share": 1, "yes": True, "tags": ["a", "b"], "mixed": 1, "none": None},
        {"text": "two\nlines\tand, more", "n": -2, "share": 0.5, "yes": False, "tags": [], "mixed": "x", "none": None},
        {"text": "", "n": None, "share": None, "yes": None, "tags": None, "mixed": {"k": 1}, "none": None},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_csv_has_the_figures_that_its_readers_rely_on(source: Path, written: Callable[..., Path]) -> None:
    for name, delimiter in (("a.csv", ","), ("A.TSV", "\t")):
        with written(source, name, GOOD, GOOD, BAD).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter=delimiter))
        assert [row["text"] for row in rows] == ["=1+1", "two\nlines\tand, more", ""]
        assert [rows[0][name] for name in ADDED] == ["5", "0.123457", "false", ""]
        assert [rows[2][name] for name in ADDED] == ["", "", "", BAD["error"]]
        assert rows[0]["tags"] == '["a", "b"]'


def test_json_lines_keep_every_type(source: Path, written: Callable[..., Path]) -> None:
    given = [json.loads(line) for line in source.read_text().splitlines()]
    for name in ("a.jsonl", "a.ndjson"):
        found = [json.loads(line) for line in written(source, name, GOOD, GOOD, BAD).read_text().splitlines()]
        assert [{key: row[key] for key in given[0]} for row in found] == given
        assert {key: found[0][key] for key in ADDED} == {**GOOD, "error": None}
        assert found[2]["prediction"] is None


def test_parquet_has_typed_columns(source: Path, written: Callable[..., Path]) -> None:
    table = pq.read_table(written(source, "a.parquet", GOOD, GOOD, BAD))
    types = {field.name: field.type for field in table.schema}
    assert types == {
        "text": pa.string(),
        "n": pa.int64(),
        "share": pa.float64(),
        "yes": pa.bool_(),
        "tags": pa.list_(pa.string()),
        "mixed": pa.string(),
        "none": pa.string(),
        "prediction": pa.int64(),
        "probability": pa.float64(),
        "truncated": pa.bool_(),
        "error": pa.string(),
    }
    rows = table.to_pylist()
    assert rows[0]["probability"] == GOOD["probability"]
    assert [row["share"] for row in rows] == [1.0, 0.5, None]
    assert [row["mixed"] for row in rows] == ["1", "x", '{"k": 1}']
    assert [row["tags"] for row in rows] == [["a", "b"], [], None]
    assert rows[2]["error"] == BAD["error"]


def test_integers_of_a_parquet_file_stay_integers_beyond_its_first_rows(
    tmp_path: Path, written: Callable[..., Path]
) -> None:
    # The first batch of this column is empty, and of that one whole.
    numbers = [None] * 3_000 + [7]
    late = [*range(3_000), 2**70]
    rows = [json.dumps({"text": "a", "number": one, "late": two}) for one, two in zip(numbers, late, strict=True)]
    (tmp_path / "long.jsonl").write_text("\n".join(rows))
    table = pq.read_table(written(tmp_path / "long.jsonl", "a.parquet", *[GOOD] * 3_001))
    assert table["number"].to_pylist() == numbers
    assert table["late"].to_pylist()[-1] == str(2**70)


def test_a_workbook_has_types_and_no_formulas(source: Path, written: Callable[..., Path]) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(written(source, "a.xlsx", GOOD, GOOD, BAD))
    header, first, second, third = book.active.iter_rows()
    row = {name.value: cell for name, cell in zip(header, first, strict=True)}
    assert (row["text"].value, row["text"].data_type) == ("=1+1", "s")
    assert (row["prediction"].value, row["probability"].value, row["truncated"].value) == (5, 0.123456789, False)
    assert (second[0].value, third[0].value) == ("two\nlines\tand, more", None)
    safe = openpyxl.load_workbook(written(source, "safe.xlsx", GOOD, GOOD, BAD, excel_safe=True))
    assert safe.active["A2"].value == "'=1+1"


def test_what_a_workbook_cannot_hold_is_said(
    tmp_path: Path, written: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "long.jsonl"
    path.write_text(json.dumps({"text": "a" * 40_000, "id": 10**17}) + "\n" + json.dumps({"text": "a\x07b", "id": 1}))
    sheet = openpyxl.load_workbook(written(path, "a.xlsx", GOOD, GOOD)).active
    assert [cell.value for cell in sheet["A"]] == ["text", "a" * 32_767, "ab"]
    assert [cell.value for cell in sheet["B"]] == ["id", str(10**17), 1]
    assert "note: 2 rows had texts of more than 32,767 characters or control characters" in capsys.readouterr().err


def test_a_workbook_that_was_written_is_read(source: Path, written: Callable[..., Path]) -> None:
    pytest.importorskip("openpyxl")
    path = written(source, "a.xlsx", GOOD, GOOD, BAD)
    table = open_table(path)
    assert table.description == "Excel workbook, sheet 'rows'"
    rows = list(table.rows())
    assert [row.line for row in rows] == [2, 3, 4]
    assert isinstance(rows[0], Record)
    assert (rows[0].values["text"], rows[0].values["n"], rows[0].values["yes"]) == ("=1+1", 1, True)


@pytest.mark.parametrize("name", ["out.txt", "out", "out.csv.gz", "out.xls"])
def test_another_format_is_refused_with_the_list(name: str) -> None:
    with pytest.raises(
        SettingsError, match=rf"--output {name} is in no format that is written: .*\.csv, \.tsv, \.jsonl, .*\.xlsx"
    ):
        result_format(ResultSettings(output=Path(name)))


def test_flags_that_a_format_has_no_use_for_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"--excel-safe with \.parquet is not allowed: it is for \.csv, \.tsv and"):
        result_format(ResultSettings(output=Path("a.parquet"), excel_safe=True))
    with pytest.raises(SettingsError, match="--force without --output is not allowed: name the file"):
        result_format(ResultSettings(force=True))


def test_a_device_gets_csv() -> None:
    assert result_format(ResultSettings(output=Path("/dev/null"))) == ".csv"


def test_a_workbook_without_openpyxl_is_refused_before_any_work(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trifold.data.result_file.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"needs openpyxl: pip install 'trifold\[excel\]', or name a \.csv file"):
        result_format(ResultSettings(output=Path("a.xlsx")))


def test_a_column_that_would_be_added_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,prediction\na,b\n")
    with pytest.raises(DataError, match="already has a column 'prediction', which labelling would add: rename it"):
        ResultTable(open_table(tmp_path / "a.csv"), ADDED).require_new("labelling")
