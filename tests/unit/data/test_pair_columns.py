"""Two columns of a file as pairs of texts (`--task pairs`)."""

import csv
from pathlib import Path
from typing import Any

import pytest

from trifold.data.check import summarise_data
from trifold.data.examples import LoadedData, load_examples, open_rows
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.settings import DataSettings, TextSettings
from trifold.data.split import split_examples
from trifold.errors import DataError
from trifold.types import BadRow, Record, TextPair, parts_of, single_texts, two_sides

ROWS = [("A man eats.", "Somebody eats.", "yes"), ("A dog runs.", "A cat sleeps.", "no")] * 10


def written(path: Path, rows: list[tuple[Any, ...]], *names: str) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def load(path: Path, **given: Any) -> LoadedData:
    return load_examples(path, DataSettings(task="pairs", **given))


@pytest.mark.parametrize(
    ("first", "second"),
    [("sentence1", "sentence2"), ("Premise", "Hypothesis"), ("question1", "question2"), ("query", "passage"), ("text_a", "text_b")],
)  # fmt: skip
def test_the_columns_of_a_pair_are_known_by_their_names(tmp_path: Path, first: str, second: str) -> None:
    rows = [(number, a, b, label) for number, (a, b, label) in enumerate(ROWS)]
    data = load(written(tmp_path / "a.csv", rows, "id", first, second, "label"))
    assert (data.columns.texts, data.columns.label, data.columns.pair) == ((first, second), "label", True)
    assert data.examples.texts[0] == TextPair("A man eats.", "Somebody eats.")
    assert data.examples.pairs


def test_other_columns_are_named_and_an_unnamed_pair_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", ROWS, "what", "why", "label")
    assert load(path, text_column="why,what").examples.texts[0] == TextPair("Somebody eats.", "A man eats.")
    with pytest.raises(
        DataError, match="no two columns of a pair of texts can be guessed among 'what', 'why', 'label'"
    ):
        load(path)
    for given in ("what", "what,what", "what,why,label"):
        with pytest.raises(DataError, match="a pair of texts has two columns, and --text-column names 'what'"):
            load(path, text_column=given, label_column="label" if given != "what,why,label" else None)


def test_a_row_that_lacks_one_of_its_texts_is_left_out_with_the_column(tmp_path: Path) -> None:
    data = load(written(tmp_path / "a.csv", [*ROWS, ("A man eats.", " ", "no")], "sentence1", "sentence2", "label"))
    assert [row.reason for row in data.bad_rows] == ["the text is empty in column 'sentence2'"]


def test_without_the_task_one_column_is_read_and_the_pair_is_pointed_out(tmp_path: Path) -> None:
    data = load_examples(written(tmp_path / "a.csv", ROWS, "sentence1", "sentence2", "label"), DataSettings())
    assert not data.examples.pairs
    assert data.note.endswith("look like a pair of texts: --task pairs reads both")
    named = load_examples(tmp_path / "a.csv", DataSettings(text_column="sentence1,sentence2"))
    assert (named.examples.texts[0], named.note) == ("A man eats.\nSomebody eats.", "")


def test_equal_pairs_are_repeated_and_leave_training_and_swapped_ones_are_others(tmp_path: Path) -> None:
    rows = [(f"Sentence {n} here.", f"And {n} there.", "ab"[n % 2]) for n in range(40)]
    again = [*rows, *rows[:4], ("And 5 there.", "Sentence 5 here.", "a")]
    data = load(written(tmp_path / "a.csv", again, "sentence1", "sentence2", "label"))
    split = split_examples(data.examples)
    facts = summarise_data(data, split)
    assert (facts.duplicates, len(split.train.texts) + split.left_training > 0) == (4, True)
    tested = set(split.test.texts) | set(split.validation.texts)
    assert not tested & set(split.train.texts)
    assert facts.first_rows[0] == (TextPair("Sentence 0 here.", "And 0 there."), "a")


def test_new_data_are_read_like_those_of_the_run(tmp_path: Path) -> None:
    own = RecordedColumns.recorded({"pairs": True, "data": {"text_column": "what,why", "label_column": "label"}})
    path = written(tmp_path / "a.csv", [("A man eats.", "Somebody eats."), ("", "Only one")], "what", "why")
    _, columns, rows = open_rows(path, TextSettings(), own)
    first, second = list(rows)
    assert isinstance(first, Record)
    assert columns.usable_text(first.values) == TextPair("A man eats.", "Somebody eats.")
    assert isinstance(second, BadRow)
    lacking = written(tmp_path / "b.csv", [("A man eats.",)], "what")
    with pytest.raises(DataError, match="the run has its texts in the column 'why', and this file has 'what'"):
        open_rows(lacking, TextSettings(), own)


def test_a_pair_passes_where_texts_do() -> None:
    pair = TextPair(" a ", "b c")
    assert (len(pair), str(pair), pair.strip()) == (6, " a \nb c", TextPair("a", "b c"))
    assert pair.encode() != TextPair(" a b", " c").encode() != "".join(parts_of(pair)).encode()
    assert {pair: 1}[TextPair(" a ", "b c")] == 1
    assert two_sides([pair, TextPair("x", "y")]) == ([" a ", "x"], ["b c", "y"])
    with pytest.raises(DataError, match="pairs of texts were given where one text a row is read"):
        single_texts([pair])
    with pytest.raises(DataError, match="single texts were given where pairs of texts are read"):
        two_sides(["a"])
