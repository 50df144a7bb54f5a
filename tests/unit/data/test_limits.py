"""Each limit ends in a sentence, and costs the row, not the file, where it can."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trifold.data import limits
from trifold.data.examples import LoadedData, load_examples
from trifold.data.settings import DataSettings
from trifold.errors import DataError
from trifold.json_reading import MAX_DEPTH

Load = Callable[..., LoadedData]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(content: str, name: str = "data.csv") -> LoadedData:
        (tmp_path / name).write_text(content, encoding="utf-8")
        return load_examples(tmp_path / name, DataSettings())

    return load


WIDE = [f"c{i}" for i in range(100_000)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", ",".join(WIDE) + "\n" + ",".join(WIDE) + "\n"),
        ("a.jsonl", json.dumps(dict.fromkeys(WIDE, "x")) + "\n"),
        ("a.json", json.dumps([dict.fromkeys(WIDE, "x")])),
    ],
)
def test_a_hundred_thousand_columns_are_refused_at_once(load: Load, name: str, content: str) -> None:
    with pytest.raises(DataError, match=r"has 100,000 columns and the most that are read are 10,000: keep the columns"):
        load(content, name)


def test_too_many_columns_of_parquet_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({f"c{i}": ["x"] for i in range(limits.MAX_COLUMNS + 1)}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="has 10,001 columns"):
        load_examples(tmp_path / "a.parquet", DataSettings())


def test_an_error_on_many_columns_names_some_of_them(load: Load) -> None:
    with pytest.raises(DataError, match="'c19' and 80 more") as caught:
        load(",".join(WIDE[:100]) + "\n" + ",".join(f"v{i}" for i in range(100)) + "\n")
    assert len(str(caught.value)) < 500


def test_a_field_that_is_too_long_costs_its_row(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_FIELD_CHARACTERS", 1_000)
    data = load(f'text,label\n"{"x" * 1_001}",a\n"{"x" * 999}",b\nc,a\n')
    assert [row.line for row in data.bad_rows] == [2]
    assert data.bad_rows[0].reason.startswith("a field is longer than")
    rows = [{"text": "x" * length, "label": "a"} for length in (1_001, 999)]
    data = load("".join(json.dumps(row) + "\n" for row in rows), "a.jsonl")
    assert [row.reason for row in data.bad_rows] == ["the text is longer than 1,000 characters"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_line_that_is_too_long_costs_its_row(load: Load, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(limits, "MAX_LINE_LENGTH", 300)
    row = '{"text": "%s", "label": "%s"}\n' if name.endswith("l") else "%s,%s\n"
    head = "" if name.endswith("l") else "text,label\n"
    data = load(head + row % ("good", "a") + row % ("x" * 1_000, "b") + row % ("fine", "b"), name)
    assert data.examples.texts == ("good", "fine")
    assert len(data.bad_rows) == 1
    assert data.bad_rows[0].reason.startswith("the line is longer than")


def test_a_quote_never_swallows_more_than_a_thousand_lines(load: Load) -> None:
    data = load('text,label\n"open,a\n' + "good,b\n" * 1_500 + '"closed",a\n')
    assert (len(data.examples), [row.line for row in data.bad_rows]) == (1_501, [2])


def test_nesting_too_deep_costs_its_row(load: Load) -> None:
    deep = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    data = load(f'{{"text": "a", "label": "x"}}\n{{"text": "b", "label": {deep}}}\n{"[" * 100_000}\n', "a.jsonl")
    assert [row.line for row in data.bad_rows] == [2, 3]
    assert all(row.reason == "it nests more than 200 deep" for row in data.bad_rows)


def test_rows_that_are_read_whole_have_an_end(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ROWS", 3)
    assert len(load("text,label\n" + "a,x\n" * 3).examples) == 3
    with pytest.raises(DataError, match="has more than 3 rows, the most that are read whole: give a sample"):
        load("text,label\n" + "a,x\n" * 4)


def test_the_documentation_holds_every_limit() -> None:
    table = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8").split("## Limits")[1]
    values = [value for name, value in vars(limits).items() if name.startswith("MAX_")]
    assert [value for value in [*values, MAX_DEPTH] if f" {value:,} " not in table] == []


def test_a_json_array_has_an_end(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_JSON_ARRAY_BYTES", 100)
    with pytest.raises(DataError, match="is an array of more than 100 bytes: write an object a line"):
        load(json.dumps([{"text": "x" * 100, "label": "a"}]), "a.json")
