"""JSON lines: an object a line, every line accounted for."""

import json
from pathlib import Path

import pytest

from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.errors import DataError


def written(path: Path, *lines: object) -> Path:
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    return path


def test_objects_are_rows_and_columns_are_guessed(tmp_path: Path) -> None:
    rows = [{"id": i, "text": f"line one\nline two {i}", "label": "yes" if i % 2 else "no"} for i in range(20)]
    loaded = load_examples(written(tmp_path / "data.jsonl", *rows), DataSettings())
    assert loaded.examples.texts[3] == "line one\nline two 3"
    assert loaded.examples.labels[:2] == ("no", "yes")
    assert loaded.examples.rows == tuple(range(1, 21))
    assert loaded.description == "JSON, an object a line"


def test_bad_lines_are_reported_by_line_with_their_reason(tmp_path: Path) -> None:
    good = {"text": "fine", "label": 1}
    path = written(
        tmp_path / "data.ndjson",
        good,
        b'{"text": "cut off',
        b"[1, 2]",
        b'{"text": "\xff", "label": 1}',
        b"",
        {"text": None, "label": 0},
        {"text": 7, "label": 0},
        {"label": 0},
        {"text": "no label"},
        b'{"text": "half \\ud800", "label": 0}',
        b'{"text": "nul \\u0000", "label": 0}',
        {"text": "more", "label": 0, "extra": [1]},
    )
    loaded = load_examples(path, DataSettings())
    assert loaded.examples.texts == ("fine", "more")
    assert loaded.examples.labels == (1, 0)
    assert [(row.line, row.reason) for row in loaded.bad_rows] == [
        (2, "it is no JSON (Unterminated string starting at)"),
        (3, "it holds no JSON object"),
        (4, "it holds bytes that are not UTF-8"),
        (6, "the text is missing"),
        (7, "the text is no text but int"),
        (8, "the text is missing"),
        (9, "it has no label"),
        (10, "it holds half of a surrogate pair, which is no character"),
        (11, "it holds a NUL character"),
    ]
    with pytest.raises(DataError, match="line 2: it is no JSON"):
        load_examples(path, DataSettings(on_bad_rows="fail"))


def test_a_byte_order_mark_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}\n')
    assert load_examples(path, DataSettings()).examples.texts == ("a", "b")


def test_a_file_without_objects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no usable JSON object in its first lines"):
        load_examples(written(tmp_path / "data.jsonl", [1], "text"), DataSettings())


@pytest.mark.parametrize("name", ["a.jsonl", "a.txt"])
def test_a_value_that_is_no_number_is_named_and_its_file_is_still_json(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text('{"text": "a", "label": NaN}\n{"text": "b", "label": "y"}\n')
    data = load_examples(path, DataSettings(label_column="label"))
    assert data.examples.texts == ("b",)
    assert [(row.line, row.reason) for row in data.bad_rows] == [
        (1, "NaN is not a JSON number (null stands for a missing value)")
    ]


def test_where_no_line_is_usable_the_reason_of_the_first_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "score": NaN}\n' * 3)
    with pytest.raises(DataError, match=r"in its first lines \(line 1: NaN is not a JSON number \(null stands for"):
        load_examples(path, DataSettings())
