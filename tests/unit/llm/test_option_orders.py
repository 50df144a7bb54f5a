"""Whether answers depend on the order of the labels: counted by the answers that are given, in as many orders as asked."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_scorer import MadeScorer
from trifold.llm.call_log import CallLog
from trifold.llm.contract import Gap
from trifold.llm.label_words import plain_prompt
from trifold.llm.labeller import LabellingTask
from trifold.llm.likelihood_labeller import LikelihoodLabeller
from trifold.llm.spending_limit import SpendingLimit
from trifold.statistics.score_calibration import ScoreMap

WORDS = ("bad", "good")
TEXTS = [f"text {number}" for number in range(10)]
# What is said of the first three texts depends on which label is listed first.
SWAYED = 3


class Swayed(MadeScorer):
    """A model that prefers the label listed first where a text leaves it unsure."""

    name = identity = "swayed"

    def log_likelihoods(self, gaps: Sequence[Gap]) -> np.ndarray:
        return np.array([self._scores(gap) for gap in gaps])

    def _scores(self, gap: Gap) -> list[float]:
        said = " ".join(message.content for message in gap.conversation)
        first = 0 if "bad, good" in said else 1
        swayed = int(said.split("text ")[1].split()[0]) < SWAYED
        return [1.0 * (number == (first if swayed else 1)) for number in range(2)]


def labeller(folder: Path, orders: int = 1) -> LikelihoodLabeller:
    task = LabellingTask(plain_prompt(WORDS), WORDS, "{text} {mask}")
    return LikelihoodLabeller(Swayed(), task, CallLog(folder / "log"), SpendingLimit(), orders=orders)


@pytest.mark.parametrize("orders", [2, 6])
def test_answers_that_differ_between_orders_are_counted(orders: int, tmp_path: Path) -> None:
    assert labeller(tmp_path).order_dependence(TEXTS, orders) == (SWAYED, len(TEXTS))


def test_the_answers_that_are_given_count(tmp_path: Path) -> None:
    """By a map that always answers the same, no order makes a difference."""
    one_sided = labeller(tmp_path)
    one_sided.score_map = replace(ScoreMap.plain(2), bias=np.array([0.0, 5.0]))
    assert one_sided.order_dependence(TEXTS, 2) == (0, len(TEXTS))


def test_the_mean_over_orders_is_not_swayed(tmp_path: Path) -> None:
    logits = labeller(tmp_path, orders=2).judge(TEXTS).logits
    np.testing.assert_allclose(logits[:SWAYED], 0.5)
    np.testing.assert_allclose(logits[SWAYED:], [[0.0, 1.0]] * (len(TEXTS) - SWAYED))
