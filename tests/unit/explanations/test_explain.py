"""What `explain_texts` says of texts, by a real model."""

import random

import numpy as np
import pytest

from conftest import BAD, GOOD, several_labels, write_reviews
from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.errors import DataError, SettingsError
from trifold.explanations.explain import explain_texts, surest_class, weigh_text
from trifold.explanations.overview import label_overviews
from trifold.explanations.settings import ExplanationSettings, RowSettings
from trifold.methods.contract import Predictor
from trifold.methods.settings import MethodSettings
from trifold.methods.tfidf import Tfidf
from trifold.tasks.labels import LabelMap
from trifold.types import Examples

PRAISE = "The film is wonderful, the plot brilliant"


def learned(examples: Examples) -> Predictor:
    split = split_examples(examples)
    return Tfidf(MethodSettings()).fit(split.train, split.validation, LabelMap.of(examples.labels)).predictor


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    path = write_reviews(tmp_path_factory.mktemp("data") / "reviews.csv")
    return learned(load_examples(path, DataSettings()).examples)


@pytest.fixture(scope="module")
def moods() -> Predictor:
    rows = several_labels(240)
    numbers = tuple(range(1, len(rows) + 1))
    return learned(Examples(numbers, tuple(text for text, _ in rows), tuple(labels for _, labels in rows)))


def test_the_words_that_decide_are_named_with_what_they_do(predictor: Predictor) -> None:
    one = next(explain_texts(predictor, [PRAISE]))
    assert one.label == one.predicted == "good"
    assert {word.text for word in one.deciding[:2]} == {"wonderful", "brilliant"}
    assert all(one.text[word.start : word.end] == word.text for word in one.words)
    assert one.drop > 0.9 > one.random_drop
    assert one.method == "weights"


def test_an_explanation_is_the_same_alone_and_among_others(predictor: Predictor) -> None:
    texts = [PRAISE, "The cast is awful, the pace tedious"]
    together = list(explain_texts(predictor, texts))
    assert together == [one for text in texts for one in explain_texts(predictor, [text])]


def test_weights_of_a_linear_model_sum_to_its_logit(predictor: Predictor) -> None:
    number, words = weigh_text(predictor, PRAISE, 100)
    nothing = predictor.score(["zzz"]).logits[0]
    found = predictor.score([PRAISE]).logits[0]
    other = 1 - number
    expected = (found[number] - found[other]) - (nothing[number] - nothing[other])
    assert sum(word.weight for word in words) == pytest.approx(expected, abs=1e-4)


def test_another_label_is_explained_where_it_is_asked_for(predictor: Predictor) -> None:
    one = next(explain_texts(predictor, [PRAISE], ExplanationSettings(label="bad")))
    assert one.label == "bad"
    assert not one.given
    assert not {word.text for word in one.deciding} & set(GOOD)


def test_of_several_labels_the_surest_is_explained(moods: Predictor) -> None:
    one = next(explain_texts(moods, ["film wonderful cast number 3"], ExplanationSettings(label="praise")))
    assert one.deciding[0].text == "wonderful"
    assert next(explain_texts(moods, ["film wonderful number 3"])).label == "praise"
    assert surest_class(moods.labels, np.array([-9.0, -11.0, -10.0])) == 0


def test_a_label_or_text_that_cannot_be_is_refused(predictor: Predictor) -> None:
    with pytest.raises(SettingsError, match=r"there is no label 'goood' \(did you mean 'good'\?\): this model knows"):
        next(explain_texts(predictor, [PRAISE], ExplanationSettings(label="goood")))
    with pytest.raises(DataError, match="the text is empty"):
        next(explain_texts(predictor, [" "]))


@pytest.mark.parametrize(
    "text", ["?", "😀😡", "مراجعة سلبية رائعة", "word " * 2_000, "\x00\x1b[31m good", "a" * 50_000]
)
def test_odd_texts_are_explained(predictor: Predictor, text: str) -> None:
    one = next(explain_texts(predictor, [text]))
    assert 0 <= one.probability_without <= 1
    assert len(one.deciding) <= 5


def test_the_words_of_each_label_are_found_in_many_texts(predictor: Predictor) -> None:
    rng = random.Random(1)
    texts = [f"The film is {rng.choice(words)} at number {n}" for n in range(30) for words in (GOOD, BAD)]
    labels = label_overviews((weigh_text(predictor, text, 100) for text in texts), predictor.labels.names, 1, 10)
    assert [label.label for label in labels] == ["bad", "good"]
    assert {word.text for word in labels[0].words[:3]} <= set(BAD)
    assert {word.text for word in labels[1].words[:3]} <= set(GOOD)
    assert sum(label.texts for label in labels) == len(texts)


def test_rows_are_numbers_and_one_choice() -> None:
    assert RowSettings(rows="5, 1,5").numbers == (5, 1)
    for wrong in ("a", "0", "1;2", "", "-1", "²"):
        with pytest.raises(SettingsError, match="--rows"):
            RowSettings(rows=wrong)
    with pytest.raises(SettingsError, match="--rows with --mistakes is not allowed"):
        RowSettings(rows="1", mistakes=True)
    with pytest.raises(SettingsError, match="--most is for"):
        RowSettings(sample=3, most=2)
