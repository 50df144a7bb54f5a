"""Files as spreadsheets and people write them: what stands above the header, around fields and at the end of rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trifold.data.examples import LoadedData, load_examples
from trifold.data.open_file import open_table
from trifold.data.settings import DataSettings
from trifold.errors import DataError

Load = Callable[..., LoadedData]
ROWS = [(f"text number {i}, really", "pos" if i % 2 else "neg") for i in range(20)]
QUOTED = "".join(f'"{text}","{label}"\n' for text, label in ROWS)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(content: str, **given: Any) -> LoadedData:
        (tmp_path / "data.csv").write_text(content, encoding="utf-8", newline="")
        return load_examples(tmp_path / "data.csv", DataSettings(**given))

    return load


def pairs(data: LoadedData) -> list[tuple[str, object]]:
    assert data.rows_in == len(data.examples) + len(data.bad_rows)
    return list(zip(data.examples.texts, data.examples.labels, strict=True))


@pytest.mark.parametrize(
    ("above", "line"),
    [
        ("\n\n", 3),
        (",\n,\n", 3),
        ("Reviews of May\n", 2),
        ("Reviews of May\n\n", 3),
        ("Reviews of May,\n,\n", 3),
        ("Reviews of May\nby the shop\n\n", 4),
        ("sep=,\n", 2),
        ('"sep=,"\n', 2),
        ("SEP=,\r\n", 2),
    ],
)
def test_what_stands_above_the_header_is_no_row(load: Load, above: str, line: int) -> None:
    data = load(f"{above}text,label\n{QUOTED}")
    assert pairs(data) == ROWS
    assert (data.examples.rows[0], data.examples.lines[0]) == (1, line + 1)
    assert f"header in line {line}" in data.description


@pytest.mark.parametrize("delimiter", [";", "\t", "|", "^"])
def test_the_separator_that_excel_names_is_used(load: Load, delimiter: str) -> None:
    rows = "".join(f'"{text}"{delimiter}{label}\r\n' for text, label in ROWS)
    assert pairs(load(f"sep={delimiter}\r\ntext{delimiter}label\r\n{rows}")) == ROWS


def test_a_title_above_a_header_that_is_not_known_for_one_is_an_error(load: Load) -> None:
    with pytest.raises(DataError, match=r"has one column only: .* a first line that names them"):
        load(f"Reviews of May\nopinion,mood\n{QUOTED}")
    assert len(load(f"Reviews of May\n\nfeedback,mood\n{QUOTED}").examples) == 20


def test_a_header_whose_later_columns_have_no_name_stays_one(load: Load) -> None:
    data = load("feedback,\n" + QUOTED, label_column="column2")
    assert pairs(data) == ROWS


@pytest.mark.parametrize("end", [",\n", ",,\n", ", \n"])
def test_a_delimiter_too_many_at_the_end_of_rows_is_no_matter(load: Load, end: str) -> None:
    rows = QUOTED.replace("\n", end)
    assert pairs(load("text,label\n" + rows)) == ROWS
    assert pairs(load("text,label" + end + QUOTED)) == ROWS


def test_a_field_too_many_that_holds_something_is_reported(load: Load) -> None:
    data = load("text,label\n" + QUOTED + "a,b,c\na\n")
    assert [row.reason for row in data.bad_rows] == [
        "it has 3 fields where the header has 2",
        "it has 1 fields where the header has 2",
    ]


@pytest.mark.parametrize("header", ["text, label", "text,label"])
def test_a_space_before_a_quote_belongs_to_no_field(load: Load, header: str) -> None:
    rows = "".join(f'"{label}", "{text}"\n' for text, label in ROWS)
    data = load("label" + header[4:].replace("label", "text") + "\n" + rows)
    assert pairs(data) == ROWS


def test_a_space_after_every_delimiter_belongs_to_no_field(load: Load) -> None:
    assert set(load("text, label\n" + "".join(f'"{text}", {label}\n' for text, label in ROWS)).examples.labels) == {
        "pos",
        "neg",
    }


def test_a_space_after_some_delimiters_is_kept(load: Load) -> None:
    assert load("text,label\na, x\nb,y\n").examples.labels == (" x", "y")


def test_a_file_that_seems_to_have_no_header_is_refused_rather_than_short_of_a_row(load: Load) -> None:
    content = "".join(f"film {i},{'good' if i % 2 else 'bad'}\n" for i in range(20))
    with pytest.raises(DataError, match=r"must name the columns, but 'bad' is one of the labels: add --no-header if"):
        load(content)
    assert len(load(content, header=False).examples) == 20


def test_a_column_called_like_a_label_can_be_named(load: Load) -> None:
    assert len(load("text,pos\n" + QUOTED, label_column="pos").examples) == 20


def test_a_header_that_comes_again_is_reported(load: Load) -> None:
    data = load("text,label\n" + QUOTED + "text,label\n" + QUOTED)
    assert pairs(data) == ROWS + ROWS
    assert [(row.line, row.reason) for row in data.bad_rows] == [(22, "it repeats the header")]


def test_where_no_row_can_be_used_the_reason_is_said(load: Load) -> None:
    with pytest.raises(
        DataError,
        match=r"no row of .* can be used: it has 3 fields where the header has 2 \(20 rows\); correct the file",
    ):
        load("text,label\n" + "".join(f'{i},"{text}",{label}\n' for i, (text, label) in enumerate(ROWS)))


def test_quotes_that_never_close_cost_their_rows_however_many(load: Load) -> None:
    with pytest.raises(DataError, match=r"a quote is opened and never properly closed \(10 rows\)"):
        load("name,text,label\n" + 'x,"open text,bad\n' * 10)
    escaped = 'name,text,label\n"a \\"quoted\\" name","text",good\nx,"open,bad\nx,"open,bad\ny,fine,good\n'
    data = load(escaped)
    assert [row.line for row in data.bad_rows] == [3, 4]
    assert data.examples.texts == ("text", "fine")


def test_a_mark_before_a_quoted_header_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbf"text","label"\n"a","x"\n')
    assert open_table(tmp_path / "a.csv").columns == ("text", "label")


@pytest.mark.parametrize("content", ["sep=;\n", "sep=;\n\n", "\u00a0\n", "\n\u3000\n \n"])
def test_a_file_with_nothing_below_what_stands_above_is_an_error(load: Load, content: str) -> None:
    with pytest.raises(DataError, match="a first line that names them"):
        load(content)


def test_line_ends_may_be_mixed(load: Load) -> None:
    ends = ["\n", "\r\n", "\r"]
    rows = "".join(f'"{text}",{label}{ends[i % 3]}' for i, (text, label) in enumerate(ROWS))
    assert pairs(load("text,label\r\n" + rows)) == ROWS
