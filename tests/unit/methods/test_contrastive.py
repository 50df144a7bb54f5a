"""`contrastive`: what a step draws, what its loss says, and that few labels are what it is for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from trifold.methods import method_entry
from trifold.methods.contrastive import TextPairs
from trifold.methods.settings import MethodSettings
from trifold.models.loading import load_model
from trifold.models.locate import locate
from trifold.models.settings import BackboneSettings
from trifold.models.tokenizer import Tokenizer
from trifold.tasks.labels import LabelMap
from trifold.types import Examples


def pairs(tiny_model: Path, classes: list[int]) -> TextPairs:
    tokenizer = Tokenizer(locate(str(tiny_model)), 16)
    words = ("film", "plot", "cast", "pace", "score")
    texts = [f"the {words[c % 5]} number {i}" for i, c in enumerate(classes)]
    return TextPairs(tokenizer.encode(texts), np.array(classes), tokenizer.pad_id, "cpu", 64, 0)


def test_a_step_draws_few_classes_evenly_and_no_row_twice(tiny_model: Path) -> None:
    objective = pairs(tiny_model, [0] * 50 + [1] * 5 + [2] * 20 + [3] * 20 + [4] * 3)
    for seed in range(20):
        rows = objective.draw(16, np.random.default_rng(seed))
        assert len(set(rows.tolist())) == len(rows)
        counts = np.unique(objective.classes[rows], return_counts=True)[1]
        assert len(counts) == 4
        assert counts.max() == 4


def test_every_class_has_its_turn_however_many_there_are(tiny_model: Path) -> None:
    objective = pairs(tiny_model, [number // 2 for number in range(200)])
    seen = {int(row) for seed in range(200) for row in objective.draw(16, np.random.default_rng(seed))}
    assert len(seen) > 190


def test_the_loss_is_that_of_every_pair_written_out(tiny_model: Path) -> None:
    objective = pairs(tiny_model, [0] * 6 + [1] * 6 + [2] * 6)
    model = load_model("AutoModel", locate(str(tiny_model))).eval()
    loss = objective.loss(model, np.arange(5, 13))
    rows = objective.draw(8, np.random.default_rng([0, 5]))
    ids, mask = objective.tokens.batch(rows, objective.pad_id)
    states = model(input_ids=ids, attention_mask=mask).last_hidden_state
    vectors = [(states[i] * mask[i][:, None]).sum(0) / mask[i].sum() for i in range(len(rows))]
    near, far = [], []
    for i in range(len(rows)):
        for j in range(i):
            cosine = torch.cosine_similarity(vectors[i], vectors[j], dim=0)
            if objective.classes[rows[i]] == objective.classes[rows[j]]:
                near.append((cosine - 1) ** 2)
            else:
                far.append(cosine**2)
    expected = 8 * (torch.stack(near).mean() + torch.stack(far).mean()) / 2
    torch.testing.assert_close(loss.total, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("token_budget", [1, 20, 40])
def test_a_token_budget_splits_the_forward_pass_and_not_the_pairs(tiny_model: Path, token_budget: int) -> None:
    objective = pairs(tiny_model, [0] * 6 + [1] * 6 + [2] * 6)
    model = load_model("AutoModel", locate(str(tiny_model))).eval()
    sizes: list[int] = []
    model.register_forward_pre_hook(
        lambda _model, _given, named: sizes.append(named["input_ids"].numel()), with_kwargs=True
    )
    whole = objective.loss(model, np.arange(8)).total
    sizes.clear()
    split = replace(objective, token_budget=token_budget).loss(model, np.arange(8)).total
    assert len(sizes) > 1
    assert max(sizes) <= max(token_budget, 16)
    torch.testing.assert_close(split, whole, atol=1e-4, rtol=0)


def test_a_small_token_budget_learns_from_the_same_pairs(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[int]] = []
    draw = TextPairs.draw

    def noted(self: TextPairs, count: int, rng: np.random.Generator) -> np.ndarray:
        rows = draw(self, count, rng)
        drawn.append(rows.tolist())
        return rows

    monkeypatch.setattr(TextPairs, "draw", noted)
    texts = tuple(f"the {'superb' if i % 2 else 'awful'} film number {i}" for i in range(40))
    part = Examples(tuple(range(40)), texts, tuple(i % 2 for i in range(40)))
    found = []
    for budget in (4_096, 4):
        drawn.clear()
        settings = MethodSettings(
            backbone=BackboneSettings(model=str(tiny_model), max_length=12, token_budget=budget, device="cpu")
        )
        method_entry("contrastive").load()(settings).fit(
            part.take(range(32)), part.take(range(32, 40)), LabelMap.of((0, 1))
        )
        found.append([*drawn])
    assert found[0] == found[1]


def test_a_step_without_a_pair_says_nothing(tiny_model: Path) -> None:
    objective = pairs(tiny_model, [0])
    model = load_model("AutoModel", locate(str(tiny_model)))
    loss = objective.loss(model, np.arange(4))
    loss.total.backward()  # type: ignore[no-untyped-call]
    assert float(loss.total.detach()) == 0.0


@pytest.mark.parametrize(
    ("rows", "reason"), [(64, None), (65, "it is for up to 64 rows a class, and here are about 65")]
)
def test_it_is_for_few_labels(rows: int, reason: str | None) -> None:
    count = 2 * rows
    train = Examples(tuple(range(count)), ("text",) * count, tuple(i % 2 for i in range(count)))
    assert method_entry("contrastive").skip_reason(train, MethodSettings()) == reason
