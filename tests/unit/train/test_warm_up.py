"""The step that makes a GPU ready."""

from pathlib import Path

import pytest
import torch

from trifold.models.locate import locate
from trifold.runtime import Runtime
from trifold.train.warm_up import Size, take_step, warming_up


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_it_can_be_taken_wherever_training_can(precision: str) -> None:
    take_step(Runtime("cpu", precision), Size(texts=2, tokens=6, width=8, inner=16, heads=2))


def test_without_a_gpu_nothing_is_computed(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trifold.train.warm_up.Thread", None)
    with warming_up(Runtime("cpu", "float32"), locate(str(tiny_model)), 2, 6):
        pass


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_random_numbers_are_the_same_after_it(tiny_model: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4), torch.rand(4, device="cuda")
    torch.manual_seed(3)
    with warming_up(Runtime("cuda", "bfloat16"), locate(str(tiny_model)), 2, 6):
        pass
    assert torch.equal(torch.rand(4), expected[0])
    assert torch.equal(torch.rand(4, device="cuda"), expected[1])
