"""Linear layers in 8-bit integers, by PyTorch's kernels, with few of the 256 integers lost to outliers.

Weights are quantised per output channel, a matmul's states with one scale over the range that they had on sample texts.
A few channels reach far further than the others, which would be left with few of the 256 integers. Where the states
come from a normalisation or from attention, a part of each channel's size goes into the weights beforehand
(SmoothQuant; Xiao et al. 2023). Where they come from GELU, such a channel is split into copies, each of which holds a
stretch of its values (docs/decisions/0016).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from trifold.engines.private_operators import int8_linear, prepack_int8_linear

# Rows of a matmul that its weights are laid out for; others only run a little slower.
_USUAL_ROWS = 4_096
# How much of a channel's excess goes into the weights: none at 0, all at 1.
_SMOOTHING = 0.5
# Copies of channels, all together, that a matmul behind GELU may have more.
EXTRA_CHANNELS = 8
# Values are expected to reach so many times further than on the sample texts.
_HEADROOM = 1.2
_TINY = 1e-4
# From here to twice as much, floats are whole numbers, so that adding it rounds; and their last byte counts up from 0.
# PyTorch's own way from floats to uint8 takes four times as long.
_WHOLE = 2.0**23


class Quantisation(NamedTuple):
    """What integers from 0 to 255 stand for: `(integer - zero_point) * scale`."""

    scale: float
    zero_point: int

    @classmethod
    def over(cls, lowest: float, highest: float) -> "Quantisation":
        """The one whose integers reach from `lowest` to `highest`, zero included."""
        lowest, highest = min(lowest, 0.0), max(highest, _TINY)
        scale = (highest - lowest) / 255
        return cls(scale, round(-lowest / scale))


class Affine(NamedTuple):
    """`states @ weight.T + bias`: `(out, in)` and `(out,)` in single precision."""

    weight: torch.Tensor
    bias: torch.Tensor

    @classmethod
    def of(cls, linear: torch.nn.Linear) -> "Affine":
        """What a linear layer computes."""
        return cls(linear.weight.detach(), linear.bias.detach())


class ChannelRanges:
    """The lowest and highest value of each channel of some states, with some headroom."""

    def __init__(self, channels: int) -> None:
        self.lowest, self.highest = torch.zeros(channels), torch.zeros(channels)

    def observe(self, states: torch.Tensor) -> None:
        """Widen the ranges to the values of `(…, channels)` states."""
        flat = states.flatten(0, -2) * _HEADROOM
        self.lowest = torch.minimum(self.lowest, flat.amin(0))
        self.highest = torch.maximum(self.highest, flat.amax(0))

    def smoothing(self, matmuls: Sequence[Affine]) -> torch.Tensor:
        """What to divide the channels by, and to multiply the weights of all `matmuls` that take them with."""
        states = torch.maximum(-self.lowest, self.highest).clamp_min(_TINY)
        weights = torch.cat([matmul.weight for matmul in matmuls]).abs().amax(0).clamp_min(_TINY)
        return states**_SMOOTHING / weights ** (1 - _SMOOTHING)

    def quantisation(self, smoothing: torch.Tensor) -> Quantisation:
        """One for all channels, once they are divided."""
        return Quantisation.over(float((self.lowest / smoothing).min()), float((self.highest / smoothing).max()))

    def stretch(self) -> float:
        """The shortest that holds all values above zero once channels are split into as many copies as may be."""
        shortest, longest = 0.0, max(_TINY, float(self.highest.max()))
        for _ in range(30):
            middle = (shortest + longest) / 2
            enough = int(self.copies(middle).sum()) <= len(self.highest) + EXTRA_CHANNELS
            shortest, longest = (shortest, middle) if enough else (middle, longest)
        return longest

    def copies(self, stretch: float) -> torch.Tensor:
        """How many each channel needs for stretches of that length, `(channels,)`."""
        return (self.highest / stretch).ceil().clamp_min(1).long()


class Quantise(torch.nn.Module):
    """States to 8-bit integers, the channels divided by `smoothing` before."""

    def __init__(self, quantisation: Quantisation, smoothing: torch.Tensor) -> None:
        super().__init__()
        self._factor = 1 / (smoothing * quantisation.scale)
        self._offset = torch.full_like(smoothing, _WHOLE + quantisation.zero_point)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """`(…, channels)` to the same in uint8."""
        floats = states.float()
        room = None if floats is states else floats
        found = torch.addcmul(self._offset, floats, self._factor, out=room).clamp_(_WHOLE, _WHOLE + 255)
        return found.view(torch.int32).to(torch.uint8)


class Int8Linear(torch.nn.Module):
    """A linear layer on quantised states.

    Args:
        exact: The layer in single precision.
        states: How the states are quantised.
        dtype: Number format of the result.
        gelu: Whether the exact GELU follows.
        result: How the result is quantised to uint8; it is not where `None`.
    """

    def __init__(
        self,
        exact: Affine,
        states: Quantisation,
        dtype: torch.dtype,
        *,
        gelu: bool = False,
        result: Quantisation | None = None,
    ) -> None:
        super().__init__()
        weight = exact.weight
        self._scales = weight.abs().amax(1).clamp_min(_TINY / 127) / 127
        integers = (weight / self._scales[:, None]).round().to(torch.int8)
        # No parameter: nothing but this matmul can read such a layout.
        self._weight = prepack_int8_linear(integers, _USUAL_ROWS)
        self._zero_points = torch.zeros(len(weight), dtype=torch.int64)
        self._bias = exact.bias
        self._states = states
        self._result = (1.0, 0, dtype) if result is None else (*result, torch.uint8)
        self._gelu = gelu

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """`(…, in)` uint8 to `(…, out)`."""
        return int8_linear(
            states,
            self._states,
            self._weight,
            self._scales,
            self._zero_points,
            self._bias,
            self._result,
            gelu=self._gelu,
        )


def quantised(
    exact: Sequence[Affine], ranges: ChannelRanges, dtype: torch.dtype, **behind: Any
) -> tuple[Quantise, list[Int8Linear]]:
    """Matmuls that take the same states, and what quantises these for them.

    Args:
        exact: The matmuls.
        ranges: Ranges of the states.
        dtype: Number format of the results.
        behind: As `gelu` and `result` of `Int8Linear`.
    """
    smoothing = ranges.smoothing(exact)
    states = ranges.quantisation(smoothing)
    smoothed = [Affine(one.weight * smoothing, one.bias) for one in exact]
    return Quantise(states, smoothing), [Int8Linear(one, states, dtype, **behind) for one in smoothed]


def split_outliers(up: Affine, down: Affine, between: ChannelRanges) -> tuple[Affine, Affine, Quantisation]:
    """Two matmuls with GELU between them, whose far-reaching channels are split into copies.

    GELU of a large number is the number. So where each copy begins a stretch further up and ends where the integers do,
    their sum is what the channel was.

    Args:
        up: The matmul before GELU.
        down: The matmul behind it.
        between: Ranges of GELU's results.

    Returns:
        Both matmuls with the copies, and the quantisation of what lies between them.
    """
    stretch = between.stretch()
    copies = between.copies(stretch)
    channels = torch.repeat_interleave(torch.arange(len(copies)), copies)
    below = torch.cat([torch.arange(int(count)) for count in copies]) * stretch
    wider = Affine(up.weight[channels], up.bias[channels] - below)
    narrower = Affine(down.weight[:, channels], down.bias)
    return wider, narrower, Quantisation.over(float(between.lowest.min()), stretch)
