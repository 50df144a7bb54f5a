"""`TextClassifier` as a scikit-learn estimator."""

import csv
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.utils import estimator_checks

from conftest import several_labels
from trifold import TextClassifier
from trifold.classifier import SETTINGS
from trifold.errors import DataError, SettingsError


@pytest.fixture(scope="module")
def data(reviews: Path) -> tuple[list[str], list[str]]:
    with reviews.open() as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


@pytest.mark.parametrize("method", ["tfidf", "features", "full"])
def test_fit_predict_save_load(
    method: str, data: tuple[list[str], list[str]], tiny_model: Path, tmp_path: Path
) -> None:
    texts, labels = data
    made = TextClassifier(method, str(tiny_model), learning_rate=3e-3, epochs=4, device="cpu").fit(
        texts[:200], labels[:200]
    )
    assert made.score(texts[200:], labels[200:]) >= 0.85
    assert made.classes_.tolist() == ["bad", "good"]
    probabilities = made.predict_proba(texts[200:])
    made.save(tmp_path / "model")
    back = TextClassifier.load(tmp_path / "model")
    assert back.method == method
    np.testing.assert_allclose(back.predict_proba(texts[200:]), probabilities, atol=1e-5)
    with pytest.raises(SettingsError, match="exists and is not empty"):
        made.save(tmp_path / "model")


def test_prompting_needs_no_more_than_a_language_model(
    data: tuple[list[str], list[str]], decoder: Path, tmp_path: Path
) -> None:
    texts, labels = data
    made = TextClassifier("prompt", llm=f"hf:{decoder}", log=tmp_path / "log", device="cpu").fit(
        texts[:60], labels[:60]
    )
    assert made.score(texts[60:100], labels[60:100]) >= 0.85
    made.save(tmp_path / "model")
    back = TextClassifier.load(tmp_path / "model")
    np.testing.assert_allclose(back.predict_proba(texts[:20]), made.predict_proba(texts[:20]), atol=1e-5)


def test_rows_with_several_labels(tmp_path: Path) -> None:
    texts, labels = zip(*several_labels(), strict=True)
    made = TextClassifier("tfidf").fit(texts[:400], [set(row) for row in labels[:400]])
    predicted = made.predict(texts[400:])
    assert predicted.shape == (80,)
    assert np.mean([found == true for found, true in zip(predicted, labels[400:], strict=True)]) > 0.8
    made.save(tmp_path / "model")
    back = TextClassifier.load(tmp_path / "model")
    assert back.predict(texts[400:]).tolist() == predicted.tolist()
    assert back.predict_proba(texts[400:]).shape == (80, 3)


def test_it_clones_and_cross_validates(data: tuple[list[str], list[str]]) -> None:
    classifier = TextClassifier("tfidf")
    assert clone(classifier).get_params() == classifier.get_params()
    assert cross_val_score(classifier, *data, cv=3).min() > 0.8


def test_integer_labels_stay_integers(data: tuple[list[str], list[str]]) -> None:
    numbers = np.array([5 if label == "good" else -5 for label in data[1]])
    predicted = TextClassifier("tfidf").fit(data[0], numbers).predict(data[0][:4])
    assert set(predicted.tolist()) <= {5, -5}
    assert np.issubdtype(predicted.dtype, np.integer)


def test_mistakes_are_told() -> None:
    with pytest.raises(NotFittedError, match="call fit or"):
        TextClassifier().predict(["a"])
    with pytest.raises(DataError, match="2 texts and 1 labels"):
        TextClassifier("tfidf").fit(["a", "b"], ["x"])
    with pytest.raises(DataError, match="text number 1 is ''"):
        TextClassifier("tfidf").fit(["a", ""], ["x", "y"])
    with pytest.raises(DataError, match="put it into a list"):
        TextClassifier("tfidf").fit("a text", ["x"])
    with pytest.raises(SettingsError, match="there is no method 'magic'"):
        TextClassifier("magic").fit(["a"] * 20, ["x", "y"] * 10)


def test_a_run_of_the_command_line_loads(reviews: Path, tmp_path: Path) -> None:
    from trifold.pipeline.finetune import finetune
    from trifold.pipeline.request import Request

    finetune(Request(reviews), "tfidf", tmp_path / "run")
    assert TextClassifier.load(tmp_path / "run").predict(["superb and moving"]).tolist() == ["good"]


def test_its_parameters_are_the_flags_with_their_defaults() -> None:
    flags = {field.name: field.default for kind in SETTINGS for field in fields(kind)}
    assert TextClassifier().get_params() == {"method": "features", **flags}


# scikit-learn leaves estimators of texts out of `check_estimator`; these of its checks need no numbers to fit on.
@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_cloneable",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
        "check_estimator_repr",
        "check_no_attributes_set_in_init",
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_mixin_order",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
    ],
)
def test_scikit_learns_own_checks(check: str) -> None:
    getattr(estimator_checks, check)("TextClassifier", TextClassifier("tfidf"))


def test_it_works_inside_pipelines_and_searches(data: tuple[list[str], list[str]]) -> None:
    texts, labels = np.array(data[0], dtype=object), np.array(data[1])
    pipeline = Pipeline([("classify", TextClassifier("tfidf"))])
    search = GridSearchCV(pipeline, {"classify__class_weight": ["none", "balanced"]}, cv=2).fit(texts, labels)
    assert search.best_score_ > 0.8
    assert search.predict_proba(texts[:3]).shape == (3, 2)
    assert search.score(texts, labels) > 0.8


def test_a_choice_that_does_not_exist_is_told_on_fit_alone() -> None:
    classifier = TextClassifier("tfidf", class_weight="heavy")
    with pytest.raises(SettingsError, match="class_weight 'heavy' is unknown: use one of none, balanced"):
        classifier.fit(["a", "b"], ["x", "y"])
