"""Budgets: passes, tokens and minutes become steps before the first one, and stay what they are."""

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from trifold.errors import SettingsError
from trifold.pretrain.settings import LearningSettings
from trifold.pretrain.training_length import TrainingLength, keep, kept_budget, settle, trained_tokens
from trifold.runtime import Runtime
from trifold.train.checkpoint import checkpointing
from trifold.train.config import TrainingConfig
from trifold.train.loop import train
from trifold.train.objective import BatchLoss

CPU = Runtime("cpu", "float32")
PLAN = TrainingConfig.of(LearningSettings(), learning_rate=5e-4, epochs=1, batch_size=10, token_budget=4_096)


@dataclass
class Blocks:
    """A hundred blocks of 50 tokens and next to no work."""

    lengths: np.ndarray

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        return BatchLoss((model(torch.ones(len(positions), 2)) ** 2).sum(), torch.zeros(()), count=50 * len(positions))


DATA = Blocks(np.full(100, 50))


def budget(**settings: float) -> TrainingLength:
    return settle(LearningSettings(**settings), torch.nn.Linear(2, 1), (DATA, DATA), PLAN, CPU)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "tokens", "steps"), [({}, 5_000, 10), ({"epochs": 3}, 15_000, 30), ({"max_tokens": 1_300}, 1_300, 3)]
)
def test_passes_and_tokens_become_steps(settings: dict[str, float], tokens: int, steps: int) -> None:
    found = budget(**settings)
    plan = found.config(PLAN, DATA, 10)
    assert found.tokens == tokens
    assert plan.total_steps == steps
    assert plan.epochs == min(10, steps)


@pytest.mark.parametrize("steps", [1, 9, 11, 21, 103])
@pytest.mark.parametrize("validations", [1, 4, 10])
def test_no_more_steps_are_taken_than_asked_for(steps: int, validations: int) -> None:
    """Whether validations divide them or not, and one beyond the budget at most."""
    for tokens in (steps * 500, steps * 500 - 499):
        plan = TrainingLength(tokens, "so many tokens").config(PLAN, DATA, validations)
        plan = replace(plan, patience=99, quiet=True, must_move=False)
        history, _ = train(torch.nn.Linear(2, 1), DATA, DATA, plan, CPU)
        assert history.rows[-1].step == steps
        assert sum(row.validation_loss is not None for row in history.rows) == min(validations, steps)
        assert trained_tokens(steps, 10, DATA) == steps * 500


def test_passes_that_end_with_a_smaller_step_are_whole_passes() -> None:
    few = Blocks(np.full(15, 50))
    found = settle(LearningSettings(epochs=3), torch.nn.Linear(2, 1), (few, few), PLAN, CPU)
    plan = found.config(PLAN, few, 10)
    assert plan.total_steps == 6
    assert trained_tokens(6, 10, few) == 3 * 15 * 50


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
    interrupt(TrainingLength(5, "5 tokens"), tmp_path / "run" / "state", steps_saved=0)
    assert not (tmp_path / "run").exists()


def interrupt(found: TrainingLength, state: Path, steps_saved: int) -> None:
    """A training that ends by force, after a state was saved or before."""
    with contextlib.suppress(KeyboardInterrupt), checkpointing(state, None, 60.0) as keeper:
        keep(found, keeper)
        assert kept_budget(state) == found
        if steps_saved:
            (state / f"step-{steps_saved}").mkdir()
        raise KeyboardInterrupt


def test_two_budgets_are_one_too_many() -> None:
    with pytest.raises(SettingsError, match="--max-tokens and --time-limit is not allowed: name one budget"):
        LearningSettings(max_tokens=5, time_limit=1)
