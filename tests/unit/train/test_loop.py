"""The training loop: means over examples, warm-up and decay, the best checkpoint, early stopping."""

import contextlib
import itertools
import shutil
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trifold.errors import TrainingError
from trifold.runtime import Runtime
from trifold.train.checkpoint import checkpointing
from trifold.train.config import TrainingConfig
from trifold.train.history import History
from trifold.train.loop import train
from trifold.train.objective import BatchLoss, evaluate
from trifold.train.schedule import warmup_then_decay

CPU = Runtime("cpu", "float32")
PLAN = TrainingConfig(
    learning_rate=0.05, epochs=3, batch_size=8, token_budget=1 << 20, seed=0, weight_decay=0.0, warmup_ratio=0.1,
    max_grad_norm=1e9, ema_decay=0.0, patience=5, quiet=True,
)  # fmt: skip


@dataclass
class Regression:
    """y = Wx with texts of different lengths, so that the token budget has something to split."""

    inputs: torch.Tensor
    targets: torch.Tensor
    sizes: np.ndarray

    @classmethod
    def make(cls, rows: int, seed: int) -> "Regression":
        generator = torch.Generator().manual_seed(seed)
        inputs = torch.randn(rows, 4, generator=generator)
        return cls(inputs, inputs @ torch.tensor([1.0, -2.0, 0.5, 3.0]), np.arange(rows) % 7 + 1)

    @property
    def lengths(self) -> np.ndarray:
        return self.sizes

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        error = model(self.inputs[positions]).squeeze(-1) - self.targets[positions]
        return BatchLoss((error**2).sum(), (error.abs() < 0.1).sum())


def fresh_model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Linear(4, 1)


def test_the_token_budget_splits_work_and_changes_nothing() -> None:
    data = Regression.make(50, 0)
    models = []
    for budget in (1 << 20, 16, 1):
        model = fresh_model()
        train(model, data, Regression.make(10, 1), replace(PLAN, token_budget=budget), CPU)
        models.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(models[0], models[1], atol=1e-5, rtol=0)
    torch.testing.assert_close(models[0], models[2], atol=1e-5, rtol=0)


def test_loss_and_accuracy_are_means_over_examples_whatever_the_batches() -> None:
    data, model = Regression.make(23, 0), fresh_model()
    whole = data.loss(model, np.arange(23))
    for budget in (1, 9, 1 << 20):
        figures = evaluate(model, data, budget, CPU)
        assert figures.loss == figures.calibrated_loss == pytest.approx(float(whole.total.detach()) / 23, rel=1e-5)
        assert figures.accuracy == int(whole.correct) / 23


def test_the_rate_rises_then_falls_to_zero() -> None:
    factor = warmup_then_decay(100, 0.1)
    rates = [factor(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[100] == 0.0
    assert all(a >= b for a, b in pairwise(rates[10:]))


def test_without_decay_the_rate_stays() -> None:
    factor = warmup_then_decay(100, 0.0, decay=False)
    assert {factor(step) for step in range(101)} == {1.0}


def test_it_learns_and_the_history_tells_of_every_epoch() -> None:
    history, _ = train(fresh_model(), Regression.make(200, 0), Regression.make(50, 1), replace(PLAN, epochs=8), CPU)
    ends = [row for row in history.rows if row.validation_loss is not None]
    assert [row.epoch for row in ends] == list(range(1, 9))
    assert ends[-1].validation_loss < 0.1 * ends[0].validation_loss  # type: ignore[operator]
    assert [row.step for row in history.rows] == sorted(row.step for row in history.rows)
    assert history.rows[-1].step == 8 * 25


def test_the_weights_with_the_lowest_validation_loss_are_kept() -> None:
    # A rate far too high for later epochs: the loss gets worse after its best.
    validation = Regression.make(50, 1)
    model = fresh_model()
    history, _ = train(model, Regression.make(64, 0), validation, replace(PLAN, learning_rate=3.0, epochs=6), CPU)
    losses = [row.validation_loss for row in history.rows if row.validation_loss is not None]
    assert history.best_epoch == 1 + int(np.argmin(losses))
    assert evaluate(model, validation, 1 << 20, CPU).loss == pytest.approx(min(losses), rel=1e-6)


def test_patience_stops_a_training_that_gets_no_better() -> None:
    data = Regression.make(64, 0)
    validation = replace(Regression.make(20, 1), targets=-Regression.make(20, 1).targets)
    history, _ = train(fresh_model(), data, validation, replace(PLAN, epochs=50, patience=2), CPU)
    assert history.stopped_early
    assert len([row for row in history.rows if row.validation_loss is not None]) == history.best_epoch + 2


def test_a_loss_that_is_not_finite_stops_with_advice() -> None:
    data = Regression.make(16, 0)
    data.targets[3] = float("nan")
    with pytest.raises(TrainingError, match="lower --learning-rate"):
        train(fresh_model(), data, data, PLAN, CPU)


class Certain(Regression):
    """Objective whose validation logits double with every epoch, so that it is ever surer."""

    rights: tuple[float, ...] = (0.80, 0.85, 0.84)
    epoch = 0

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        rows = len(positions)
        right = round(rows * self.rights[self.epoch])
        self.epoch += 1
        classes = torch.cat([torch.zeros(right), torch.ones(rows - right)]).long()
        logits = torch.stack([torch.full((rows,), 2.0**self.epoch), torch.zeros(rows)], 1)
        total = torch.nn.functional.cross_entropy(logits, classes, reduction="sum")
        total = total + 0 * super().loss(model, positions).total
        return BatchLoss(total, torch.tensor(right), logits, classes, torch.ones(rows))


def test_an_epoch_that_is_righter_but_too_sure_is_the_better_one() -> None:
    validation = Certain.make(200, 1)
    history, _ = train(fresh_model(), Regression.make(16, 0), validation, PLAN, CPU)
    rows = [row for row in history.rows if row.validation_loss is not None]
    assert rows[1].validation_loss > rows[0].validation_loss  # type: ignore[operator]
    assert history.best_epoch == 2


def test_averaged_weights_are_validated_and_kept_and_training_goes_on_with_its_own() -> None:
    data, plan = Regression.make(64, 0), replace(PLAN, epochs=2, learning_rate=0.3)
    plain, averaged = fresh_model(), fresh_model()
    histories = [
        train(model, data, Regression.make(50, 1), replace(plan, ema_decay=decay), CPU)[0]
        for model, decay in ((plain, 0.0), (averaged, 0.9))
    ]
    # Same path of the trained weights, so same training losses; other weights kept.
    assert [row.train_loss for row in histories[0].rows] == [row.train_loss for row in histories[1].rows]
    assert not torch.equal(plain.weight, averaged.weight)  # type: ignore[arg-type]
    steps: list[torch.Tensor] = []
    follow, seen = fresh_model(), Regression.make(64, 0)

    class Spy(Regression):
        def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
            if model.training:
                steps.append(model.weight.detach().clone())  # type: ignore[operator]
            return super().loss(model, positions)

    one = replace(plan, epochs=1, ema_decay=0.9)
    train(follow, Spy(seen.inputs, seen.targets, seen.sizes), Regression.make(50, 1), one, CPU)
    last = fresh_model()
    train(last, seen, Regression.make(50, 1), replace(one, ema_decay=0.0), CPU)
    expected = steps[0]
    for number, weight in enumerate([*steps[1:], last.weight.detach()], start=1):  # type: ignore[operator]
        keep = min(0.9, (1 + number) / (10 + number))
        expected = keep * expected + (1 - keep) * weight  # type: ignore[operator]
    torch.testing.assert_close(follow.weight.detach(), expected, atol=1e-6, rtol=0)  # type: ignore[operator]


class Unlearnable(Regression):
    """Labels that follow from nothing."""

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        logits = torch.cat([model(self.inputs[positions]), -model(self.inputs[positions])], 1)
        classes = torch.from_numpy(positions % 2)
        total = torch.nn.functional.cross_entropy(logits, classes, reduction="sum")
        return BatchLoss(total, (logits.argmax(1) == classes).sum(), logits, classes, torch.ones(len(classes)))


def test_a_loss_that_does_not_move_stops_with_advice() -> None:
    data = Unlearnable.make(1_700, 0)
    with pytest.raises(TrainingError, match=r"guessing gives 0\.693: raise --learning-rate"):
        train(fresh_model(), data, Unlearnable.make(400, 1), replace(PLAN, learning_rate=1e-7), CPU)


def test_validation_logits_come_in_the_order_of_the_examples() -> None:
    data, model = Unlearnable.make(40, 0), fresh_model()
    whole = data.loss(model, np.arange(40)).logits
    figures = evaluate(model, data, 20, CPU)
    np.testing.assert_allclose(figures.logits, whole.detach().numpy(), atol=1e-6)  # type: ignore[arg-type, union-attr]


def test_what_is_frozen_stays_bit_for_bit_and_what_is_trained_is_restored() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 1))
    model[0].requires_grad_(False)
    before = [p.detach().clone() for p in model[0].parameters()]
    train(model, Regression.make(64, 0), Regression.make(20, 1), replace(PLAN, ema_decay=0.9), CPU)
    assert all(torch.equal(a, b) for a, b in zip(before, model[0].parameters(), strict=True))


@dataclass
class Noisy(Regression):
    """The same with dropout, so that a generator has a say in every step."""

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        kept = torch.nn.functional.dropout(self.inputs[positions], 0.3, training=model.training)
        error = model(kept).squeeze(-1) - self.targets[positions]
        return BatchLoss((error**2).sum(), torch.zeros(()))


def resumable(folder: Path, stop_after: int | None, **changed: object) -> tuple[torch.nn.Module, History | None]:
    """A training whose state is kept; it stops after a step, or goes to its end."""
    model = fresh_model()
    data, held_out = Noisy.make(50, 0), Noisy.make(20, 1)
    plan = replace(PLAN, epochs=5, ema_decay=0.9, quiet=False, **changed)  # type: ignore[arg-type]
    with checkpointing(folder, 3, 60.0) as keeper:
        count = itertools.count(1)
        original = keeper.after_step

        def after_step(*arguments: Any) -> None:
            keeper.stopping = next(count) == stop_after
            original(*arguments)

        keeper.after_step = after_step  # type: ignore[method-assign]
        if stop_after is None:
            return model, train(model, data, held_out, plan, CPU)[0]
        with pytest.raises(SystemExit, match="143"):
            train(model, data, held_out, plan, CPU)
        return model, None


@pytest.mark.parametrize("stops", [[1], [7], [2, 9], [6, 1, 12], [13, 7, 8]])
def test_stopped_and_resumed_it_ends_with_the_very_same_weights(stops: list[int], tmp_path: Path) -> None:
    torch.manual_seed(5)
    whole, expected = resumable(tmp_path / "whole", None)
    torch.manual_seed(5)
    for stop in stops:
        resumable(tmp_path / "parts", stop)
        assert len(list((tmp_path / "parts").iterdir())) == 1
        # Another process begins elsewhere.
        torch.manual_seed(99)
    resumed, history = resumable(tmp_path / "parts", None)
    assert history is not None
    assert expected is not None
    for name, weight in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], weight)
    assert [replace(row, seconds=0.0) for row in history.rows] == [replace(row, seconds=0.0) for row in expected.rows]
    assert (history.best_epoch, history.stopped_early) == (expected.best_epoch, expected.stopped_early)


def test_the_state_of_another_training_is_refused(tmp_path: Path) -> None:
    resumable(tmp_path, 4)
    with pytest.raises(TrainingError, match=r"is of another training \(learning_rate was 0.05 and is 0.01\)"):
        resumable(tmp_path, None, learning_rate=0.01)


def test_a_damaged_state_is_named_and_an_older_whole_one_serves(tmp_path: Path) -> None:
    resumable(tmp_path, 4)
    (state,) = tmp_path.iterdir()
    older = shutil.copytree(state, tmp_path / "step-2")
    tensors = state / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-4] + b"oops")
    assert resumable(tmp_path, None)[1] is not None
    shutil.rmtree(tmp_path)
    resumable(tmp_path, 4)
    (state,) = tmp_path.iterdir()
    (state / "state.json").write_text("{")
    with pytest.raises(TrainingError, match="is damaged: remove it to start afresh"):
        resumable(tmp_path, None)
    assert older.name == "step-2"


class Several(Regression):
    """An objective whose examples hold as many predictions as they have tokens."""

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        error = model(self.inputs[positions]).squeeze(-1) - self.targets[positions]
        times = torch.from_numpy(self.sizes[positions])
        return BatchLoss((error**2 * times).sum(), times.sum(), count=int(times.sum()))


def test_where_examples_hold_several_predictions_each_prediction_counts_alike() -> None:
    data = Several.make(48, 0)
    models = []
    for budget in (1 << 20, 9):
        model = fresh_model()
        history, figures = train(model, data, data, replace(PLAN, token_budget=budget, epochs=1, batch_size=48), CPU)
        models.append(model.weight.detach().clone())
        assert figures.accuracy == history.rows[-1].train_accuracy == 1.0
    torch.testing.assert_close(*models)
    # One step of AdamW is the rate times the gradient's sign: check the mean itself, on a plain gradient.
    model = fresh_model()
    whole = data.loss(model, np.arange(48))
    assert history.rows[-1].train_loss == pytest.approx(float(whole.total.detach()) / data.sizes.sum(), rel=1e-5)


@pytest.mark.parametrize("round_steps", [3, 5, 8, 20])
def test_rounds_of_any_length_see_the_data_as_epochs_do(round_steps: int) -> None:
    seen: list[np.ndarray] = []

    class Noted(Regression):
        def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
            seen.append(positions)
            return super().loss(model, positions)

    data = Noted.make(40, 0)
    plan = replace(PLAN, epochs=40 // round_steps, round_steps=round_steps, patience=99)
    history, _ = train(fresh_model(), data, Regression.make(8, 1), plan, CPU)
    steps = 40 // round_steps * round_steps
    assert history.rows[-1].step == steps == len(seen)
    assert history.rows[-1].epoch == steps / 5
    passes = [np.sort(np.concatenate(seen[start : start + 5])) for start in range(0, steps - 4, 5)]
    assert all(np.array_equal(one, np.arange(40)) for one in passes)
    assert sum(row.validation_loss is not None for row in history.rows) == 40 // round_steps


def test_a_round_that_was_stopped_anywhere_goes_on_with_the_same_examples(tmp_path: Path) -> None:
    data, validation = Regression.make(40, 0), Regression.make(8, 1)
    plan = replace(PLAN, epochs=4, round_steps=7, patience=99, quiet=False)
    whole = fresh_model()
    train(whole, data, validation, plan, CPU)
    for stop in range(1, 29):
        model, folder = fresh_model(), tmp_path / str(stop)
        with checkpointing(folder, None, 1e9) as keeper:
            original = keeper.after_step

            def stopping(
                step: int, *rest: Any, stop: int = stop, keeper: Any = keeper, original: Any = original
            ) -> None:
                keeper.stopping = step == stop
                original(step, *rest)

            keeper.after_step = stopping  # type: ignore[method-assign]
            with pytest.raises(SystemExit):
                train(model, data, validation, plan, CPU)
        resumed = fresh_model()
        with checkpointing(folder, None, 1e9):
            train(resumed, data, validation, plan, CPU)
        assert torch.equal(resumed.weight, whole.weight)  # type: ignore[arg-type]


@pytest.mark.parametrize("limit_seconds", [None, 0.01])
def test_what_was_trained_outlives_a_stop_before_its_run_is_in_place(
    limit_seconds: float | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, validation = Regression.make(40, 0), Regression.make(8, 1)
    plan = replace(PLAN, epochs=3, ema_decay=0.9, quiet=False, limit_seconds=limit_seconds)
    whole, resumed = fresh_model(), fresh_model()
    with contextlib.suppress(KeyboardInterrupt), checkpointing(tmp_path, None, 1e9):
        history, _ = train(whole, data, validation, plan, CPU)
        assert not list(tmp_path.iterdir()), "written only where it is needed"
        raise KeyboardInterrupt
    assert "whose model is saved: the same command with --resume goes on from it" in capsys.readouterr().err
    with checkpointing(tmp_path, None, 1e9):
        again, _ = train(resumed, data, validation, plan, CPU)
    assert torch.equal(resumed.weight, whole.weight)  # type: ignore[arg-type]
    assert again.rows == history.rows


def test_a_stop_before_there_is_a_training_says_that_nothing_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.suppress(KeyboardInterrupt), checkpointing(tmp_path / "run" / "state", None, 1e9) as keeper:
        keeper.keep_beside("budget.json", "{}")
        raise KeyboardInterrupt
    assert not (tmp_path / "run").exists()
    assert "before there was a training to save: the same command begins anew" in capsys.readouterr().err


class Clock:
    """Seconds that pass by working alone."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@dataclass
class Timed(Regression):
    """A regression whose every step takes as long as the machine is busy at that time."""

    clock: Clock | None = None
    seconds_per_step: Any = None

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        if self.clock is not None:
            self.clock.now += self.seconds_per_step(self.clock.now)
        return super().loss(model, positions)


@pytest.mark.parametrize(
    ("speed", "least", "most"),
    [
        (lambda _now: 0.1, 99, 101),
        (lambda now: 0.1 if now < 5 else 0.3, 65, 69),
        (lambda now: 0.1 if now < 5 else 0.05, 148, 152),
    ],
    ids=["as expected", "busier", "freer"],
)
def test_minutes_are_kept_by_the_clock(speed: Any, least: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """10 seconds that were expected to allow 100 steps: rate and validations follow them, however many steps it gets."""
    clock = Clock()
    monkeypatch.setattr("trifold.train.recorder.time", clock)
    data = Timed(**vars(Regression.make(200, 0)), clock=clock, seconds_per_step=speed)
    plan = replace(
        PLAN, epochs=5, round_steps=20, total_steps=100, limit_seconds=10.0, patience=99, must_move=False,
        learning_rate=0.01,
    )  # fmt: skip
    history, _ = train(fresh_model(), data, Regression.make(10, 1), plan, CPU)
    last = history.rows[-1]
    assert least <= last.step <= most
    assert last.seconds == pytest.approx(10, abs=0.35)
    assert last.learning_rate < 0.05 * 0.01
    assert sum(row.validation_loss is not None for row in history.rows) == 5
    assert not history.stopped_early


def test_where_time_runs_out_nothing_more_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """One step takes longer than all that was left: it is validated, and that is all."""
    clock = Clock()
    monkeypatch.setattr("trifold.train.recorder.time", clock)
    data = Timed(**vars(Regression.make(200, 0)), clock=clock, seconds_per_step=lambda _now: 60.0)
    plan = replace(PLAN, epochs=5, round_steps=20, total_steps=100, limit_seconds=10.0, must_move=False)
    history, figures = train(fresh_model(), data, Regression.make(10, 1), plan, CPU)
    assert history.rows[-1].step == 1
    assert np.isfinite(figures.loss)
    assert not history.stopped_early


def test_stopped_and_resumed_it_has_the_minutes_that_were_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(
        PLAN, epochs=5, round_steps=20, total_steps=100, limit_seconds=10.0, patience=99, must_move=False, quiet=False
    )

    def run(stop_at: float) -> History:
        clock = Clock()
        monkeypatch.setattr("trifold.train.recorder.time", clock)
        with checkpointing(tmp_path, None, 60.0) as keeper:

            def seconds(now: float) -> float:
                keeper.stopping = now >= stop_at
                return 0.1

            data = Timed(**vars(Regression.make(200, 0)), clock=clock, seconds_per_step=seconds)
            return train(fresh_model(), data, Regression.make(10, 1), plan, CPU)[0]

    with pytest.raises(SystemExit, match="143"):
        run(stop_at=3)
    history = run(stop_at=99)
    assert 99 <= history.rows[-1].step <= 101
    assert history.rows[-1].seconds == pytest.approx(10, abs=0.2)
    assert sum(row.validation_loss is not None for row in history.rows) == 5
