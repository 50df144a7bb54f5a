"""Budgets: passes, tokens and minutes become steps before the first one, and stay what they are."""

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from trifold.errors import SettingsError
from trifold.pretrain.budget import Budget, kept, kept_budget, settle
from trifold.pretrain.settings import LearningSettings
from trifold.runtime import Runtime
from trifold.train.loop import train
from trifold.train.objective import BatchLoss
from trifold.train.plan import Plan

CPU = Runtime("cpu", "float32")
PLAN = Plan.of(LearningSettings(), learning_rate=5e-4, epochs=1, batch_size=10, token_budget=4_096)


@dataclass
class Blocks:
    """A hundred blocks of 50 tokens and next to no work."""

    lengths: np.ndarray

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        return BatchLoss((model(torch.ones(len(positions), 2)) ** 2).sum(), torch.zeros(()), count=50 * len(positions))


DATA = Blocks(np.full(100, 50))


def budget(**settings: float) -> Budget:
    return settle(LearningSettings(**settings), torch.nn.Linear(2, 1), (DATA, DATA), PLAN, CPU)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "tokens", "steps"), [({}, 5_000, 10), ({"epochs": 3}, 15_000, 30), ({"max_tokens": 1_300}, 1_300, 3)]
)
def test_passes_and_tokens_become_steps(settings: dict[str, float], tokens: int, steps: int) -> None:
    found = budget(**settings)
    plan = found.plan(PLAN, DATA, 10)
    assert found.tokens == tokens
    assert plan.most_steps == steps
    assert plan.epochs == min(10, steps)


@pytest.mark.parametrize(("steps", "rounds"), [(11, 11), (19, 10), (21, 11), (103, 11), (1, 1)])
def test_so_many_steps_are_taken_as_were_asked_for_whatever_the_validations(steps: int, rounds: int) -> None:
    plan = replace(Budget(steps * 500, "so many tokens").plan(PLAN, DATA, 10), must_move=False, patience=99)
    model = torch.nn.Linear(2, 1)
    history, _ = train(model, DATA, DATA, plan, CPU)
    assert history.rows[-1].step == steps
    assert sum(row.validation_loss is not None for row in history.rows) == rounds


def test_minutes_are_measured_on_a_copy_and_kept_beside_the_state(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 1)
    before = model.weight.detach().clone()
    found = settle(LearningSettings(time_limit=0.02), model, (DATA, DATA), PLAN, CPU)
    assert torch.equal(model.weight, before), "nothing is learned by measuring"
    assert found.tokens >= 500
    state = tmp_path / "run" / "state"
    interrupt(found, state, steps_saved=2)
    assert kept_budget(state) == found


def test_a_failure_before_the_first_state_leaves_nothing(tmp_path: Path) -> None:
    interrupt(Budget(5, "5 tokens"), tmp_path / "run" / "state", steps_saved=0)
    assert not (tmp_path / "run").exists()


def interrupt(found: Budget, state: Path, steps_saved: int) -> None:
    """A training that ends by force, after a state was saved or before."""
    with contextlib.suppress(KeyboardInterrupt), kept(found, state):
        assert kept_budget(state) == found
        if steps_saved:
            (state / f"step-{steps_saved}").mkdir()
        raise KeyboardInterrupt


def test_two_budgets_are_one_too_many() -> None:
    with pytest.raises(SettingsError, match="--max-tokens and --time-limit is not allowed: name one budget"):
        LearningSettings(max_tokens=5, time_limit=1)
