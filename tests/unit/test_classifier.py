"""`TextClassifier` as a scikit-learn estimator."""

import copy
import csv
import ctypes
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline

from conftest import several_labels
from trifold import TextClassifier
from trifold.artifact.run_record import read_run_record
from trifold.data.settings import LabelledSettings
from trifold.errors import ArtifactError, DataError, SettingsError
from trifold.methods.settings import HeadSettings, MethodSettings
from trifold.models.settings import BackboneSettings
from trifold.pipeline.bench import bench
from trifold.pipeline.export import export
from trifold.pipeline.finetune import finetune
from trifold.pipeline.request import Request
from trifold.train.settings import TrainSettings

EVEN_CLASSES = pytest.mark.filterwarnings("ignore:class_weight balanced changes nothing")


@pytest.fixture(scope="module")
def data(reviews: Path) -> tuple[list[str], list[str]]:
    with reviews.open() as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


@pytest.mark.filterwarnings("ignore:a learning rate")
@pytest.mark.parametrize("method", ["tfidf", "features", "full"])
def test_fit_predict_save_load(
    method: str, data: tuple[list[str], list[str]], tiny_model: Path, tmp_path: Path
) -> None:
    texts, labels = data
    own = {} if method == "tfidf" else {"model": str(tiny_model), "learning_rate": 3e-3, "epochs": 4, "device": "cpu"}
    made = TextClassifier(method, **own).fit(texts[:200], labels[:200])
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


def test_a_run_of_the_command_line_loads_with_its_own_parameters(
    reviews: Path, tiny_model: Path, tmp_path: Path
) -> None:
    request = Request(
        reviews,
        backbone=BackboneSettings(model=str(tiny_model), max_length=32, precision="float32"),
        train=TrainSettings(epochs=3, class_weight="balanced"),
        head=HeadSettings(head="mlp"),
    )
    finetune(request, "features", tmp_path / "run")
    loaded = TextClassifier.load(tmp_path / "run")
    assert loaded.predict(["superb and moving"]).tolist() == ["good"]
    assert loaded.get_params() == {"method": "features", "verbose": False, **request.method_settings.named()}
    loaded.save(tmp_path / "again")
    assert TextClassifier.load(tmp_path / "again").get_params() == loaded.get_params()


def test_a_folder_has_no_say_in_whom_to_ask_or_tell(data: tuple[list[str], list[str]], tmp_path: Path) -> None:
    given = {"llm": "openai:http://example.com#m", "api_key_env": "SECRET", "log": tmp_path / "log"}
    with pytest.warns(UserWarning, match="tfidf does not use llm, api_key_env, log"):
        TextClassifier("tfidf", **given).fit(*data).save(tmp_path / "model")
    loaded, plain = TextClassifier.load(tmp_path / "model").get_params(), TextClassifier().get_params()
    assert all(loaded[name] == plain[name] for name in given)


@pytest.mark.parametrize("settings", [{"epochs": "many"}, {"head": "hydra"}, {"cloze": []}, ["epochs"], {"epochs": -1}])
def test_damaged_settings_are_told(settings: Any, data: tuple[list[str], list[str]], tmp_path: Path) -> None:
    from trifold.artifact.manifest import write_manifest

    TextClassifier("tfidf").fit(*data).save(tmp_path / "model")
    facts = {**read_run_record(tmp_path / "model").as_json(), "settings": settings}
    (tmp_path / "model" / "run.json").write_text(json.dumps(facts))
    write_manifest(tmp_path / "model")
    with pytest.raises(ArtifactError, match=r"the settings in .*run.json are damaged|run.json is damaged .settings"):
        TextClassifier.load(tmp_path / "model")


def test_its_parameters_are_the_flags_with_their_defaults() -> None:
    assert TextClassifier().get_params() == {"method": "features", "verbose": False, **MethodSettings().named()}


@EVEN_CLASSES
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


TRAINED = ("features", "zero-shot", "full", "adapter-lora", "adapter-bottleneck", "contrastive")


@pytest.fixture(scope="module", params=("tfidf", *TRAINED))
def trained(request: pytest.FixtureRequest, data: tuple[list[str], list[str]], tiny_model: Path) -> TextClassifier:
    texts, labels = data[0][:60], data[1][:60]
    own: dict[str, Any] = {"model": str(tiny_model), "precision": "float32", "max_length": 32}
    own |= {"epochs": 1} if request.param != "zero-shot" else {}
    return TextClassifier(request.param, **({} if request.param == "tfidf" else own)).fit(texts, labels)


def test_a_pickle_here_or_in_another_process_says_the_same(
    trained: TextClassifier, data: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    expected = trained.predict_proba(data[0][60:80])
    if trained.method in ("tfidf", "full"):
        joblib.dump((trained, data[0][60:80]), tmp_path / "pickle")
        script = (
            "import sys, joblib, numpy; c, x = joblib.load(sys.argv[1]); numpy.save(sys.argv[2], c.predict_proba(x))"
        )
        subprocess.run([sys.executable, "-c", script, tmp_path / "pickle", tmp_path / "found.npy"], check=True)
        np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, atol=1e-6)
    back = pickle.loads(pickle.dumps(trained))
    assert back.get_params() == trained.get_params()
    assert back.classes_.tolist() == trained.classes_.tolist()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(back)).predict_proba(data[0][60:80]), expected)


def test_what_was_saved_says_the_same_to_the_bit(
    trained: TextClassifier, data: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    trained.save(tmp_path / "model")
    back = TextClassifier.load(tmp_path / "model")
    assert back.get_params() == trained.get_params()
    np.testing.assert_array_equal(back.predict_proba(data[0][60:80]), trained.predict_proba(data[0][60:80]))


def test_files_of_a_pickle_go_when_it_goes(data: tuple[list[str], list[str]], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    back = pickle.loads(pickle.dumps(TextClassifier("tfidf").fit(*data)))
    assert len(list(tmp_path.iterdir())) == 1
    del back
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("method", ["features", "full", "adapter-lora"])
def test_searches_and_cross_validation_hand_estimators_from_process_to_process(
    method: str, data: tuple[list[str], list[str]], tiny_model: Path
) -> None:
    texts, labels = np.array(data[0][:60], dtype=object), np.array(data[1][:60])
    classifier = TextClassifier(method, str(tiny_model), epochs=1, max_length=32, device="cpu")
    search = GridSearchCV(classifier, {"seed": [1, 2]}, cv=2, n_jobs=2).fit(texts, labels)
    again = clone(classifier).set_params(**search.best_params_).fit(texts, labels)
    np.testing.assert_array_equal(search.predict_proba(texts), again.predict_proba(texts))
    found = cross_validate(classifier, texts, labels, cv=2, n_jobs=2, return_estimator=True)
    folds = StratifiedKFold(2).split(texts, labels)
    for one, (_, test), score in zip(found["estimator"], folds, found["test_score"], strict=True):
        assert one.score(texts[test], labels[test]) == score


def test_copies_say_the_same(trained: TextClassifier, data: tuple[list[str], list[str]]) -> None:
    expected = trained.predict_proba(data[0][60:80])
    for again in (copy.copy(trained), copy.deepcopy(trained)):
        np.testing.assert_array_equal(again.predict_proba(data[0][60:80]), expected)
    assert not clone(trained).__sklearn_is_fitted__()


def test_one_that_is_not_fitted_is_copied_with_its_parameters() -> None:
    classifier = TextClassifier("full", epochs=3, label_description=("a=b",))
    for again in (clone(classifier), copy.deepcopy(classifier), pickle.loads(pickle.dumps(classifier))):
        assert again.get_params() == classifier.get_params()
        assert not again.__sklearn_is_fitted__()


def test_an_unknown_parameter_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TypeError, match=r"TextClassifier has no parameter 'epoch' .*: it has method, device, "):
        TextClassifier(epoch=3)


@EVEN_CLASSES
def test_searches_take_several_processes(data: tuple[list[str], list[str]], tiny_model: Path) -> None:
    texts, labels = np.array(data[0][:80], dtype=object), np.array(data[1][:80])
    classifier = TextClassifier("features", str(tiny_model), head="logistic", max_length=32)
    assert len(cross_val_score(classifier, texts, labels, cv=2, n_jobs=2)) == 2
    search = GridSearchCV(classifier, {"class_weight": ["none", "balanced"]}, cv=2, n_jobs=2).fit(texts, labels)
    assert search.best_estimator_.predict(texts[:3]).shape == (3,)


class Heap(ctypes.Structure):
    """glibc's `mallinfo2`."""

    _fields_ = [(name, ctypes.c_size_t) for name in ("arena", "free", "small", "mapped", *"abcdef")]


def mapped_blocks() -> int:
    read = ctypes.CDLL(None).mallinfo2
    read.restype = Heap
    return int(read().mapped)


def process_state() -> dict[str, Any]:
    import transformers

    return {
        "environment": dict(os.environ),
        "threads": torch.get_num_threads(),
        "denormal": (torch.tensor(1e-310, dtype=torch.float64) * 1.0).item() > 0,
        "attention": torch.backends.cuda.cudnn_sdp_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),
        "torch": torch.get_rng_state().tolist(),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "warnings": list(warnings.filters),
        "verbosity": transformers.logging.get_verbosity(),
        "progress": transformers.utils.logging.is_progress_bar_enabled(),
        "fields": csv.field_size_limit(),
    }


@pytest.mark.parametrize("method", ["features", "full"])
def test_it_leaves_the_process_as_it_was(
    method: str, data: tuple[list[str], list[str]], tiny_model: Path, tmp_path: Path
) -> None:
    import transformers

    torch.set_num_threads(1 + torch.get_num_threads())
    transformers.utils.logging.enable_progress_bar()
    torch.set_flush_denormal(False)
    torch.backends.cuda.enable_cudnn_sdp(True)
    before = process_state()
    made = TextClassifier(method, str(tiny_model), epochs=1, max_length=32).fit(data[0][:60], data[1][:60])
    assert process_state() == before
    made.predict(data[0][:5])
    made.save(tmp_path / "model")
    TextClassifier.load(tmp_path / "model").predict(data[0][:5])
    pickle.loads(pickle.dumps(made))
    assert process_state() == before
    torch.set_num_threads(torch.get_num_threads() - 1)


@pytest.mark.skipif(sys.platform != "linux", reason="asks glibc what it mapped")
def test_large_arrays_go_back_to_the_system_afterwards(data: tuple[list[str], list[str]], tiny_model: Path) -> None:
    TextClassifier("features", str(tiny_model), head="logistic", max_length=32).fit(data[0][:60], data[1][:60])
    before = mapped_blocks()
    # Larger than what other tests of this process may have left free in the heap.
    kept = np.ones(1 << 26)
    assert mapped_blocks() == before + 1, "a block of its own, which goes back when it is freed"
    del kept


@pytest.mark.parametrize(
    "labels",
    [
        np.array([5, -5], dtype=np.int16),
        np.array([True, False]),
        [True, False],
        np.array(["good", "bad"]),
        np.array(["good", "bad"], dtype=object),
        [7, 8],
    ],
    ids=str,
)
def test_predicted_labels_have_the_type_that_was_given(
    labels: Any, data: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    given = [labels[int(label == "bad")] for label in data[1]]
    given = np.array(given, dtype=labels.dtype) if isinstance(labels, np.ndarray) else given
    made = TextClassifier("tfidf").fit(data[0], given)
    made.save(tmp_path / "model")
    for one in (made, TextClassifier.load(tmp_path / "model"), pickle.loads(pickle.dumps(made))):
        found = one.predict(data[0])
        assert found.dtype == np.asarray(given).dtype
        assert (found == np.asarray(given)).mean() > 0.9
        assert one.score(data[0], given) > 0.9


def test_a_table_of_several_columns_is_refused_and_one_column_is_read_row_by_row(
    data: tuple[list[str], list[str]],
) -> None:
    made, texts = TextClassifier("tfidf").fit(*data), np.array(data[0][:3], dtype=object)
    assert made.predict(texts[:, None]).shape == (3,)
    for ask in (made.predict, made.predict_proba, lambda given: made.score(given, data[1][:3])):
        with pytest.raises(DataError, match="one row for each is wanted"):
            ask(np.stack([texts, texts, texts], axis=1))
        with pytest.raises(DataError, match="fit was given single texts, and these are pairs of texts"):
            ask(np.stack([texts, texts], axis=1))
        with pytest.raises(DataError, match="a dict was given"):
            ask({"text": texts, "label": texts, "id": texts})
    assert made.predict([]).shape == (0,)
    assert made.predict_proba([]).shape == (0, 2)


def test_the_score_of_several_labels_a_row_is_the_share_of_rows_that_are_wholly_right() -> None:
    texts, labels = zip(*several_labels(), strict=True)
    made = TextClassifier("tfidf").fit(texts[:400], labels[:400])
    answers = [set(row) for row in made.predict(texts[400:])]
    right = np.array([answer == set(row) for answer, row in zip(answers, labels[400:], strict=True)])
    assert made.score(texts[400:], [list(row) for row in labels[400:]]) == right.mean()
    weights = np.arange(80)
    assert made.score(texts[400:], labels[400:], sample_weight=weights) == pytest.approx(
        np.average(right, weights=weights)
    )


def test_labels_of_another_type_are_not_a_score_of_nothing(data: tuple[list[str], list[str]]) -> None:
    made = TextClassifier("tfidf").fit(data[0], [int(label == "good") for label in data[1]])
    with pytest.raises(DataError, match="the model knows none of the labels given: it knows 0, 1, of this very type"):
        made.score(data[0], [str(int(label == "good")) for label in data[1]])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["x"] * 20, "every row has the label 'x'"),
        (["x", "y"], "2 usable rows: give at least 10|2 rows"),
        (["x", None] * 10, "label number 1 is missing"),
        (["x", 1] * 10, "of several types"),
    ],
)
def test_labels_that_make_no_task_are_told(labels: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        TextClassifier("tfidf").fit([f"text {i}" for i in range(len(labels))], labels)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": "3"}, "epochs '3' is not allowed: give int or None"),
        ({"cache": 1}, "cache 1 is not allowed: give bool"),
        ({"max_length": 2.5}, "max_length 2.5 is not allowed: give int"),
        ({"seed": True}, "seed True is not allowed: give int"),
        ({"label_description": "a=b"}, "label_description 'a=b' is not allowed: give tuple"),
    ],
)
def test_a_parameter_of_another_type_is_told_before_anything_is_read(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        TextClassifier("full", **given).fit([], [])


def test_parameters_of_numpys_types_are_saved_as_numbers(data: tuple[list[str], list[str]], tmp_path: Path) -> None:
    TextClassifier("tfidf", seed=np.int64(7)).fit(*data).save(tmp_path / "model")  # type: ignore[arg-type]
    assert json.loads((tmp_path / "model" / "run.json").read_text())["settings"]["seed"] == 7


def test_a_parameter_that_the_method_does_not_use_is_warned_of(data: tuple[list[str], list[str]]) -> None:
    with pytest.warns(UserWarning, match="tfidf does not use epochs, adapter_size$"):
        made = TextClassifier("tfidf", epochs=7, adapter_size=3).fit(*data)
    assert made.get_params()["epochs"] == 7


def test_what_was_saved_is_exported_and_measured(
    data: tuple[list[str], list[str]], reviews: Path, tiny_model: Path, tmp_path: Path
) -> None:
    made = TextClassifier("features", str(tiny_model), head="logistic", max_length=32).fit(*data)
    made.save(tmp_path / "model")
    found = export(tmp_path / "model", tmp_path / "graph", max_drop=100, data=reviews, reading=LabelledSettings())
    assert found.rows == 240
    again = TextClassifier.load(tmp_path / "graph")
    np.testing.assert_allclose(again.predict_proba(data[0]), made.predict_proba(data[0]), atol=0.02)
    assert pickle.loads(pickle.dumps(again)).predict(data[0][:3]).tolist() == again.predict(data[0][:3]).tolist()
    with pytest.raises(DataError, match=r"was not trained on a file: .*--data FILE"):
        export(tmp_path / "model", tmp_path / "other")
    with pytest.raises(DataError, match="was not trained on a file: name a file with texts"):
        bench(tmp_path / "model", None, 0.1)


def test_words_alone_are_measured_too(data: tuple[list[str], list[str]], reviews: Path, tmp_path: Path) -> None:
    TextClassifier("tfidf").fit(*data).save(tmp_path / "model")
    assert [engine.engine for engine in bench(tmp_path / "model", reviews, 0.1).engines] == ["scikit-learn"]


@EVEN_CLASSES
def test_what_scikit_learn_asks_of_any_estimator(data: tuple[list[str], list[str]]) -> None:
    classifier = TextClassifier("tfidf", class_weight="balanced")
    before = classifier.get_params()
    assert classifier.fit(*data) is classifier
    assert classifier.get_params() == before
    state = {name: value for name, value in vars(classifier).items() if name != "_predictor"}
    first = classifier.predict_proba(data[0])
    after = {name: value for name, value in vars(classifier).items() if name != "_predictor"}
    assert repr(after) == repr(state), "predicting changes nothing"
    np.testing.assert_array_equal(classifier.fit(*data).predict_proba(data[0]), first)
    np.testing.assert_array_equal(first[::-1], classifier.predict_proba(data[0][::-1]))
    assert not clone(classifier).__sklearn_is_fitted__()
    for ask in ("predict", "predict_proba", "score", "save"):
        arguments = {"score": (["a"], ["x"]), "save": ("folder",)}.get(ask, (["a"],))
        with pytest.raises(NotFittedError):
            getattr(clone(classifier), ask)(*arguments)


def test_a_language_model_is_said_to_know_no_labels(data: tuple[list[str], list[str]], tmp_path: Path) -> None:
    TextClassifier("tfidf").fit(*data).save(tmp_path / "model")
    facts = {**read_run_record(tmp_path / "model").as_json(), "method": "pretrain"}
    (tmp_path / "model" / "run.json").write_text(json.dumps(facts))
    with pytest.raises(ArtifactError, match="is a run of a language model, which knows no labels"):
        TextClassifier.load(tmp_path / "model")


def test_a_threshold_is_for_several_labels_a_row(data: tuple[list[str], list[str]]) -> None:
    texts, labels = data
    with pytest.raises(SettingsError, match=r"threshold 0\.3 is not allowed: it is for rows with several labels"):
        TextClassifier("tfidf", threshold=0.3).fit(texts, labels)
    several = [(label, "any") if number % 2 else (label,) for number, label in enumerate(labels)]
    found = TextClassifier("tfidf", threshold=0.3).fit(texts, several)
    sure = found.predict_proba(texts) >= 0.3
    assert [set(answer) for answer in found.predict(texts)] == [set(found.classes_[row]) for row in sure]
