"""The objective of fine-tuning on texts that are read in windows, against plain PyTorch."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from trifold.methods.classification_objective import Classification, above_frozen_prefix
from trifold.models.locate import locate
from trifold.models.settings import BackboneSettings
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime
from trifold.train.cuda_graphs import CapturedSteps, steps_of
from trifold.train.objective import evaluate

CPU = Runtime("cpu", "float32")
TEXTS = ["the film is dull", "The cast is charming, the plot moving, the pace superb", "film " * 30, "a superb cast"]
CLASSES = np.array([0, 1, 0, 1])


def objective(model: Path, long_text: str = "window") -> Classification:
    tokenizer = Tokenizer(locate(str(model)), 12, long_text)
    return Classification.of(TEXTS, CLASSES, np.ones(4, dtype=np.float32), tokenizer, CPU)


def classifier(model: Path) -> Any:
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_pretrained(model, num_labels=2).eval()


def test_loss_and_gradient_are_those_of_the_mean_over_a_texts_windows(tiny_model: Path) -> None:
    made, model = objective(tiny_model), classifier(tiny_model)
    plain = copy.deepcopy(model)
    assert made.tokens.windows is not None
    assert made.tokens.windows.tolist() == [1, 2, 4, 1]
    found = made.loss(model, np.array([2, 0, 1]))
    found.total.backward()
    expected = torch.zeros(())
    for text in (2, 0, 1):
        ids = torch.from_numpy(made.tokens.each()[text]).long().reshape(made.tokens.windows[text], -1)
        logits = plain(ids).logits.mean(0, keepdim=True)
        expected = expected + torch.nn.functional.cross_entropy(logits, torch.from_numpy(CLASSES[[text]]))
    expected.backward()
    assert found.total.item() == pytest.approx(expected.item(), rel=1e-5)
    for (name, mine), theirs in zip(model.named_parameters(), plain.parameters(), strict=True):
        if theirs.grad is not None:
            torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_the_token_budget_splits_no_text_and_changes_no_figure(tiny_model: Path) -> None:
    made, model = objective(tiny_model), classifier(tiny_model)
    found = [evaluate(model, made, budget, CPU) for budget in (1, 1_000)]
    np.testing.assert_allclose(found[0].logits, found[1].logits, atol=1e-5)
    assert found[0].loss == pytest.approx(found[1].loss, rel=1e-5)


def test_above_a_frozen_prefix_windows_give_the_same(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path))
    made, model = objective(tiny_model), classifier(tiny_model)
    for name, weight in model.named_parameters():
        weight.requires_grad = "layer.1" in name or "classifier" in name
    whole = evaluate(model, made, 1_000, CPU).logits
    for _ in range(2):
        with above_frozen_prefix("full", model, [made], CPU, locate(str(tiny_model)), BackboneSettings()) as started:
            (above,) = started.objectives
            assert above.states is not None
            np.testing.assert_allclose(evaluate(model, above, 50, CPU).logits, whole, atol=2e-3)


def test_steps_over_windows_are_not_captured(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trifold.train.cuda_graphs.can_be_captured", lambda _: True)
    for long_text, captured in (("truncate", True), ("window", False)):
        made: list[Any] = [None] * 4
        steps = steps_of(
            classifier(tiny_model), objective(tiny_model, long_text), made[0], Runtime("cuda", "float32"), *made[1:]
        )
        assert isinstance(steps, CapturedSteps) == captured
