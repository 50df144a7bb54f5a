"""`zero-shot`: no label is used, and labels that are no words are refused with the next step."""

from dataclasses import replace

import numpy as np
import pytest

from trifold.errors import SettingsError
from trifold.methods.settings import LabelSettings, MethodSettings
from trifold.methods.zero_shot import ZeroShot
from trifold.models.settings import BackboneSettings
from trifold.tasks.labels import LabelMap, describe_labels
from trifold.types import Examples

TOPICS = LabelMap(("politics", "science", "sports"))
TEXTS = ("Parliament passed the budget.", "The telescope saw a distant galaxy.", "They won the final in extra time.")


def settings(*descriptions: str) -> MethodSettings:
    return MethodSettings(
        backbone=BackboneSettings(device="cpu", offline=True), labels=LabelSettings(label_description=descriptions)
    )


def test_the_nearest_label_wins_and_shuffled_labels_change_nothing() -> None:
    nothing = Examples((), (), ())
    right = Examples((0, 1, 2), TEXTS, TOPICS.names)
    wrong = replace(right, labels=("sports", "politics", "science"))
    fits = [ZeroShot(settings()).fit(part, nothing, TOPICS) for part in (right, wrong)]
    logits = [fitted.predictor.score(TEXTS).logits for fitted in fits]
    assert logits[0].argmax(1).tolist() == [0, 1, 2]
    np.testing.assert_array_equal(logits[0], logits[1])


def test_descriptions_give_numbers_a_meaning() -> None:
    labels, part = LabelMap((0, 1)), Examples((), (), ())
    with pytest.raises(SettingsError, match="'0', '1' are no words: give --label-description 0="):
        ZeroShot(settings()).fit(part, part, labels)
    described = settings("0=a bad, disappointing film", "1=a wonderful, moving film")
    predictor = ZeroShot(described).fit(part, part, labels).predictor
    texts = ["I loved every minute of it.", "A dull and lifeless bore."]
    assert predictor.score(texts).logits.argmax(1).tolist() == [1, 0]


def test_a_description_for_no_label_is_an_error() -> None:
    with pytest.raises(SettingsError, match="'sport', which is no label"):
        describe_labels(TOPICS, {"sport": "games"})
    with pytest.raises(SettingsError, match='write LABEL="what it means"'):
        LabelSettings(label_description=("sports",))


def test_underscores_in_names_are_spaces() -> None:
    assert describe_labels(LabelMap(("world_news", "other")), {"other": "a = b"}) == ["world news", "a = b"]
