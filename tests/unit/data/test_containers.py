"""The same rows are the same examples, whatever the file is written in."""

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trifold.data.examples import LoadedData, load_examples
from trifold.data.settings import DataSettings
from trifold.errors import DataError

CHARACTERS = st.characters(exclude_categories=("Cs",), exclude_characters="\x00")
FIELD = st.text(CHARACTERS | st.sampled_from(" ,;\t|\"'\\\n\r\u200b\ufeff[]{}"), max_size=30)
LABEL = st.sampled_from(["pos", "neg", "café", "cafe\u0301", " ", "\u200b", "", "1", "07"])
# Long and plain enough that controls in the others make no binary file of it.
FIRST = ("a plain text that comes first, " * 40, "pos")


def written(folder: Path, rows: list[tuple[str, str]]) -> list[Path]:
    paths = []
    for name, delimiter in (("a.csv", ","), ("a.tsv", "\t"), ("b.csv", ";")):
        buffer = io.StringIO(newline="")
        # Before 3.11.9 the csv module leaves a lone carriage return bare unless told to quote all.
        csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([("text", "label"), *rows])
        (folder / name).write_bytes(buffer.getvalue().encode())
        paths.append(folder / name)
    objects = [{"text": text, "label": label} for text, label in rows]
    (folder / "a.jsonl").write_text("".join(json.dumps(one) + "\n" for one in objects))
    (folder / "raw.jsonl").write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects))
    (folder / "a.json").write_text(json.dumps(objects, indent=1))
    pq.write_table(
        pa.table({"text": [row[0] for row in rows], "label": [row[1] for row in rows]}), folder / "a.parquet"
    )
    for name in ("a.csv", "a.jsonl", "a.json"):
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes(), 1))
        paths.append(folder / f"{name}.gz")
    return [*paths, folder / "a.jsonl", folder / "raw.jsonl", folder / "a.json", folder / "a.parquet"]


def held(data: LoadedData) -> tuple[object, ...]:
    return data.examples.texts, data.examples.labels, [row.reason for row in data.bad_rows]


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(FIELD, LABEL), max_size=8))
def test_the_same_rows_are_the_same_examples_in_every_format(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    every = [FIRST, *rows]
    loaded = {path.name: load_examples(path, DataSettings()) for path in written(tmp_path, every)}
    expected = held(loaded["a.parquet"])
    for name, data in loaded.items():
        assert held(data) == expected, name
        assert data.rows_in == len(every), name


def test_rows_are_numbered_alike_in_every_format_and_lines_as_they_stand(tmp_path: Path) -> None:
    found = {
        path.name: load_examples(path, DataSettings()).examples for path in written(tmp_path, [("a", "x"), ("b", "y")])
    }
    assert {one.rows for one in found.values()} == {(1, 2)}
    assert found["a.json"].lines == found["a.jsonl"].lines == (1, 2)
    assert found["a.parquet"].lines == (2, 3)


def test_json_is_known_by_its_content(tmp_path: Path) -> None:
    for path in written(tmp_path, [("a", "x"), ("b", "y")]):
        other = tmp_path / f"{path.name}.data"
        other.write_bytes(path.read_bytes())
        assert load_examples(other, DataSettings()).examples.texts == ("a", "b"), path.name


def test_lines_of_json_in_utf16_are_read_as_powershell_writes_them(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "é", "label": "x"}\n{"text": "b", "label": "y"}\n', encoding="utf-16")
    assert load_examples(tmp_path / "a.jsonl", DataSettings()).examples.texts == ("é", "b")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            '{"text": {"0": "a"}, "label": {"0": "x"}}',
            'one object of columns, not rows: .* in pandas by orient="records"',
        ),
        (
            '{"data": [\n{"text": "a"}]}',
            "has no usable JSON object in its first lines .line 1: it is no JSON .*: write one a line, .* or an array",
        ),
        ("[]", "has no usable JSON object"),
        ("[1, 2]", "has no usable JSON object"),
        ("null", "has no usable JSON object"),
        ('[{"text": "a"},', "is no JSON array of objects .*: correct it, or write an object a line"),
        ('[{"text": "a"}] {"text": "b"}', "something stands behind its end"),
        ('[{"text": "a"} {"text": "b"}]', "a comma or ] is missing after object 1"),
        ('[{"text": "a", "label": ' + "[" * 100_000, "it nests too deep"),
    ],
)
def test_json_that_holds_no_rows_says_what_to_write(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=sentence):
        load_examples(tmp_path / "a.json", DataSettings())


def test_an_object_of_an_array_that_is_no_text_costs_its_row(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        '[{"text": "a", "label": "x"}, {"text": "\\ud800", "label": "y"}, 3, {"text": NaN}]'
    )
    data = load_examples(tmp_path / "a.json", DataSettings())
    assert [(row.line, row.reason) for row in data.bad_rows] == [
        (2, "it holds half of a surrogate pair, which is no character"),
        (3, "it holds no JSON object"),
        (4, "NaN is not a JSON number (null stands for a missing value)"),
    ]
