"""Texts to predictions, on a run that tells two words apart."""

from pathlib import Path

import pytest

from trifold import TextClassifier
from trifold.errors import ArtifactError, DataError
from trifold.inference.predict import predict_texts, score_texts
from trifold.inference.run import Run, load_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    texts = [f"the {word} film number {number}" for number, word in enumerate(["superb", "dull"] * 20)]
    folder: Path = tmp_path_factory.mktemp("runs") / "run"
    TextClassifier("tfidf").fit(texts, ["good", "bad"] * 20).save(folder)
    return load_run(folder)


def test_a_prediction_is_the_most_probable_label_with_its_probability(run: Run) -> None:
    [found] = predict_texts(run.predictor, ["a superb film"])
    assert found.label == "good"
    assert found.probability == found.probabilities["good"] == max(found.probabilities.values())
    assert sum(found.probabilities.values()) == pytest.approx(1)
    assert not found.truncated


def test_a_model_that_is_not_sure_enough_gives_no_label(run: Run) -> None:
    [found] = predict_texts(run.predictor, ["neither word stands here"], reject_below=0.99)
    assert found.label is None


def test_a_text_without_a_word_is_refused(run: Run) -> None:
    with pytest.raises(DataError, match="give a text with at least one word"):
        predict_texts(run.predictor, ["a film", " "])


def test_no_texts_have_no_scores(run: Run) -> None:
    assert score_texts(run.predictor, []).logits.shape == (0, 2)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is no run folder"):
        load_run(tmp_path / "none")
