"""Weights by leaving words out, one by one and in groups, against a model whose weights are known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from trifold.explanations.deciding import chance_words, deciding_words
from trifold.explanations.explain import explain_texts
from trifold.explanations.occlusion import occlude
from trifold.explanations.settings import ExplanationSettings
from trifold.explanations.variants import Variants, log_odds
from trifold.explanations.words import find_words
from trifold.methods.contract import Predictor, Scores
from trifold.models.settings import ComputeSettings
from trifold.tasks.labels import LabelMap


class Counted(Predictor):
    """Sums known weights of words: 2 for `good`, 1 for `fine`, -1 for `bad`; counts the texts that it is asked about."""

    def __init__(self) -> None:
        self.labels = LabelMap(("no", "yes"))
        self.asked = 0

    def score(self, texts: Sequence[str]) -> Scores:
        self.asked += len(texts)
        known = {"good": 2.0, "fine": 1.0, "bad": -1.0}
        sums = np.array([[0.0, sum(known.get(word, 0.0) for word in text.split())] for text in texts])
        return Scores(sums.reshape(-1, 2).astype(np.float32), np.zeros(len(texts), dtype=bool))

    def save(self, folder: Path) -> None: ...

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> "Counted":  # noqa: ARG003
        return cls()

    def divide_logits(self, temperature: float) -> None: ...

    def size_bytes(self) -> int:
        return 0


def variants(text: str) -> Variants:
    predictor = Counted()
    return Variants(predictor, text, find_words(text, predictor.read_spans(text)), 1)


def test_weights_are_what_each_word_adds_to_the_log_odds() -> None:
    assert occlude(variants("a good but bad film"), 100) == pytest.approx([0, 2, 0, -1, 0])


def test_a_long_text_is_looked_at_in_groups_within_what_may_be_scored() -> None:
    text = " ".join(["word"] * 700 + ["good"] + ["word"] * 200 + ["bad"] + ["word"] * 98)
    found = variants(text)
    weights = occlude(found, 100)
    assert found.evaluations <= 100
    assert weights.argmax() == 700
    assert weights.argmin() == 901
    assert weights.sum() == pytest.approx(1)


def test_deciding_words_are_chosen_together_and_never_against_the_label() -> None:
    found = variants("a good and fine though bad film")
    assert deciding_words(found, occlude(found, 100), 5, 100) == [1, 3]


def test_words_drawn_by_chance_are_the_same_for_the_same_seed() -> None:
    assert chance_words(50, 5, 3, [1, 2]) == chance_words(50, 5, 3, [1, 2])
    assert all(len(set(drawn)) == 5 for drawn in chance_words(50, 5, 3, [1, 2]))


def test_log_odds_of_several_classes_are_those_of_the_softmax() -> None:
    logits = np.array([[1.0, 2.0, -1.0]])
    share = np.exp(logits[0, 1]) / np.exp(logits[0]).sum()
    assert expit(log_odds(logits, 1, multi_label=False)[0]) == pytest.approx(share)
    assert log_odds(logits, 1, multi_label=True)[0] == 2.0


@pytest.mark.parametrize("most", [20, 60, 300])
def test_an_explanation_asks_no_more_than_it_may(most: int) -> None:
    predictor = Counted()
    settings = ExplanationSettings(evaluations=most)
    one = next(explain_texts(predictor, [" ".join(["good", "word"] * 400)], settings))
    assert predictor.asked <= most
    assert one.evaluations == predictor.asked
    assert {word.text for word in one.deciding} == {"good"}
