"""Linear layers on 8-bit integers give nearly what they give on floats."""

import pytest
import torch

from trifold.engines.int8 import multiplies_int8
from trifold.engines.int8_linear import (
    EXTRA_CHANNELS,
    Affine,
    ChannelRanges,
    Quantisation,
    Quantise,
    quantised,
    split_outliers,
)

needs_int8 = pytest.mark.skipif(not multiplies_int8(), reason="this processor has no matmul of 8-bit integers")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_states_are_rounded_to_the_nearest_step_and_stay_as_they_were(dtype: torch.dtype) -> None:
    states = (4 * torch.randn(5, 7, 48)).to(dtype)
    before, smooth = states.clone(), torch.rand(48) + 0.5
    steps = Quantisation.over(-3.0, 6.0)
    found = Quantise(steps, smooth)(states)
    expected = (states.float() / smooth / steps.scale + steps.zero_point).round().clamp(0, 255)
    assert found.dtype == torch.uint8
    # Half-way between two steps either may be taken.
    difference = (found.float() - expected).abs()
    assert difference.max() <= 1
    assert (difference > 0).float().mean() < 0.01
    assert {0, 255} < set(found.unique().tolist()), "what lies beyond is cut off"
    assert torch.equal(states, before)


@needs_int8
@pytest.mark.parametrize("gelu", [False, True])
def test_a_product_of_integers_is_nearly_the_plain_one(gelu: bool) -> None:
    linear = torch.nn.Linear(48, 80)
    states = torch.randn(3, 50, 48)
    seen = ChannelRanges(48)
    seen.observe(states)
    quantise, (matmul,) = quantised([Affine.of(linear)], seen, torch.float32, gelu=gelu)
    expected = linear(states)
    expected = torch.nn.functional.gelu(expected) if gelu else expected
    error = matmul(quantise(states)) - expected
    assert error.abs().mean() < 0.02 * expected.abs().mean()


def test_a_channel_that_reaches_far_is_split_and_its_copies_sum_up_to_it() -> None:
    torch.manual_seed(0)
    up, down = torch.nn.Linear(16, 32), torch.nn.Linear(32, 16)
    with torch.no_grad():
        up.weight[3] *= 30
    states = torch.randn(2_000, 16)
    gelu = torch.nn.functional.gelu
    exact = gelu(up(states)).detach()
    between = ChannelRanges(32)
    between.observe(exact)
    wide, narrow, steps = split_outliers(Affine.of(up), Affine.of(down), between)
    assert 32 < len(wide.bias) <= 32 + EXTRA_CHANNELS
    assert 255 * steps.scale < 0.5 * float(exact.max()), "the steps are no finer for it"
    top = (255 - steps.zero_point) * steps.scale
    with torch.no_grad():
        copies = gelu(states @ wide.weight.T + wide.bias).clamp(max=top)
        split, whole = copies @ narrow.weight.T + narrow.bias, down(exact)
    assert (split - whole).abs().max() < 0.2, "GELU of what lies below zero is all that they add"
    assert (split - whole).abs().mean() < 0.02
