"""The loss of two towers: its value, and that it does not depend on how texts are batched."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import scored_pairs
from trifold.engines.encoder import Encoder
from trifold.methods.similarity_objective import PairOrder, order_loss
from trifold.models.batching import to_longest
from trifold.models.locate import locate
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime


def test_it_is_the_mean_over_all_comparisons_that_have_an_answer() -> None:
    cosines, scores = torch.tensor([0.9, 0.1, 0.5, 0.2]), torch.tensor([3.0, 1.0, 1.0, 2.0])
    loss, right = order_loss(cosines, scores)
    found = [
        np.log1p(np.exp(20 * float(cosines[j] - cosines[i])))
        for i in range(4)
        for j in range(4)
        if scores[i] > scores[j]
    ]
    assert float(loss) == pytest.approx(np.mean(found), rel=1e-5)
    # Of the five comparisons, the fourth pair loses to the third one.
    assert float(right) == pytest.approx(4 / 5)


def test_equal_scores_have_no_loss_and_a_gradient_of_zero() -> None:
    cosines = torch.tensor([0.9, 0.1], requires_grad=True)
    loss, right = order_loss(cosines, torch.ones(2))
    loss.backward()
    assert float(loss.detach()) == float(right) == 0
    assert cosines.grad is not None
    assert not cosines.grad.any()


def test_batches_of_texts_have_no_say_in_the_loss(tiny_model: Path) -> None:
    files = locate(str(tiny_model))
    encoder, tokenizer = Encoder(files, Runtime("cpu", "float32"), frozen=False), Tokenizer(files, 64)
    made = scored_pairs(40)
    whole = PairOrder(
        tokenizer.encode([first for first, _, _ in made]),
        tokenizer.encode([second for _, second, _ in made]),
        np.array([score for *_, score in made]),
        tokenizer.pad_id,
        to_longest,
        "cpu",
        1 << 20,
    )
    positions = np.random.default_rng(0).permutation(40)
    model = encoder.model.eval()
    with torch.no_grad():
        together, split = (replace(whole, token_budget=budget).loss(model, positions) for budget in (1 << 20, 100))
    assert float(together.total) == pytest.approx(float(split.total), rel=1e-5)
    assert float(together.correct) == pytest.approx(float(split.correct), rel=1e-5)
    assert len(whole.lengths) == 40
    assert (whole.lengths >= whole.first.lengths + whole.second.lengths).all()
