"""States below the first trained layer, handed out in batches."""

import numpy as np
import pytest
import torch

from trifold.backbone import frozen
from trifold.backbone.frozen import States
from trifold.runtime import Runtime


def some_states(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((rng.integers(1, 9), 4)).astype(np.float16) for _ in range(count)]


def check(states: States, arrays: list[np.ndarray], device: str) -> None:
    positions = np.array([7, 0, len(arrays) - 1, 2])
    found = states.padded(states.batch(positions, 10).to(device)).cpu()
    assert found.shape == (4, 10, 4)
    assert found.dtype == torch.float32
    for row, position in zip(found.numpy(), positions, strict=True):
        own = arrays[position]
        np.testing.assert_array_equal(row[: len(own)], own)
        assert not row[len(own) :].any()


def test_a_batch_is_filled_up_with_zeros() -> None:
    arrays = some_states(20)
    check(States(arrays, Runtime("cpu", "float32")), arrays, "cpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("share", [0.3, 0.0])
def test_on_a_gpu_they_lie_in_its_memory_where_they_fit(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen, "_GPU_SHARE", share)
    monkeypatch.setattr(frozen, "_TEXTS_PER_SEGMENT", 8)
    arrays = some_states(20)
    states = States(arrays, Runtime("cuda", "bfloat16"))
    assert states.batch(np.arange(2), 10).dtype == (torch.int64 if share else torch.float16)
    check(states, arrays, "cuda")
