import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trifold.data.examples import label_variants, load_examples, open_rows
from trifold.data.settings import DataSettings, TextSettings
from trifold.errors import DataError


@pytest.fixture
def load(tmp_path):
    def load(content, **given):
        path = tmp_path / "data.csv"
        path.write_text(content, encoding="utf-8")
        return load_examples(path, DataSettings(**given))

    return load


def load_parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return load_examples(path, DataSettings())


def test_every_row_is_an_example_or_a_bad_row_with_its_reason(load):
    data = load('text,label\na,x\n,y\n"  ",y\nb,\nc, \nd,x,z\n\n"open,x\n"e\ne",y\n\n')
    assert [(row.line, row.reason) for row in data.bad_rows] == [
        (3, "the text is empty"),
        (4, "the text is empty"),
        (5, "it has no label"),
        (6, "it has no label"),
        (7, "it has 3 fields where the header has 2"),
        (8, "the row is empty"),
        (9, "a quote is opened and never properly closed"),
    ]
    assert (data.examples.rows, data.examples.lines) == ((1, 9), (2, 10))
    assert (data.examples.texts, data.examples.labels) == (("a", "e\ne"), ("x", "y"))
    assert data.rows_in == 9


def test_on_bad_rows_fail_stops_at_the_first_with_its_line(load):
    with pytest.raises(
        DataError, match=r"data.csv, line 3: the text is empty; correct it, or leave out --on-bad-rows fail"
    ):
        load("text,label\na,x\n,y\n,z\n", on_bad_rows="fail")


def test_a_file_without_bad_rows_passes_on_bad_rows_fail(load):
    assert load("text,label\na,x\nb,y\n\n", on_bad_rows="fail").bad_rows == ()


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        (["0", "1", "10"], (0, 1, 10)),
        (["-1", "0", "1"], (-1, 0, 1)),
        (["007", "1", "2"], ("007", "1", "2")),
        (["+1", "1", "2"], ("+1", "1", "2")),
        (["-0", "1", "2"], ("-0", "1", "2")),
        (["1.0", "1", "2"], (1, 1, 2)),
        (["1.0", "2.0"], ("1.0", "2.0")),
        (["1_0", "1", "2"], ("1_0", "1", "2")),
        (["1 ", "1", "2"], ("1 ", "1", "2")),
        (["\u0661", "1", "2"], ("\u0661", "1", "2")),
        (["\u00b2", "1", "2"], ("\u00b2", "1", "2")),
        (["-", "1", "2"], ("-", "1", "2")),
        (["n/a", "1", "2"], ("n/a", "1", "2")),
        (["9" * 5_000, "1", "2"], ("9" * 5_000, "1", "2")),
    ],
)
def test_labels_become_integers_only_if_all_are_written_as_integers_are(load, written, labels):
    assert load("text,label\n" + "".join(f"a,{label}\n" for label in written)).examples.labels == labels


@pytest.mark.parametrize(
    ("stored", "labels"),
    [
        ([0, 1, 10], (0, 1, 10)),
        ([0.0, 1.0, 10.0], (0, 1, 10)),
        ([0.5, 1.0, 2.0], ("0.5", "1.0", "2.0")),
        ([True, False, True], ("True", "False", "True")),
        (["0", "1", "10"], (0, 1, 10)),
    ],
)
def test_a_stored_label_is_the_one_a_csv_would_give(tmp_path, stored, labels):
    assert load_parquet(tmp_path / "data.parquet", text=["a", "b", "c"], label=stored).examples.labels == labels


def test_missing_values_in_parquet_are_bad_rows(tmp_path):
    data = load_parquet(tmp_path / "data.parquet", text=["a", None, "c", " "], label=[1.0, 2.0, float("nan"), 1.0])
    assert [(row.line, row.reason) for row in data.bad_rows] == [
        (3, "the text is missing"),
        (4, "it has no label"),
        (5, "the text is empty"),
    ]
    assert data.examples.labels == (1,)


def test_a_text_column_that_holds_numbers_is_reported_by_its_type(tmp_path):
    with pytest.raises(DataError, match=r"no row of .* can be used: the text is no text but int \(2 rows\)"):
        load_parquet(tmp_path / "data.parquet", text=[1, 2], label=["x", "y"])


def test_labels_are_merged_under_the_commonest_spelling_only_when_asked(load):
    content = "text,label\na,Pos\nb,Pos\nc,pos\nd, POS \ne,neg\n"
    assert load(content).examples.labels == ("Pos", "Pos", "pos", " POS ", "neg")
    merged = load(content, merge_labels=True)
    assert merged.examples.labels == ("Pos", "Pos", "Pos", "Pos", "neg")
    assert merged.merged_labels == {"pos": "Pos", " POS ": "Pos"}


def test_label_variants_leave_different_labels_alone():
    assert label_variants(["a", "b", 1, 1, 2]) == {}


def test_a_file_with_a_header_only_is_an_error(load):
    with pytest.raises(DataError, match="has a header and no rows: add rows"):
        load("text,label\n\n\n")


def test_the_sample_for_the_guess_is_part_of_the_rows(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("words,kind\n" + "".join(f"a long text {i},{i % 2}\n" for i in range(500)))
    _, columns, rows = open_rows(path, DataSettings())
    assert (columns.text, columns.label) == ("words", "kind")
    assert [row.line for row in rows] == list(range(2, 502))


def test_a_file_of_texts_only_can_be_opened_where_labels_are_not_needed(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("text\none, two\nthree\n")
    _, columns, rows = open_rows(path, TextSettings())
    assert columns.label is None
    assert [row.values["text"] for row in rows] == ["one, two", "three"]


ROWS = st.lists(st.text(alphabet='ab,"\\ 1é', max_size=6), min_size=1, max_size=20)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_rows_in_are_examples_and_bad_rows_each_once(load, rows):
    try:
        data = load("text,label\n" + "\n".join(rows) + "\nlast,1\n")
    except DataError:
        return
    lines = [*data.examples.lines, *(row.line for row in data.bad_rows)]
    assert len(set(lines)) == len(lines) == data.rows_in
    # No field holds a line break unless quoted, so lines not numbered lie inside texts or labels.
    inside = sum(text.count("\n") for text in (*data.examples.texts, *map(str, data.examples.labels)))
    unusable = sum(str(value).count("\n") for row in data.bad_rows for value in row.values.values())
    assert data.rows_in + inside + unusable <= len(rows) + 1


def test_a_separator_between_labels_makes_rows_with_several(load):
    data = load("text,label\na,joy|love\nb,joy\nc, anger | joy |joy\nd,|\n")
    assert data.examples.labels == (("joy", "love"), ("joy",), ("anger", "joy"), ())
    assert (data.separator, data.examples.multi_label) == ("|", True)
    assert data.examples.label_counts() == {"joy": 3, "love": 1, "anger": 1}


def test_another_separator_can_be_named_and_none_keeps_labels_whole(load):
    content = "text,label\na,1;2\nb,2\n"
    assert load(content, label_separator=";").examples.labels == ((1, 2), (2,))
    assert load(content).examples.labels == ("1;2", "2")
    assert load("text,label\na,x|y\nb,y\n", label_separator="").examples.labels == ("x|y", "y")


def test_a_separator_at_an_end_alone_is_part_of_the_label(load):
    assert load("text,label\na,x|\nb,y\n").examples.labels == ("x|", "y")


def test_variants_among_several_labels_are_merged(load):
    data = load("text,label\na,joy|love\nb,Joy|love\nc,joy\nd,joy|JOY\n", merge_labels=True)
    assert data.examples.labels == (("joy", "love"), ("joy", "love"), ("joy",), ("joy",))
    assert data.merged_labels == {"Joy": "joy", "JOY": "joy"}


def test_a_column_of_lists_gives_rows_with_several_labels(tmp_path):
    data = load_parquet(tmp_path / "d.parquet", text=["a", "b", "c"], labels=[["x", "y"], [], ["y", None]])
    assert data.examples.labels == (("x", "y"), (), ("y",))
    (tmp_path / "d.jsonl").write_text('{"text": "a", "labels": [3, 4]}\n{"text": "b", "labels": [4]}\n')
    assert load_examples(tmp_path / "d.jsonl", DataSettings()).examples.labels == ((3, 4), (4,))


def test_a_label_of_a_list_may_not_hold_what_stands_between_labels(tmp_path):
    with pytest.raises(DataError, match=r"the label 'x\|y' holds a '\|', which stands between labels: rename it"):
        load_parquet(tmp_path / "d.parquet", text=["a", "b"], labels=[["x|y"], ["z"]])


def test_the_label_column_of_a_sorted_file_is_guessed_by_all_of_it(load):
    rows = [f"a long text with number {number},{('odd', 'even')[number > 400]}\n" for number in range(800)]
    assert load("words,kind\n" + "".join(rows)).columns.label == "kind"


def test_a_boolean_takes_the_spelling_that_other_rows_have(tmp_path):
    path = tmp_path / "data.jsonl"
    labels = ["true", "false", True, False, 1, "1.0", "1"]
    path.write_text("".join(json.dumps({"text": "a", "label": label}) + "\n" for label in labels))
    found = load_examples(path, DataSettings()).examples.labels
    assert found == ("true", "false", "true", "false", "1", "1", "1")


def test_texts_that_differ_in_case_stay_apart(load):
    assert load("text,label\na,true\nb,True\nc,no\n").examples.labels == ("true", "True", "no")


def test_what_cannot_be_a_label_is_reported_with_its_reason(tmp_path):
    path = tmp_path / "data.jsonl"
    values = ["[1, 2]", '{"a": 1}', "[]", "null", '""', '" "', '"x"', "[[1]]"]
    path.write_text("".join(f'{{"text": "a", "label": {value}}}\n' for value in values))
    data = load_examples(path, DataSettings())
    assert [(row.line, row.reason) for row in data.bad_rows] == [
        (2, "the label is neither text nor number but dict"),
        (4, "it has no label"),
        (5, "it has no label"),
        (6, "it has no label"),
        (8, "the label is neither text nor number but list"),
    ]
    assert data.examples.labels == (("1", "2"), (), ("x",))


def test_a_missing_number_in_a_list_is_no_label(tmp_path):
    labels = [[1.0, float("nan")], [2.0, None]]
    assert load_parquet(tmp_path / "data.parquet", text=["a", "b"], label=labels).examples.labels == ((1,), (2,))


def test_infinite_numbers_are_no_labels(tmp_path):
    data = load_parquet(tmp_path / "data.parquet", text=["a", "b", "c"], label=[float("inf"), 1.0, 2.0])
    assert [row.reason for row in data.bad_rows] == ["the label is an infinite number"]
    assert data.examples.labels == (1, 2)
