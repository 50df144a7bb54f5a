import pytest

from trifold.data.columns import Columns, find_columns
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.settings import DataSettings, TextSettings
from trifold.errors import DataError
from trifold.types import Record


def sample(**columns):
    return [
        Record(i + 2, dict(zip(columns, row, strict=True))) for i, row in enumerate(zip(*columns.values(), strict=True))
    ]


def find(rows, settings=DataSettings, **given):
    columns = find_columns(tuple(rows[0].values), rows, settings(**given))
    return columns.text, columns.label, columns.guessed


LONG = [f"{word} and much more to read" for word in "abcdef"]
KIND = ["x", "y"] * 3
NUMBER = [str(i) for i in range(6)]


@pytest.mark.parametrize(
    ("text", "label"),
    [("text", "label"), ("Review", "Sentiment"), ("sentence", "class"), ("TITLE", "stars"), ("tweet", "y")],
)
def test_usual_names_are_known_in_any_case(text, label):
    assert find(sample(**{"id": NUMBER, label: KIND, text: LONG})) == (text, label, True)


def test_the_first_of_the_usual_names_wins():
    assert find(sample(title=LONG, text=LONG, category=KIND, label=KIND))[:2] == ("text", "label")


def test_without_usual_names_the_longest_values_are_texts_and_the_repeating_ones_labels():
    assert find(sample(column1=NUMBER, words=LONG, kind=KIND)) == ("words", "kind", True)


def test_an_index_column_is_no_label():
    with pytest.raises(
        DataError, match="no label column can be guessed among 'column1', 'words': name it with --label-column"
    ):
        find(sample(column1=NUMBER, words=LONG))


def test_a_column_with_one_value_is_no_label():
    assert find(sample(source=["web"] * 6, words=LONG, kind=KIND))[1] == "kind"


def test_given_names_win_over_guesses():
    rows = sample(text=LONG, label=KIND, words=LONG, kind=KIND)
    assert find(rows, text_column="words", label_column="kind") == ("words", "kind", False)
    assert find(rows, text_column="words") == ("words", "label", True)
    assert find(rows, label_column="text")[0] != "text"


@pytest.mark.parametrize(("setting", "flag"), [("text_column", "--text-column"), ("label_column", "--label-column")])
def test_a_wrong_name_lists_the_columns_there_are(setting, flag):
    with pytest.raises(
        DataError, match=f"there is no column 'nope': the file has 'text', 'label'; name one with {flag}"
    ):
        find(sample(text=LONG, label=KIND), **{setting: "nope"})


def test_one_column_cannot_be_both():
    with pytest.raises(DataError, match="cannot hold both texts and labels: name two of 'text', 'label'"):
        find(sample(text=LONG, label=KIND), text_column="text", label_column="text")


def test_no_label_column_is_looked_for_where_only_texts_are_asked_for():
    assert find(sample(words=LONG), TextSettings) == ("words", None, True)
    assert find(sample(text=LONG, label=KIND), TextSettings, text_column="text") == ("text", None, False)


def test_columns_without_any_text_are_an_error():
    with pytest.raises(DataError, match="no text column can be guessed among 'a', 'b': name it with --text-column"):
        find(sample(a=[1, 2], b=[3, 4]))


def test_several_text_columns_are_joined_and_empty_ones_left_out():
    rows = sample(title=["Fine", " ", None], body=["It works.", "Only a body", None], label=["x", "y", "x"])
    columns = find_columns(("title", "body", "label"), rows, DataSettings(text_column="title, body"))
    assert (columns.texts, columns.text) == (("title", "body"), "title,body")
    assert [columns.text_of(row.values) for row in rows] == ["Fine\nIt works.", "Only a body", None]


def test_a_column_with_a_comma_in_its_name_is_one_column():
    rows = sample(**{"a,b": LONG, "label": KIND})
    assert find_columns(("a,b", "label"), rows, DataSettings(text_column="a,b")).texts == ("a,b",)


def test_each_of_several_columns_must_exist_and_hold_no_labels():
    rows = sample(a=LONG, b=LONG, label=KIND)
    with pytest.raises(DataError, match="no column 'c'"):
        find_columns(("a", "b", "label"), rows, DataSettings(text_column="a,c"))
    with pytest.raises(DataError, match="cannot hold both"):
        find_columns(("a", "b", "label"), rows, DataSettings(text_column="a,b", label_column="b"))


@pytest.mark.parametrize("text", ["feedback", "Description", "comment", "review", "utterance"])
def test_a_title_is_not_taken_for_the_text(text):
    titles = [f"{word} day" for word in "abcdef"]
    assert find(sample(title=titles, **{text: LONG}, label=KIND))[0] == text
    assert find(sample(subject=titles, said=LONG, label=KIND))[0] == "said"


def test_addresses_and_ids_are_no_texts_however_long():
    links = [f"https://example.com/{'very/' * 20}{i}" for i in range(6)]
    assert find(sample(link=links, said=LONG, label=KIND))[0] == "said"
    assert find(sample(link=links, title=["two words"] * 6, label=KIND))[0] == "title"


def test_a_guessed_column_is_told_of_unless_a_run_names_it(capsys):
    guessed = Columns(("review",), None, guessed=True)
    guessed.tell()
    guessed.tell(what="queries", flag="--query-column")
    guessed.tell(RecordedColumns("the run"))
    Columns(("review",), None, guessed=False).tell()
    assert capsys.readouterr().err.splitlines() == [
        "note: texts are read from column 'review'; --text-column overrides",
        "note: queries are read from column 'review'; --query-column overrides",
    ]
