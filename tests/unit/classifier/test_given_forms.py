"""What `TextClassifier` takes: tables, columns, indicator matrices; and how it speaks to Python."""

import csv
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.metrics import f1_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline

from conftest import several_labels
from trifold import TextClassifier
from trifold.errors import DataError, SettingsError
from trifold.events import Event, Message, sending_to

Data = tuple[list[str], list[str]]


@pytest.fixture(scope="module")
def data(reviews: Path) -> Data:
    with reviews.open() as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


@pytest.fixture(scope="module")
def pandas() -> Any:
    return pytest.importorskip("pandas")


def test_tables_of_one_column_and_series(data: Data, pandas: Any) -> None:
    frame = pandas.DataFrame({"review": data[0], "label": data[1]}, index=range(1_000, 1_000 + len(data[0])))
    made = TextClassifier("tfidf").fit(frame[["review"]], frame[["label"]])
    assert (made.n_features_in_, made.feature_names_in_.tolist()) == (1, ["review"])
    expected = made.predict(data[0]).tolist()
    for given in (frame["review"], frame[["review"]], frame["review"].to_numpy(), frame[["review"]].to_numpy()):
        assert made.predict(given).tolist() == expected
    assert made.score(frame[["review"]], frame["label"]) > 0.9
    with pytest.raises(DataError, match="the texts come in the column 'text', and fit had 'review': rename it"):
        made.predict(pandas.DataFrame({"text": data[0]}))
    again = made.fit(data[0], data[1])
    assert not hasattr(again, "feature_names_in_")


def test_a_table_of_several_columns_is_refused_with_their_names(data: Data, pandas: Any) -> None:
    frame = pandas.DataFrame({"id": range(len(data[0])), "review": data[0], "label": data[1]})
    with pytest.raises(DataError, match=r"a table of 3 columns \('id', 'review', 'label'\): give a list of texts, or"):
        TextClassifier("tfidf").fit(frame, frame["label"])
    with pytest.raises(ValueError, match="a table of 3 columns"):
        TextClassifier("tfidf").fit(pa.Table.from_pandas(frame), data[1])


def test_a_column_of_labels_among_the_texts_is_no_second_text(data: Data, pandas: Any) -> None:
    numbers = [int(label == "good") for label in data[1]]
    frame = pandas.DataFrame({"text": data[0], "label": numbers})
    message = (
        r"two columns \('text', 'label'\) are read as pairs of texts, and 'label' holds no text: for single texts give "
        r"one column, such as frame\['text'\], and labels by themselves"
    )
    with pytest.raises(DataError, match=message):
        TextClassifier("tfidf").fit(frame, frame["label"])
    with pytest.raises(DataError, match=r"two columns \(0, 1\) .*, and 1 holds no text: .* array\[:, 0\]"):
        TextClassifier("tfidf").fit(frame.to_numpy(), numbers)
    made = TextClassifier("tfidf").fit(frame["text"], frame["label"])
    with pytest.raises(DataError, match=message):
        made.predict(frame)
    words = pandas.DataFrame({"text": data[0], "label": data[1]})
    with pytest.raises(DataError, match="read as pairs of texts, and one of them is the labels: give the column of"):
        TextClassifier("tfidf").fit(words, words["label"])


def test_arrows_tables(data: Data) -> None:
    table = pa.table({"text": data[0]})
    made = TextClassifier("tfidf").fit(table, pa.chunked_array([data[1]]))
    assert made.feature_names_in_.tolist() == ["text"]
    assert made.predict(table.column("text")).tolist() == made.predict(table).tolist()


@pytest.mark.parametrize("kind", ["bool", "boolean", "Int64", "category", "string"])
def test_labels_of_pandas_own_types(kind: str, data: Data, pandas: Any) -> None:
    given = {"bool": [x == "good" for x in data[1]], "Int64": [5 * (x == "good") for x in data[1]]}
    given["boolean"] = given["bool"]
    labels = pandas.Series(given.get(kind, data[1])).astype(kind)
    made = TextClassifier("tfidf").fit(data[0], labels)
    assert set(made.classes_.tolist()) == set(labels.tolist())
    assert made.score(data[0], labels) > 0.9


def indicator(rows: int = 480) -> tuple[list[str], np.ndarray, tuple[str, ...]]:
    texts, labels = zip(*several_labels(rows), strict=True)
    names = ("praise", "blame", "cast", "never")
    return list(texts), np.array([[int(name in row) for name in names] for row in labels]), names


@pytest.mark.parametrize("form", ["numpy", "bool", "sparse", "pandas"])
def test_an_indicator_matrix_comes_back_as_one(form: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    texts, matrix, names = indicator()
    given: Any = {"numpy": matrix, "bool": matrix.astype(bool), "sparse": csr_matrix(matrix)}.get(form)
    if form == "pandas":
        given = request.getfixturevalue("pandas").DataFrame(matrix, columns=names)
    made = TextClassifier("tfidf").fit(texts[:400], given[:400])
    assert made.classes_.tolist() == (list(names) if form == "pandas" else [0, 1, 2, 3])
    predicted = made.predict(texts[400:])
    assert predicted.shape == (80, 4)
    assert f1_score(matrix[400:], predicted, average="micro") > 0.9
    assert made.score(texts[400:], matrix[400:]) == (predicted == matrix[400:]).all(axis=1).mean()
    assert made.predict_proba(texts[400:])[:, 3].tolist() == [0.0] * 80, "no row had it"
    made.save(tmp_path / "model")
    for again in (TextClassifier.load(tmp_path / "model"), pickle.loads(pickle.dumps(made))):
        np.testing.assert_array_equal(again.predict(texts[400:]), predicted)
        assert again.classes_.tolist() == made.classes_.tolist()


def test_an_indicator_matrix_is_cross_validated() -> None:
    texts, matrix, _ = indicator(240)
    scores = cross_val_score(TextClassifier("tfidf"), np.array(texts, dtype=object), matrix, cv=2, scoring="f1_micro")
    assert scores.min() > 0.8


def test_columns_of_labels_that_are_no_indicator_are_refused(data: Data, pandas: Any) -> None:
    frame = pandas.DataFrame({"first": data[1], "second": data[1]})
    with pytest.raises(DataError, match=r"several columns \('first', 'second'\) of other values than 0 and 1"):
        TextClassifier("tfidf").fit(data[0], frame)
    with pytest.raises(DataError, match="of other values than 0 and 1"):
        TextClassifier("tfidf").fit(data[0], np.arange(2 * len(data[0])).reshape(-1, 2))


def test_pipelines_that_give_tables(data: Data, pandas: Any) -> None:
    frame = pandas.DataFrame({"id": range(len(data[0])), "review": data[0]})
    choose = ColumnTransformer([("text", "passthrough", ["review"])], verbose_feature_names_out=False)
    pipeline = Pipeline([("choose", choose), ("classify", TextClassifier("tfidf"))]).set_output(transform="pandas")
    assert pipeline.fit(frame, data[1]).score(frame, data[1]) > 0.9
    assert pipeline["classify"].feature_names_in_.tolist() == ["review"]


def test_errors_name_parameters_and_not_flags(data: Data) -> None:
    with pytest.raises(SettingsError, match=r"^epochs 0 is not allowed: give 1 or more, to 100,000$"):
        TextClassifier("full", epochs=0).fit(*data)
    with pytest.raises(ValueError, match=r"^learning_rate -1\.0 is not allowed"):
        TextClassifier("full", learning_rate=-1).fit(*data)
    with pytest.raises(SettingsError, match=r"cache_gigabytes -1\.0 is not allowed: give more, or cache=False"):
        TextClassifier("features", cache_gigabytes=-1).fit(*data)
    with pytest.raises(SettingsError, match="precision bfloat16 with engine onnx is not allowed"):
        TextClassifier("features", engine="onnx", precision="bfloat16").fit(*data)
    with pytest.raises(SettingsError, match="timeout_seconds inf is not allowed: give a finite number"):
        TextClassifier("prompt", timeout_seconds=float("inf")).fit(*data)
    with pytest.raises(TypeError, match=r"has no parameter 'epoch' \(did you mean 'epochs'\?\)"):
        TextClassifier(epoch=3)


class Collected:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def send(self, event: Event) -> None:
        self.events.append(event)


def test_it_is_silent_unless_it_is_to_be_verbose(
    data: Data, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own: dict[str, Any] = {"model": str(tiny_model), "epochs": 1, "max_length": 32, "head": "logistic"}
    own.pop("epochs")
    made = TextClassifier("features", **own).fit(*data)
    made.predict(data[0])
    assert capsys.readouterr() == ("", "")
    made.set_params(verbose=True).fit(*data)
    assert "layer" in capsys.readouterr().err
    sink = Collected()
    with sending_to(sink):
        clone(made).set_params(verbose=False).fit(*data)
    assert any(isinstance(event, Message) for event in sink.events), "a sink that was named hears all"


def test_what_is_unusual_comes_as_a_warning(data: Data, tiny_model: Path) -> None:
    own: dict[str, Any] = {"model": str(tiny_model), "epochs": 1, "max_length": 32, "precision": "float32"}
    with pytest.warns(UserWarning, match=r"a learning rate of 0\.5 is high for full"):
        TextClassifier("full", learning_rate=0.5, **own).fit(*data)


@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_lists_of_0_and_1_are_an_indicator_matrix(kind: Any) -> None:
    rows = several_labels()
    texts = [text for text, _ in rows]
    names = sorted({name for _, found in rows for name in found})
    nested = [[int(name in found) for name in names] for _, found in rows]
    expected = TextClassifier("tfidf").fit(texts, np.array(nested)).predict(texts[:20])
    made = TextClassifier("tfidf").fit(texts, kind(nested))
    assert made.predict(texts[:20]).tolist() == expected.tolist()
    assert made.score(texts, nested) == made.score(texts, np.array(nested))


def test_pairs_of_0_and_1_may_be_two_things(data: Data) -> None:
    texts, pairs = data[0][:40], [[1, 0], [0, 1]] * 20
    with pytest.raises(DataError, match=r"every row of the labels lists 0 and 1.*np\.array\(y\), or .* as a set"):
        TextClassifier("tfidf").fit(texts, pairs)
    made = TextClassifier("tfidf").fit(texts, np.array(pairs))
    assert made.score(texts, pairs) == made.score(texts, np.array(pairs))
    assert TextClassifier("tfidf").fit(texts, [[1, 1], *pairs[1:]]).predict(texts).shape == (40, 2)


def test_lists_of_other_labels_stay_lists_of_labels(data: Data) -> None:
    made = TextClassifier("tfidf").fit(data[0][:40], [[1, 2], [2, 3], [3, 1], [1, 0]] * 10)
    assert made.classes_.tolist() == [0, 1, 2, 3]
    assert isinstance(made.predict(data[0][:1])[0], tuple)


@pytest.mark.parametrize("method", [None, 5, ["tfidf"]])
def test_a_method_that_is_no_name_is_refused(method: Any, data: Data) -> None:
    with pytest.raises(SettingsError, match=r"there is no method .*: choose one of tfidf, "):
        TextClassifier(method=method).fit(*data)


def test_advice_on_labels_names_no_flag(data: Data) -> None:
    with pytest.raises(DataError, match=r"give rows of at least two classes, or give another column as y$"):
        TextClassifier("tfidf").fit(data[0], ["good"] * len(data[0]))
    with pytest.raises(DataError, match=r"this is probably not the label column; give that one as y$"):
        TextClassifier("tfidf").fit(data[0], list(range(len(data[0]))))
