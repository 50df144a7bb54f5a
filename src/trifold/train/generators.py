"""The random generators' state, which is part of a training's."""

import random
from typing import Any

import numpy as np

from trifold.train.checkpoint import Checkpoint


def generators() -> tuple[dict[str, Any], dict[str, Any]]:
    """The state of every random generator: tensors of PyTorch's, plain values of Python's and NumPy's."""
    import torch

    tensors = {"generator.torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors["generator.cuda"] = torch.cuda.get_rng_state()
    name, keys, *rest = np.random.get_state(legacy=True)
    version, internal, gauss = random.getstate()
    facts = {"numpy": [name, keys.tolist(), *rest], "python": [version, list(internal), gauss]}  # type: ignore[union-attr]
    return tensors, facts


def restore_generators(state: Checkpoint) -> None:
    """The inverse of `generators`."""
    import torch

    torch.set_rng_state(state.tensors["generator.torch"])
    if "generator.cuda" in state.tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(state.tensors["generator.cuda"])
    name, keys, *rest = state.facts["generators"]["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    version, internal, gauss = state.facts["generators"]["python"]
    random.setstate((version, tuple(internal), gauss))
