"""`full`: defaults that follow the data's size, how its head starts and moves, and a token budget found out without a trace."""

import math
from pathlib import Path

import numpy as np
import pytest

from trifold.backbone import budget
from trifold.backbone.heads import head_parameters
from trifold.backbone.settings import BackboneSettings
from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.methods import method_entry
from trifold.methods.contract import Fitted, MethodSettings
from trifold.methods.defaults import FULL, tuning_epochs
from trifold.tasks.labels import LabelMap
from trifold.train.settings import TrainSettings
from trifold.types import Examples


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


def fit(method: str, rows: Examples, labels: LabelMap, model: Path, rate: float) -> Fitted:
    backbone = BackboneSettings(model=str(model), device="cpu", precision="float32", offline=True)
    settings = MethodSettings(backbone, TrainSettings(learning_rate=rate, epochs=1))
    return method_entry(method).load()(settings).learn(rows, rows, labels)


@pytest.mark.parametrize("method", ["full", "adapter-lora", "adapter-bottleneck"])
def test_where_a_row_may_have_several_labels_training_starts_at_their_shares(method: str, tiny_model: Path) -> None:
    targets = [("common",)] * 29 + [("common", "rare")] + [()] * 10
    rows = Examples(tuple(range(40)), tuple(f"the film {n}" for n in range(40)), tuple(targets))
    labels = LabelMap.of(rows.labels)
    # So slow that it stays where it starts.
    fitted = fit(method, rows, labels, tiny_model, rate=1e-9)
    assert fitted.validation_logits is not None
    said = labels.probabilities(fitted.validation_logits).mean(0)
    np.testing.assert_allclose(said, [0.75, 0.025], rtol=0.25)


def test_the_head_of_full_moves_faster_than_what_has_been_learned_before(tiny_model: Path) -> None:
    rows = Examples(tuple(range(8)), tuple(f"the film {n}" for n in range(8)), ("bad", "good") * 4)
    fitted = fit("full", rows, LabelMap.of(rows.labels), tiny_model, rate=1e-6)
    assert fitted.choices["head_learning_rate"] == pytest.approx(FULL.head_rate * 1e-6)
    model = fitted.predictor.model  # type: ignore[attr-defined]
    assert head_parameters(model) == {"classifier.weight", "classifier.bias"}
    # From zero, by one step of about the rate in every number: Adam's first.
    assert model.classifier.bias.detach().abs().max() == pytest.approx(FULL.head_rate * 1e-6, rel=0.5)
