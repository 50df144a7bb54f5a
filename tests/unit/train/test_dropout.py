"""Dropout by bytes: as many values fall, their mean stays, and a seed repeats them."""

from contextlib import suppress

import pytest
import torch

from trifold.train.dropout import bytewise_dropout, drop_bytes


@pytest.mark.parametrize("dropped", [1, 26, 128, 255])
def test_as_many_fall_as_asked_for_and_the_mean_stays(dropped: int) -> None:
    torch.manual_seed(0)
    found = drop_bytes(torch.ones(400_000), dropped)
    share, scale = dropped / 256, 256 / (256 - dropped)
    error = (share * (1 - share) / 400_000) ** 0.5
    assert found.unique().tolist() == pytest.approx([0.0, scale])
    assert float((found == 0).float().mean()) == pytest.approx(share, abs=4 * error)
    assert float(found.mean()) == pytest.approx(1.0, abs=4 * error * scale)


def test_every_byte_of_a_draw_decides_for_itself() -> None:
    torch.manual_seed(0)
    fallen = (drop_bytes(torch.ones(80_000), 128) == 0).float().view(-1, 8)
    assert fallen.mean(0) == pytest.approx(torch.full((8,), 0.5), abs=0.02)
    together = torch.corrcoef(fallen.T) - torch.eye(8)
    assert float(together.abs().max()) < 0.04


def test_gradients_pass_where_values_pass() -> None:
    values = torch.randn(3, 5, 7, requires_grad=True)
    found = drop_bytes(values, 64)
    found.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, torch.where(found == 0, 0.0, 256 / 192))
    assert torch.allclose(found, values * values.grad)


def test_a_seed_repeats_it_and_another_does_not() -> None:
    def draw(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return drop_bytes(torch.ones(1_001), 26)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_bfloat16_stays_bfloat16() -> None:
    assert drop_bytes(torch.ones(9, dtype=torch.bfloat16), 26).dtype == torch.bfloat16


def test_a_model_has_it_inside_alone() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5), torch.nn.Dropout(0.001))
    with bytewise_dropout(model):
        assert model[1](torch.ones(1_000)).unique().tolist() == [0.0, 2.0]
        assert "forward" not in model[2].__dict__
        model.eval()
        assert model[1](torch.ones(1_000)).unique().tolist() == [1.0]
    assert "forward" not in model[1].__dict__


def test_a_model_has_its_own_back_after_a_stop() -> None:
    layer = torch.nn.Dropout(0.5)
    with suppress(KeyboardInterrupt), bytewise_dropout(layer):
        raise KeyboardInterrupt
    assert "forward" not in layer.__dict__
