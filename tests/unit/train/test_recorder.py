"""Figures are the same whenever they are read, and a loss that is no number is found either way."""

import math

import pytest
import torch

from trifold.errors import TrainingError
from trifold.train import recorder
from trifold.train.history import HistoryRow
from trifold.train.recorder import Recorder


def rows(unread: int, monkeypatch: pytest.MonkeyPatch) -> list[HistoryRow]:
    monkeypatch.setattr(recorder, "MAX_UNREAD", {"cpu": unread})
    one = Recorder(steps_per_epoch=40, steps_per_pass=40)
    for step in range(40):
        one.add(torch.tensor(float(step)), torch.tensor(step % 3), 2)
        one.end_step(0.1)
    return one.rows


def test_figures_do_not_depend_on_when_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, late = ([(row.train_loss, row.train_accuracy) for row in rows(n, monkeypatch)] for n in (1, 7))
    assert at_once == late
    assert len(at_once) == 19
    assert at_once[0] == ((0 + 1) / 4, (0 + 1) / 4)


def test_a_state_holds_what_was_not_read_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MAX_UNREAD", {"cpu": 9})
    one = Recorder(steps_per_epoch=40, steps_per_pass=40)
    one.add(torch.tensor(3.0), torch.tensor(1), 2)
    again = Recorder(steps_per_epoch=40, steps_per_pass=40)
    again.restore(one.state(), 0.0)
    assert again.state() == one.state()
    assert one.state()["_loss"] == 3.0


def test_a_loss_that_is_no_number_stops_the_training_within_a_few_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MAX_UNREAD", {"cpu": 3})
    one = Recorder(steps_per_epoch=40, steps_per_pass=40)
    one.add(torch.tensor(math.nan), torch.tensor(0), 2)
    one.add(torch.tensor(1.0), torch.tensor(0), 2)
    with pytest.raises(TrainingError, match="lower --learning-rate"):
        one.add(torch.tensor(1.0), torch.tensor(0), 2)
