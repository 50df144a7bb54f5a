"""PyTorch's private operators, which any release may rename or drop. No other file names one.

Each is looked up when it is needed. Where one is missing, public operators compute the same, or another engine does;
that is said once a process.
"""

import operator

import torch

from trifold.events import say_once

_PREPACKED_LINEAR = (
    "ops.mkldnn._reorder_linear_weight", "ops.mkldnn._linear_pointwise", "ops.mkldnn._is_mkldnn_bf16_supported",
)  # fmt: skip
_INT8_LINEAR = ("ops.onednn.qlinear_prepack", "ops.onednn.qlinear_pointwise")


def has_prepacked_linear() -> bool:
    """Whether oneDNN's linear layer on prepacked weights is there, and in bfloat16 on this processor."""
    if not _has_onednn() or not _have(_PREPACKED_LINEAR, "weights are not prepacked"):
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def prepack_linear(weight: torch.Tensor, rows: int) -> torch.Tensor:
    """`(out, in)` weights laid out for matmuls of about so many rows; nothing but `prepacked_linear` reads them."""
    found: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
    return found


def prepacked_linear(
    states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, *, gelu: bool
) -> torch.Tensor:
    """A linear layer with weights from `prepack_linear`: `(…, in)` to `(…, out)`, the exact GELU behind it if asked."""
    found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(states, weight, bias, *_behind(gelu))
    return found


def has_int8_linear() -> bool:
    """Whether oneDNN's linear layer on 8-bit integers is there; the processor may still lack the instruction."""
    return _has_onednn() and _have(_INT8_LINEAR, "matmuls are not of 8-bit integers by PyTorch")


def prepack_int8_linear(weight: torch.Tensor, rows: int) -> torch.Tensor:
    """`(out, in)` int8 weights laid out for matmuls of about so many rows; nothing but `int8_linear` reads them."""
    found: torch.Tensor = torch.ops.onednn.qlinear_prepack(weight, [rows, weight.shape[1]])
    return found


def int8_linear(
    states: torch.Tensor,
    quantisation: tuple[float, int],
    weight: torch.Tensor,
    scales: torch.Tensor,
    zero_points: torch.Tensor,
    bias: torch.Tensor,
    result: tuple[float, int, torch.dtype],
    *,
    gelu: bool,
) -> torch.Tensor:
    """A linear layer on quantised states.

    Args:
        states: `(…, in)` uint8.
        quantisation: Scale and zero point of the states.
        weight: From `prepack_int8_linear`.
        scales: `(out,)` of the weights.
        zero_points: `(out,)` int64, of the weights.
        bias: `(out,)` float32.
        result: Scale, zero point and type of the result; 1 and 0 where it is not quantised.
        gelu: Whether the exact GELU follows.
    """
    found: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
        states, *quantisation, weight, scales, zero_points, bias, *result, *_behind(gelu)
    )
    return found


def copy_each(targets: list[torch.Tensor], sources: list[torch.Tensor]) -> None:
    """Copy every source into its target, converted to its type."""
    if not targets:
        return
    if _have(("_foreach_copy_",), "tensors are copied one by one"):
        torch._foreach_copy_(targets, sources)
        return
    for target, source in zip(targets, sources, strict=True):
        target.copy_(source)


def scale_each(tensors: list[torch.Tensor], factor: float) -> None:
    """Multiply every tensor by a number, in place."""
    if not tensors:
        return
    if _have(("_foreach_mul_",), "gradients are scaled one by one"):
        torch._foreach_mul_(tensors, factor)
        return
    for tensor in tensors:
        tensor.mul_(factor)


def lerp_each(averages: list[torch.Tensor], values: list[torch.Tensor], share: float) -> None:
    """Move every average by a share of the way to its value, in place."""
    if _have(("_foreach_lerp_",), "weights are averaged one by one"):
        torch._foreach_lerp_(averages, values, share)
        return
    for average, value in zip(averages, values, strict=True):
        average.lerp_(value, share)


def _has_onednn() -> bool:
    """Whether this PyTorch was built with oneDNN."""
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def _behind(gelu: bool) -> tuple[str, list[float], str]:
    """What follows a linear layer, in oneDNN's words."""
    return ("gelu", [], "none") if gelu else ("none", [], "")


def _have(names: tuple[str, ...], instead: str) -> bool:
    """Whether all of these operators exist; if not, a note says once what is done instead."""
    missing = [name for name in names if not _exists(name)]
    if missing:
        say_once(f"note: PyTorch {torch.__version__} has no torch.{missing[0]}: {instead}, which is slower")
    return not missing


def _exists(name: str) -> bool:
    try:
        operator.attrgetter(name)(torch)
    except (AttributeError, RuntimeError):
        return False
    return True
