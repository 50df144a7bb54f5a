"""The number of tokens that go through a model at once: measured where it pays, remembered, within memory."""

from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from trifold.engines import token_budget as budget
from trifold.engines.token_budget import Work, tuned_budget
from trifold.models.settings import ComputeSettings
from trifold.runtime import Runtime, resident_bytes

AUTO = ComputeSettings()
MANY = np.full(8_000, 100)


class Clock:
    """Time that passes only where a batch says so."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(budget, "time", made)
    return made


@pytest.fixture
def sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tokens of the batches that were tried; what is remembered is this test's alone."""
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path))
    return []


def work(sizes: list[int], clock: Clock, lengths: np.ndarray = MANY) -> Work:
    """A machine on which 2,000 tokens take no longer than 1,000, and more take longer in proportion."""

    def attempt(ids: np.ndarray, mask: np.ndarray) -> None:
        assert ids.shape == mask.shape
        sizes.append(ids.size)
        clock.now += max(0.04, ids.size * 2e-5)

    return Work("encoding", "abc", Runtime("cpu", "float32"), lengths, 1, attempt)


def test_the_fastest_is_found_once_and_remembered(sizes: list[int], clock: Clock) -> None:
    assert tuned_budget(AUTO, work(sizes, clock)) == 2_048
    assert {1_000, 2_000, 4_000, 8_100} == set(sizes)
    sizes.clear()
    assert tuned_budget(AUTO, work(sizes, clock)) == 2_048
    assert sizes == []
    other = replace(work(sizes, clock), model="def")
    tuned_budget(AUTO, other)
    assert sizes, "another model is another question"


def test_no_batch_is_tried_that_the_work_never_has(sizes: list[int], clock: Clock) -> None:
    steps = replace(work(sizes, clock), at_once=16)
    assert tuned_budget(AUTO, steps) == 2_048
    assert set(sizes) == {1_000, 2_000}, "sixteen texts of a hundred tokens fit into the second"
    sizes.clear()
    assert tuned_budget(AUTO, replace(steps, at_once=30)) == 2_048
    assert set(sizes) == {1_000, 2_000, 4_000}, "what was found among few is not the answer for more"
    sizes.clear()
    assert tuned_budget(AUTO, replace(steps, at_once=10)) == 4_096
    assert sizes == [], "any budget holds a thousand tokens: nothing to find out"


def test_small_work_and_a_named_budget_are_not_measured(sizes: list[int], clock: Clock) -> None:
    assert tuned_budget(AUTO, work(sizes, clock, np.full(100, 100))) == 4_096
    assert tuned_budget(ComputeSettings(token_budget=77), work(sizes, clock)) == 77
    assert sizes == []


def test_no_batch_is_tried_that_could_exhaust_memory(
    sizes: list[int], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What an earlier peak, far above all that is tried, must not hide.
    earlier = np.ones(400_000_000, dtype=np.uint8)
    del earlier
    before = resident_bytes()

    def attempt(ids: np.ndarray, mask: np.ndarray) -> None:
        sizes.append(ids.size)
        held = np.ones(ids.size * 200_000, dtype=np.uint8)
        until = perf_counter() + 0.1
        while perf_counter() < until:
            held[:1_000].fill(1)
        clock.now += 0.02

    # Half of it leaves room for 20,000 tokens of 200 kB, then for 6,000.
    for room, largest in ((20_000, 8_100), (6_000, 4_000)):
        monkeypatch.setattr(budget, "memory_bytes", lambda room=room: 2 * (before + room * 200_000))
        sizes.clear()
        tuned_budget(AUTO, replace(work(sizes, clock), model=str(room), attempt=attempt))
        assert max(sizes) == largest


def test_a_damaged_memory_is_measured_again(sizes: list[int], clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "budgets.json").write_text("{not json")
    assert tuned_budget(AUTO, work(sizes, clock)) == 2_048
    assert sizes
