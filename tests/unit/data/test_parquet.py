"""Parquet of every kind of column, and damaged."""

import datetime
import decimal
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trifold.data.examples import load_examples
from trifold.data.open_file import open_table
from trifold.data.settings import DataSettings
from trifold.errors import DataError
from trifold.types import Record

NOON = datetime.datetime(2024, 5, 1, 12)
OTHERS = {
    "zoned": pa.array([NOON] * 2, pa.timestamp("us", tz="Europe/Berlin")),
    "far": pa.array([2**62] * 2, pa.timestamp("us")),
    "date": pa.array([NOON.date()] * 2),
    "decimal": pa.array([decimal.Decimal("1.5")] * 2),
    "bytes": pa.array([b"\xff\x00"] * 2),
    "list": pa.array([[1, 2], []]),
    "nested": pa.array([{"a": {"b": "x"}}] * 2),
    "map": pa.array([[("k", 1)]] * 2, pa.map_(pa.string(), pa.int64())),
    "nothing": pa.nulls(2),
    "category": pa.array(["u", "v"]).dictionary_encode(),
}


@pytest.mark.parametrize("kind", list(OTHERS))
def test_a_column_of_any_type_beside_the_text_is_read(tmp_path: Path, kind: str) -> None:
    table = pa.table({kind: OTHERS[kind], "text": ["a", "b"], "label": ["x", "y"]})
    pq.write_table(table, tmp_path / "a.parquet")
    rows = list(open_table(tmp_path / "a.parquet").rows())
    assert all(isinstance(row, Record) for row in rows)
    assert load_examples(tmp_path / "a.parquet", DataSettings()).examples.texts == ("a", "b")


def test_texts_and_labels_may_be_categories(tmp_path: Path) -> None:
    column = pa.array(["a", "b", "a"]).dictionary_encode()
    pq.write_table(pa.table({"text": column, "label": column}), tmp_path / "a.parquet")
    assert load_examples(tmp_path / "a.parquet", DataSettings()).examples.labels == ("a", "b", "a")


@pytest.mark.parametrize("kind", ["bytes", "date", "decimal", "nested", "zoned"])
def test_a_text_column_of_another_type_is_reported(tmp_path: Path, kind: str) -> None:
    pq.write_table(pa.table({"text": OTHERS[kind], "label": ["x", "y"]}), tmp_path / "a.parquet")
    if kind == "zoned":
        assert len(load_examples(tmp_path / "a.parquet", DataSettings()).examples) == 2
        return
    with pytest.raises(DataError, match=r"no row of .* can be used: the text is no text but \w+ \(2 rows\)"):
        load_examples(tmp_path / "a.parquet", DataSettings())


def test_names_that_differ_in_case_stay_as_they_are(tmp_path: Path) -> None:
    pq.write_table(pa.table({"Text": ["a"], "text": ["b"], "label": ["x"]}), tmp_path / "a.parquet")
    assert list(open_table(tmp_path / "a.parquet").rows()) == [Record(2, {"Text": "a", "text": "b", "label": "x"})]


def test_a_name_that_comes_twice_is_refused_as_in_a_csv(tmp_path: Path) -> None:
    pq.write_table(pa.table([pa.array(["a"])] * 2, names=["text", "text"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="names a column twice"):
        open_table(tmp_path / "a.parquet")


def test_names_may_hold_anything(tmp_path: Path) -> None:
    names = ['a "quoted" name', "a.b", "", "text", "label"]
    pq.write_table(pa.table([pa.array(["a"])] * 5, names=names), tmp_path / "a.parquet")
    assert open_table(tmp_path / "a.parquet").columns == tuple(names)
    assert len(list(open_table(tmp_path / "a.parquet").rows())) == 1


def test_no_rows_are_said(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"text": pa.array([], pa.string()), "label": pa.array([], pa.string())}), tmp_path / "a.parquet"
    )
    with pytest.raises(DataError, match="has a header and no rows"):
        load_examples(tmp_path / "a.parquet", DataSettings())


def test_a_nul_costs_its_row_as_in_a_csv(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a", "b\x00", "c"], "label": ["x", "y", "z\x00"]}), tmp_path / "a.parquet")
    data = load_examples(tmp_path / "a.parquet", DataSettings())
    assert [(row.line, row.reason) for row in data.bad_rows] == [
        (3, "it holds a NUL character"),
        (4, "it holds a NUL character"),
    ]


@pytest.mark.parametrize("place", range(4, 400, 36))
def test_damage_anywhere_raises_nothing_but_data_errors(tmp_path: Path, place: int) -> None:
    pq.write_table(
        pa.table({"text": [f"text {i}" for i in range(50)], "label": ["x", "y"] * 25}), tmp_path / "a.parquet"
    )
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    for position in (place, len(content) - place):
        content[position : position + 4] = b"\xff\xfe\x00\x80"
    (tmp_path / "a.parquet").write_bytes(bytes(content))
    try:
        data = load_examples(tmp_path / "a.parquet", DataSettings())
        accounted_for = len(data.examples) + len(data.bad_rows)
    except DataError:
        accounted_for = 0
    assert accounted_for <= 50


@pytest.mark.parametrize(
    ("unit", "zone", "time", "text"),
    [
        ("ns", None, NOON, "2024-05-01 12:00:00"),
        ("us", None, NOON.replace(microsecond=500_000), "2024-05-01 12:00:00.5"),
        ("us", "Europe/Berlin", NOON, "2024-05-01 14:00:00+0200"),
        ("ms", "UTC", NOON, "2024-05-01 12:00:00Z"),
    ],
)
def test_a_point_in_time_is_text_in_its_own_zone(
    tmp_path: Path, unit: str, zone: str | None, time: datetime.datetime, text: str
) -> None:
    pq.write_table(pa.table({"at": pa.array([time, None], pa.timestamp(unit, zone))}), tmp_path / "a.parquet")
    assert [row.values["at"] for row in open_table(tmp_path / "a.parquet").rows()] == [text, None]


def test_a_map_is_an_object(tmp_path: Path) -> None:
    pq.write_table(pa.table({"about": OTHERS["map"]}), tmp_path / "a.parquet")
    assert [row.values["about"] for row in open_table(tmp_path / "a.parquet").rows()] == [{"k": 1}] * 2


def test_a_date_that_python_lacks_is_an_error_with_its_row(tmp_path: Path) -> None:
    pq.write_table(pa.table({"on": pa.array([2**30], pa.date32())}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="holds a value after row 0 that cannot be read"):
        list(open_table(tmp_path / "a.parquet").rows())


def test_the_folder_and_the_name_of_a_file_mean_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "year=2024"
    folder.mkdir()
    pq.write_table(pa.table({"text": ["a"]}), folder / "a[1]*.parquet")
    assert open_table(folder / "a[1]*.parquet").columns == ("text",)


def test_a_large_row_group_is_read_in_bounded_memory(tmp_path: Path) -> None:
    rng = random.Random(0)
    with pq.ParquetWriter(tmp_path / "a.parquet", pa.schema([("text", pa.string())]), compression="none") as file:
        texts = [rng.randbytes(500).hex() for _ in range(60_000)]
        file.write_table(pa.table({"text": texts}), row_group_size=len(texts))
    before = peak = pa.total_allocated_bytes()
    for row in open_table(tmp_path / "a.parquet").rows():
        peak = max(peak, pa.total_allocated_bytes() if row.line % 2_048 == 2 else 0)
    assert peak - before < 20_000_000
