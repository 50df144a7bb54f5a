"""`full`: defaults that follow the data's size, and a token budget found out without a trace."""

import math
from pathlib import Path

import numpy as np
import pytest

from trifold.backbone import budget
from trifold.backbone.settings import BackboneSettings
from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.methods import method_entry
from trifold.methods.contract import MethodSettings
from trifold.methods.defaults import tuning_epochs
from trifold.tasks.labels import LabelMap
from trifold.train.settings import TrainSettings


def test_small_data_gets_more_passes_and_large_data_at_least_two() -> None:
    assert [tuning_epochs(rows) for rows in (1, 100, 500, 1_000, 5_000, 12_000, 16_000, 1_000_000)] == [
        10,
        10,
        6,
        3,
        3,
        3,
        2,
        2,
    ]


def test_what_measures_the_token_budget_leaves_no_trace(
    tiny_model: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path))
    # As if the work ahead were large enough to pay for measuring.
    monkeypatch.setattr(budget, "_MOST_COST", math.inf)
    monkeypatch.setattr(budget, "_CANDIDATES", {"cpu": (512,)})
    split = split_examples(load_examples(reviews, DataSettings()).examples)
    labels = LabelMap.of(split.train.labels)
    learned = []
    for named in (512, None):
        backbone = BackboneSettings(model=str(tiny_model), device="cpu", offline=True, token_budget=named)
        settings = MethodSettings(backbone, TrainSettings(learning_rate=1e-3, epochs=1))
        # Warnings are errors here, so none is shown either.
        learned.append(method_entry("full").load()(settings).fit(split.train, split.validation, labels))
    assert (tmp_path / "budgets.json").is_file()
    named, measured = (fitted.validation_logits for fitted in learned)
    assert named is not None
    assert measured is not None
    np.testing.assert_array_equal(named, measured)
