"""Something else has its turn between two layers of a forward pass, so that a long one need not keep others waiting."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from trifold.errors import BackboneError

_THREAD = threading.local()
_WATCHED: "WeakSet[Any]" = WeakSet()


def watch_layers(model: Any) -> int:
    """Let `between_layers` know whenever a layer of a model of PyTorch is about to be computed.

    Args:
        model: On the CPU: elsewhere, a layer is computed long after it was called.

    Returns:
        How many layers it has; 0 where they are unknown, and nothing will have its turn.
    """
    # Only here: what needs no PyTorch does not wait for it.
    from trifold.models.layers import encoder_layers

    try:
        layers = list(encoder_layers(model))
    except (BackboneError, AttributeError):
        return 0
    for layer in layers:
        if layer not in _WATCHED:
            _WATCHED.add(layer)
            layer.register_forward_pre_hook(_let_in)
    return len(layers)


@contextmanager
def between_layers(action: Callable[[], None]) -> Iterator[None]:
    """Inside, an action is called before each layer that this thread computes, but for those of the action itself.

    Args:
        action: Raises nothing.
    """
    before, _THREAD.action = getattr(_THREAD, "action", None), action
    try:
        yield
    finally:
        _THREAD.action = before


def _let_in(*_: object) -> None:
    import torch

    action = getattr(_THREAD, "action", None)
    if action is None:
        return
    _THREAD.action = None
    try:
        # The precision of the pass that is interrupted is not that of another model.
        with torch.autocast("cpu", enabled=False):
            action()
    finally:
        _THREAD.action = action
