"""A frozen BERT whose matrix products are of 8-bit integers, by PyTorch's kernels.

Weights are rounded per output channel, a product's states by one scale over the range that they had on made-up texts.
So what is said of a text does not depend on those beside it, and no pass looks for a batch's range. A few channels are
far larger than the others, which would be left with few of the 256 steps. Where states come from a normalisation or
from attention, a part of that goes into the weights beforehand (SmoothQuant; Xiao et al. 2023). Where they come from
GELU, such a channel is split into copies that stand for a stretch of its values each (docs/decisions/0016). Attention,
normalisation and sums stay in floating point.
"""

import copy
import platform
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from trifold.engines.fast_bert import BertConfig, FastBert
from trifold.models.backbone_files import BackboneFiles
from trifold.models.tokenizer_files import fast_tokenizer
from trifold.runtime import Runtime, cpu_multiplies_int8

# Rows of a product that its weights are laid out for; others only run a little slower.
_USUAL_ROWS = 4_096
# How much of a channel's excess goes into the weights: none at 0, all at 1.
_SMOOTHING = 0.5
# Copies of channels, all together, that a product behind GELU may have more.
_COPIES = 8
# Values are expected to reach so many times further than on made-up texts.
_HEADROOM = 1.2
_TINY = 1e-4
# From here to twice as much, floats are whole numbers, so that adding it rounds; and their last byte counts up from 0.
# PyTorch's own way from floats to uint8 takes four times as long.
_WHOLE = 2.0**23
# Made-up texts, so many of so many tokens; on the last the result is tried.
_MADE_UP = ((4, 120), (8, 24), (2, 60))
# A direction of two vectors from which on they say the same, as the mean over tokens.
_SAME = 0.98


class _Steps(NamedTuple):
    """What integers from 0 to 255 stand for: `(integer - zero) * size`."""

    size: float
    zero: int

    @classmethod
    def over(cls, lowest: float, highest: float) -> "_Steps":
        """That reach from the one to the other, and to zero."""
        lowest, highest = min(lowest, 0.0), max(highest, _TINY)
        size = (highest - lowest) / 255
        return cls(size, round(-lowest / size))


class _Affine(NamedTuple):
    """`states @ weight.T + bias`: `(out, in)` and `(out,)` in single precision."""

    weight: torch.Tensor
    bias: torch.Tensor

    @classmethod
    def of(cls, linear: torch.nn.Linear) -> "_Affine":
        return cls(linear.weight.detach(), linear.bias.detach())


class _Range:
    """The values of each channel of some states, and a little beyond."""

    def __init__(self, channels: int) -> None:
        self.lowest, self.highest = torch.zeros(channels), torch.zeros(channels)

    def see(self, states: torch.Tensor) -> None:
        """`(…, channels)`."""
        flat = states.flatten(0, -2) * _HEADROOM
        self.lowest = torch.minimum(self.lowest, flat.amin(0))
        self.highest = torch.maximum(self.highest, flat.amax(0))

    def smooth(self, products: Sequence[_Affine]) -> torch.Tensor:
        """What to divide the channels by, and to multiply the weights of all `products` that take them with."""
        states = torch.maximum(-self.lowest, self.highest).clamp_min(_TINY)
        weights = torch.cat([product.weight for product in products]).abs().amax(0).clamp_min(_TINY)
        return states**_SMOOTHING / weights ** (1 - _SMOOTHING)

    def steps(self, smooth: torch.Tensor) -> _Steps:
        """Over all channels, once they are divided."""
        return _Steps.over(float((self.lowest / smooth).min()), float((self.highest / smooth).max()))

    def stretch(self) -> float:
        """The shortest that holds all values above zero once channels are split into as many copies as may be."""
        shortest, longest = 0.0, max(_TINY, float(self.highest.max()))
        for _ in range(30):
            middle = (shortest + longest) / 2
            enough = int(self.copies(middle).sum()) <= len(self.highest) + _COPIES
            shortest, longest = (shortest, middle) if enough else (middle, longest)
        return longest

    def copies(self, stretch: float) -> torch.Tensor:
        """Of each channel, for stretches of that length."""
        return (self.highest / stretch).ceil().clamp_min(1).long()


class _Rounding(torch.nn.Module):
    """States to 8-bit integers, the channels divided by `smooth` before."""

    def __init__(self, steps: _Steps, smooth: torch.Tensor) -> None:
        super().__init__()
        self._factor = 1 / (smooth * steps.size)
        self._offset = torch.full_like(smooth, _WHOLE + steps.zero)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """`(…, channels)` to the same in uint8."""
        floats = states.float()
        room = None if floats is states else floats
        found = torch.addcmul(self._offset, floats, self._factor, out=room).clamp_(_WHOLE, _WHOLE + 255)
        return found.view(torch.int32).to(torch.uint8)


class _Product(torch.nn.Module):
    """What `exact` computes of states that are rounded.

    Args:
        exact: It.
        steps: Of the states.
        dtype: Of what comes out.
        gelu: Whether the exact GELU follows.
        rounded: To these steps, in uint8, comes out what does.
    """

    def __init__(
        self,
        exact: _Affine,
        steps: _Steps,
        dtype: torch.dtype,
        *,
        gelu: bool = False,
        rounded: _Steps | None = None,
    ) -> None:
        super().__init__()
        weight = exact.weight
        self._sizes = weight.abs().amax(1).clamp_min(_TINY / 127) / 127
        integers = (weight / self._sizes[:, None]).round().to(torch.int8)
        # No parameter: nothing but this product can read such a layout.
        self._weight = torch.ops.onednn.qlinear_prepack(integers, [_USUAL_ROWS, weight.shape[1]])
        self._zeros = torch.zeros(len(weight), dtype=torch.int64)
        self._bias = exact.bias
        self._steps = steps
        self._becomes = (1.0, 0, dtype) if rounded is None else (*rounded, torch.uint8)
        self._behind: tuple[str, list[float], str] = ("gelu", [], "none") if gelu else ("none", [], "")

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """`(…, in)` uint8 to `(…, out)`."""
        found: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            states, *self._steps, self._weight, self._sizes, self._zeros, self._bias, *self._becomes, *self._behind
        )
        return found


def multiplies_int8() -> bool:
    """Whether processor and PyTorch have such products: without, sums overflow or take a thousand times longer.

    Others than x86 have a dot product, too, but nobody has seen PyTorch's product use it.
    """
    there = torch._C._has_mkldnn and hasattr(torch.ops.onednn, "qlinear_pointwise")
    return there and cpu_multiplies_int8() and platform.machine() in ("x86_64", "AMD64")


def in_int8(model: FastBert, files: BackboneFiles, runtime: Runtime) -> FastBert | None:
    """An encoder with the products of `model` in 8-bit integers, and all else in the runtime's precision.

    Args:
        model: In single precision, on the CPU; stays as it is.
        files: Its tokenizer's, for the tokens that every text begins and ends with.
        runtime: Where it will run.

    Returns:
        It, to be run without autocast; `None` where it cannot be had, or would say something else.
    """
    if runtime.device != "cpu" or not multiplies_int8():
        return None
    try:
        *seen, tried = _made_up(files, model.config)
        one = _converted(model, _ranges(model, seen), getattr(torch, runtime.precision))
        return one if _says_the_same(one, model, tried) else None
    except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError):
        return None


def _made_up(files: BackboneFiles, config: BertConfig) -> list[torch.Tensor]:
    """Words at random between the tokens that every text begins and ends with, `(texts, tokens)` each."""
    ends = fast_tokenizer(files).encode("").ids
    draw, places = np.random.default_rng(0), config.max_position_embeddings - config.first_position
    shapes = [(texts, min(tokens, places)) for texts, tokens in _MADE_UP]
    found = [torch.from_numpy(draw.integers(0, config.vocab_size, shape)) for shape in shapes]
    for ids in found:
        if ends:
            ids[:, 0], ids[:, -1] = ends[0], ends[-1]
    return found


@torch.inference_mode()
def _ranges(model: FastBert, texts: Sequence[torch.Tensor]) -> dict[torch.nn.Linear, _Range]:
    """Of what goes into each linear part."""
    found = {part: _Range(part.in_features) for part in model.modules() if isinstance(part, torch.nn.Linear)}

    def see(part: Any, given: tuple[torch.Tensor]) -> None:
        found[part].see(given[0])

    hooks = [part.register_forward_pre_hook(see) for part in found]
    try:
        for ids in texts:
            model(ids)
    finally:
        for hook in hooks:
            hook.remove()
    return found


@torch.inference_mode()
def _converted(model: FastBert, seen: dict[torch.nn.Linear, _Range], dtype: torch.dtype) -> FastBert:
    one = copy.deepcopy(model).to(dtype)
    layer: Any
    exact: Any
    for layer, exact in zip(one.encoder["layer"].children(), model.encoder["layer"].children(), strict=True):
        asked, mixed = exact.attention.self, exact.attention.output.dense
        up, down = exact.intermediate.dense, exact.output.dense
        rounding, products = _rounded([_Affine.of(part) for part in asked.values()], seen[asked["query"]], dtype)
        layer.attention.rounding = rounding
        layer.attention.self = torch.nn.ModuleDict(dict(zip(asked, products, strict=True)))
        rounding, products = _rounded([_Affine.of(mixed)], seen[mixed], dtype)
        layer.attention.output.dense = torch.nn.Sequential(rounding, *products)
        wider, narrower, steps = _split(_Affine.of(up), _Affine.of(down), seen[down])
        # What GELU makes is rounded where it is made.
        rounding, products = _rounded([wider], seen[up], dtype, gelu=True, rounded=steps)
        layer.intermediate.dense = torch.nn.Sequential(rounding, *products)
        layer.intermediate.intermediate_act_fn = torch.nn.Identity()
        layer.output.dense = _Product(narrower, steps, dtype)
    return one


def _rounded(
    exact: Sequence[_Affine], states: _Range, dtype: torch.dtype, **behind: Any
) -> tuple[_Rounding, list[_Product]]:
    """Products that take the same states, and what rounds these for them."""
    smooth = states.smooth(exact)
    steps = states.steps(smooth)
    smoothed = [_Affine(one.weight * smooth, one.bias) for one in exact]
    return _Rounding(steps, smooth), [_Product(one, steps, dtype, **behind) for one in smoothed]


def _split(up: _Affine, down: _Affine, between: _Range) -> tuple[_Affine, _Affine, _Steps]:
    """Two products with GELU between, channels that reach far split into copies, and steps that suit all.

    GELU of a large number is the number, so that of copies each of which begins a stretch further up and ends where
    its steps do, the sum is what the channel was.
    """
    stretch = between.stretch()
    copies = between.copies(stretch)
    channels = torch.repeat_interleave(torch.arange(len(copies)), copies)
    below = torch.cat([torch.arange(int(count)) for count in copies]) * stretch
    wider = _Affine(up.weight[channels], up.bias[channels] - below)
    return wider, _Affine(down.weight[:, channels], down.bias), _Steps.over(float(between.lowest.min()), stretch)


@torch.inference_mode()
def _says_the_same(one: FastBert, model: FastBert, ids: torch.Tensor) -> bool:
    found, expected = (states(ids).last_hidden_state.float() for states in (one, model))
    return bool(torch.nn.functional.cosine_similarity(found, expected, dim=-1).mean() > _SAME)
