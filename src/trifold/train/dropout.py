"""Dropout by random bytes: on a CPU, drawing a number for every value is a tenth of a training step.

PyTorch draws one random number a value. A decision that is true with a chance of so many in 256 needs eight bits, so
one draw of 64 serves eight values (benchmarks/LOG.md has the seconds). On a GPU its own is as fast as memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch

_CHANCES = 256


@contextmanager
def bytewise_dropout(model: torch.nn.Module) -> Iterator[None]:
    """Inside, the model's dropout on the CPU draws bytes; chances are rounded to 256ths.

    A layer whose chance would so become nothing or certainty stays as it is.
    """
    layers = [module for module in model.modules() if type(module) is torch.nn.Dropout]
    changed = [layer for layer in layers if 0 < _dropped(layer.p) < _CHANCES]
    for module in changed:
        # On the instance, where it hides the class's own until it is taken away again.
        module.forward = partial(_forward, module)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in changed:
            del module.forward


def drop_bytes(values: torch.Tensor, dropped: int) -> torch.Tensor:
    """Set each value to zero with a chance of `dropped` in 256, and make up for it in the others.

    Args:
        values: Any shape, on the CPU.
        dropped: 1 to 255.

    Returns:
        In the shape of `values`; their mean is what it was. The generator is PyTorch's own, so a seed or a restored
        state repeats the draw.
    """
    count = values.numel()
    lowest = torch.iinfo(torch.int64).min
    draws = torch.empty((count + 7) // 8, dtype=torch.int64).random_(lowest, None)
    kept = (draws.view(torch.uint8)[:count] >= dropped).view(values.shape)
    return values * kept.to(values.dtype).mul_(_CHANCES / (_CHANCES - dropped))


def _forward(module: torch.nn.Dropout, values: torch.Tensor) -> torch.Tensor:
    if not module.training:
        return values
    if values.device.type != "cpu":
        return torch.nn.functional.dropout(values, module.p)
    return drop_bytes(values, _dropped(module.p))


def _dropped(chance: float) -> int:
    return round(chance * _CHANCES)
