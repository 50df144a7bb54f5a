"""`full`: defaults by the data's size, budget and lengths of batches; how heads start and move."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.engines import token_budget as budget
from trifold.methods import method_entry
from trifold.methods.contract import Fitted
from trifold.methods.defaults import tuning_epochs
from trifold.methods.settings import MethodSettings
from trifold.models.settings import BackboneSettings
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
    monkeypatch.setattr(budget, "MAX_COST", math.inf)
    monkeypatch.setattr(budget, "CANDIDATES", {"cpu": (64, 512)})
    split = split_examples(load_examples(reviews, DataSettings()).examples)
    labels = LabelMap.of(split.train.labels)

    def learned(token_budget: int | None) -> Fitted:
        backbone = BackboneSettings(model=str(tiny_model), device="cpu", offline=True, token_budget=token_budget)
        settings = MethodSettings(backbone=backbone, train=TrainSettings(learning_rate=1e-3, epochs=1))
        # Warnings are errors here, so none is shown either.
        return method_entry("full").load()(settings).fit(split.train, split.validation, labels)

    measured = learned(None)
    (found,) = json.loads((tmp_path / "budgets.json").read_text()).values()
    named = learned(found)
    assert measured.validation_logits is not None
    assert named.validation_logits is not None
    np.testing.assert_array_equal(named.validation_logits, measured.validation_logits)


def fit(
    method: str, rows: Examples, labels: LabelMap, model: Path, rate: float | None, precision: str = "float32"
) -> Fitted:
    backbone = BackboneSettings(model=str(model), device="cpu", precision=precision, offline=True)
    settings = MethodSettings(backbone=backbone, train=TrainSettings(learning_rate=rate, epochs=1))
    return method_entry(method).load()(settings).learn(rows, rows, labels)


@pytest.mark.parametrize("method", ["full", "adapter-lora"])
def test_batches_have_few_lengths_in_bfloat16(
    method: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path))
    texts = tuple("film " * words for words in range(30, 70))
    rows = Examples(tuple(range(40)), texts, ("good", "bad") * 20)
    seen: set[int] = set()

    def note(layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        # Above the last attention some layers see the first token alone.
        if isinstance(layer, torch.nn.Linear) and inputs[0].ndim == 3 and inputs[0].shape[1] > 1:
            seen.add(inputs[0].shape[1])

    hook = register_module_forward_pre_hook(note)
    try:
        fit(method, rows, LabelMap.of(rows.labels), tiny_model, None, "bfloat16")
    finally:
        hook.remove()
    # The longest of each batch have 39, 55 and 71 tokens; nothing is filled up beyond the longest of all.
    assert seen == {40, 56, 71}


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


@pytest.mark.parametrize(
    ("method", "head", "rate"),
    [
        ("full", "classifier.", 3e-3),
        ("adapter-lora", "base_model.model.classifier.modules_to_save.default.", 3e-3),
        ("adapter-bottleneck", "head.", 3e-3),
    ],
)
def test_the_head_moves_faster_than_what_has_been_learned_before(
    method: str, head: str, rate: float, tiny_model: Path
) -> None:
    before: dict[int, torch.Tensor] = {}
    moved: dict[int, float] = {}

    def weights(optimiser: torch.optim.Optimizer) -> Iterator[torch.Tensor]:
        return (weight for group in optimiser.param_groups for weight in group["params"])

    def note(optimiser: torch.optim.Optimizer, *_: object) -> None:
        before.update({id(weight): weight.detach().clone() for weight in weights(optimiser)})

    def compare(optimiser: torch.optim.Optimizer, *_: object) -> None:
        for weight in weights(optimiser):
            moved.setdefault(id(weight), float((weight.detach() - before[id(weight)]).abs().max()))

    rows = Examples(tuple(range(8)), tuple(f"the film {n}" for n in range(8)), ("bad", "good") * 4)
    hooks = (register_optimizer_step_pre_hook(note), register_optimizer_step_post_hook(compare))
    try:
        fitted = fit(method, rows, LabelMap.of(rows.labels), tiny_model, rate=None)
    finally:
        for hook in hooks:
            hook.remove()
    assert fitted.choices["head_learning_rate"] == pytest.approx(rate)
    # Adam's first step is the rate in every number that has a gradient.
    parameters = dict(fitted.predictor.model.named_parameters())  # type: ignore[attr-defined]
    fast = {name for name, weight in parameters.items() if moved.get(id(weight), 0) > 0.9 * rate}
    assert fast == {f"{head}weight", f"{head}bias"}
