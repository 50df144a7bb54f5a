"""`tfidf`: words where they serve, characters where they do not."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from trifold.data.split import split_examples
from trifold.methods.contract import Fitted
from trifold.methods.settings import MethodSettings
from trifold.methods.tfidf import Tfidf, TfidfPredictor
from trifold.models.settings import ComputeSettings
from trifold.tasks.labels import LabelMap
from trifold.types import Examples

CHINESE = (("这部电影", "昨天的演出", "新开的餐厅", "这本书"), ("真的", "总的来说", "确实", ""))
PRAISE, BLAME = ("非常精彩", "值得一看", "令人满意"), ("非常糟糕", "不值得买", "令人失望")


def chinese(rng: random.Random, good: bool) -> str:
    return "".join((*map(rng.choice, CHINESE), rng.choice(PRAISE if good else BLAME), rng.choice("了吧呢啊")))


def emoji(rng: random.Random, good: bool) -> str:
    return "".join(rng.sample("🚗🌍🐶🍕🏠🎈📚🎵", 5)) + rng.choice("😀😍🎉" if good else "😡😢💀")


def emoji_among_words(rng: random.Random, good: bool) -> str:
    return f"film number {rng.randrange(1000)} {'😀' if good else '😡'}"


def english(rng: random.Random, good: bool) -> str:
    return f"the {rng.choice(('film', 'plot'))} was {'superb' if good else 'awful'}, number {rng.randrange(1000)}"


def learned(write, rows: int = 240) -> tuple[Fitted, float, Examples]:
    rng = random.Random(0)
    labels = tuple(i % 2 for i in range(rows))
    split = split_examples(Examples(tuple(range(rows)), tuple(write(rng, bool(i)) for i in labels), labels))
    known = LabelMap.of(labels)
    fitted = Tfidf(MethodSettings()).fit(split.train, split.validation, known)
    right = fitted.predictor.score(split.test.texts).logits.argmax(1) == known.encode(split.test.labels)
    return fitted, float(right.mean()), split.test


@pytest.mark.parametrize("write", [chinese, emoji, emoji_among_words])
def test_characters_are_counted_where_words_see_little(write, tmp_path: Path) -> None:
    fitted, accuracy, test = learned(write)
    assert accuracy >= 0.95
    assert fitted.choices["units"] == "runs of one to four characters"
    fitted.predictor.save(tmp_path)
    back = TfidfPredictor.load(tmp_path, ComputeSettings())
    np.testing.assert_array_equal(back.score(test.texts).logits, fitted.predictor.score(test.texts).logits)


def test_words_are_counted_where_there_are_spaces_and_old_folders_hold_words(tmp_path: Path) -> None:
    fitted, accuracy, test = learned(english)
    assert accuracy == 1.0
    assert fitted.choices["units"] == "words and word pairs"
    fitted.predictor.save(tmp_path)
    settings = json.loads((tmp_path / "head.json").read_text())
    del settings["analyzer"]
    (tmp_path / "head.json").write_text(json.dumps(settings))
    back = TfidfPredictor.load(tmp_path, ComputeSettings())
    np.testing.assert_array_equal(back.score(test.texts).logits, fitted.predictor.score(test.texts).logits)


@pytest.mark.parametrize("write", [chinese, emoji, english])
def test_what_characters_contribute_sums_to_the_logits(write) -> None:
    fitted, _, test = learned(write)
    predictor = fitted.predictor
    direction = np.array([-1.0, 1.0])
    nothing = predictor.score(["\u2003"]).logits[0] @ direction
    for text in (*test.texts[:5], "  İt's  " + test.texts[0] + "  ", "unknown"):
        added = predictor.contributions(text, direction)
        assert added.shape == (len(text),)
        assert added.sum() == pytest.approx(predictor.score([text]).logits[0] @ direction - nothing, abs=1e-4)
